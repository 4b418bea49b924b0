from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from metalmatrix.errors import ToolMissingError
from metalmatrix.kernels.emulate import emulate
from metalmatrix.kernels.image import EmulationError, read_image
from metalmatrix.kernels.registration import registration
from metalmatrix.kernels.tensorflow_c import Kernel
from metalmatrix.wheels import child
from metalmatrix.wheels.macho import MachOError
from tests.tiny_macho import ARM64, Tiny, fat
from tests.tiny_plugin import (
    DROP,
    KEEP,
    KEPT_0,
    POP,
    PUSH,
    RET,
    SVC,
    UNDEFINED,
    Code,
    TinyPlugin,
    function,
    kernel,
    load,
    move,
    platform,
    store,
)

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.kernels.registration import Registration

pytest.importorskip("lief")
pytest.importorskip("unicorn")

FLOAT, HALF, INT32 = 1, 19, 3
X86_64 = 0x01000007
BLR_X9, X9_IS_X0 = 0xD63F0120, 0xAA0003E9
GOOD = kernel("Good", ("T", FLOAT))


def plugin(code: Code, more: dict[str, Code] | None = None, *, words: int = 35) -> bytes:
    """A plugin whose `TF_InitKernel` is *code*."""
    return TinyPlugin({**platform(words), "_TF_InitKernel": code, **(more or {})}).build()


def run(library: bytes) -> Registration:
    """What comes of a library, in this process: a child's start is most of what a run takes."""
    return registration(read_image(library))


def run_in_child(tmp_path: Path, library: bytes) -> Registration:
    """What comes of a library, as it is done."""
    path = tmp_path / "plugin.dylib"
    path.write_bytes(library)
    return emulate(path).registration


def available(macos: int, then: Code, *, if_not: bool = False) -> Code:
    """*then*, where the system is at least that macOS, or, the other way round, where it is not."""
    skip = 0x34000000 if not if_not else 0x35000000  # cbz w0, cbnz w0
    ask: Code = [move(0, 1), ("address", "1", f"_version{macos}"), ("call", "__availability_version_check")]
    return [*ask, skip | (len(then) + 1) << 5, *then]


def version(macos: int) -> dict[str, Code]:
    """What the question is about: a platform and a version, as words."""
    return {f"_version{macos}": [1, macos << 16]}


class TestSound:
    def test_all_is_told_in_its_order(self) -> None:
        """Ops, dtypes per attribute and arguments in host memory are read off the calls, in order."""
        code = function(
            kernel("Zeta", ("T", FLOAT), ("Tidx", INT32), host="axis"),
            kernel("Alpha", ("T", HALF)),
            kernel("Bare"),
        )
        found = run(plugin(code))
        assert found.kernels == (
            Kernel("Zeta", "GPU", (("T", "FLOAT"), ("Tidx", "INT32")), ("axis",), "ZetaOp"),
            Kernel("Alpha", "GPU", (("T", "HALF"),), (), "AlphaOp"),
            Kernel("Bare", "GPU", (), (), "BareOp"),
        )
        assert found.sites == 3
        assert found.macos == "12.0"
        assert (found.platform.name, found.platform.device) == ("METAL", "GPU")
        assert (found.platform.executor_size, found.platform.executor) == (288, tuple(range(2, 36)))

    def test_kernels_that_are_built_at_once_are_not_mixed_up(self) -> None:
        """Two builders in use at the same time, the first one registered last: each gets its own."""
        first, second = kernel("First", register=False), kernel("Second", ("T", HALF))
        code = function(
            [*first[:-1], ("call", "_TF_NewStatus"), KEEP],  # on the stack: the builder, then something else
            second,
            [0x910043FF, 0xF94003E0, ("string", "1", "T"), move(2, FLOAT)],
            [("call", "_TF_KernelBuilder_TypeConstraint"), ("string", "0", "FirstOp"), 0xF94003E1],
            [("call", "_TF_RegisterKernelBuilder"), 0x910043FF],
        )
        found = run(plugin(code)).kernels
        assert [(one.op, one.dtypes) for one in found] == [
            ("Second", (("T", "HALF"),)),
            ("First", (("T", "FLOAT"),)),
        ]

    def test_the_macos_of_a_kernel_is_found_by_answering_both_ways(self) -> None:
        """What is registered behind a question for a macOS is told with that macOS, however deep."""
        deeper = [*kernel("Newer"), *available(15, kernel("Newest"))]
        code = function(GOOD, available(14, deeper), available(11, kernel("Always")))
        found = run(plugin(code, {**version(11), **version(14), **version(15)})).kernels
        assert {one.op: one.macos for one in found} == {
            "Good": "",
            "Always": "",
            "Newer": "14.0",
            "Newest": "15.0",
        }

    def test_what_is_begun_and_not_registered_is_told_and_is_no_kernel(self) -> None:
        """As 0.1.0 does with LogicalNot: the rest of the list is whole."""
        found = run(plugin(function(GOOD, kernel("Half", register=False))))
        assert ([one.op for one in found.kernels], found.unfinished) == (["Good"], ("Half",))

    def test_an_executor_of_the_older_struct_is_recognised(self) -> None:
        """What is set of `SP_StreamExecutor` is told word by word."""
        found = run(plugin(function(GOOD), words=32)).platform
        assert (found.executor_size, found.executor[-1]) == (264, 32)

    def test_the_arm64_image_of_a_fat_file_is_taken(self) -> None:
        """A universal library has an image for x86-64 beside it."""
        other = bytearray(Tiny("x").build())
        other[4:8] = X86_64.to_bytes(4, "little")
        universal = fat((X86_64, bytes(other)), (ARM64, plugin(function(GOOD))))
        assert [one.op for one in run(universal).kernels] == ["Good"]


FAULTS: dict[str, tuple[Code, str]] = {
    "an unknown import": (function(GOOD, [("call", "_mystery")]), "it calls _mystery, which is not known"),
    "an unknown C++ import": (
        function(GOOD, [("call", "__ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEElsEi")]),
        "which is not known here",
    ),
    "reading nothing": (function(GOOD, [move(0, 16), load(1, 0, 0)]), "it reads from nowhere"),
    "writing nowhere": (function(GOOD, [move(0, 16), store(1, 0, 0)]), "it writes to nowhere"),
    "writing code": (function(GOOD, [("address", "0", "_nothing"), store(1, 0, 0)]), "it writes into code"),
    "branching away": (function(GOOD, [move(9, 4), BLR_X9]), "it branches to nowhere"),
    "branching into data": (
        function(GOOD, [("call", "_TF_NewStatus"), X9_IS_X0, BLR_X9]),
        "it branches into data",
    ),
    "a system call": (function(GOOD, [SVC]), "system call"),
    "no instruction": (function(GOOD, [UNDEFINED]), "traps"),
    "no end": (function(GOOD, [0x14000000]), "more than 50,000,000 instructions"),
    "kernels without end": ([PUSH, *GOOD, ("jump", "_again"), POP, RET], "more than 5,000 kernels"),
    "too much memory": (function(GOOD, [0xD2A20000, ("call", "__Znwm")]), "more than 64 MiB"),
    "a failure of its own": (
        function(GOOD, [move(1, 9), ("string", "2", "no device"), ("call", "_TF_SetStatus")]),
        "no device",
    ),
    "an op without a name": (
        function(GOOD, [move(0, 0), ("call", "_TF_NewKernelBuilder")]),
        "a string has no end",
    ),
    "a dtype that there is not": (function(kernel("Odd", ("T", 99))), "the dtype 99"),
    "registering what is no builder": (
        function(GOOD, [("string", "0", "x"), move(1, 8), ("call", "_TF_RegisterKernelBuilder")]),
        "not being built",
    ),
    "throwing a builder away": (
        function([*kernel("Gone", register=False)[:-1], KEPT_0, ("call", "_TF_DeleteKernelBuilder"), DROP]),
        "throws it away",
    ),
    "an unknown selector": (
        function(
            GOOD,
            [("string", "1", "instancesRespondToSelector:"), ("string", "2", "fly:")],
            [("call", "_objc_msgSend")],
        ),
        "since which macOS there is the method fly:",
    ),
    "an unknown message": (
        function(GOOD, [("string", "1", "alloc"), ("call", "_objc_msgSend")]),
        "the message alloc is not known",
    ),
}


class TestStrict:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_whatever_goes_wrong_is_an_error_and_no_list(self, fault: str) -> None:
        """The kernel that was registered before does not come out alone."""
        code, told = FAULTS[fault]
        more: dict[str, Code] = (
            {"_again": [*GOOD, ("jump", "_again")]} if fault == "kernels without end" else {}
        )
        with pytest.raises(EmulationError, match="_TF_InitKernel") as error:
            run(plugin(code, more))
        assert told in error.value.what

    def test_code_that_is_not_reached_is_an_error(self) -> None:
        """A place that begins a kernel and is never come to: nobody knows when it would be."""
        with pytest.raises(EmulationError, match="1 of 2 places that begin a kernel were not reached"):
            run(plugin(function(GOOD), {"_dead": function(kernel("Dead"))}))

    def test_a_kernel_that_a_newer_macos_lacks_is_an_error(self) -> None:
        """A floor could not tell it."""
        code = function(GOOD, available(14, kernel("Old"), if_not=True))
        with pytest.raises(EmulationError, match="lacks a kernel of Old"):
            run(plugin(code, version(14)))

    def test_an_initialiser_that_fails_is_an_error(self) -> None:
        """What dyld runs before anybody else counts as well."""
        made = TinyPlugin({**platform(), "_TF_InitKernel": function(GOOD), "_first": [SVC, RET]}, ("_first",))
        with pytest.raises(EmulationError, match="_first: it makes a system call"):
            run(made.build())

    @pytest.mark.parametrize("missing", ["_TF_InitKernel", "_SE_InitPlugin"])
    def test_without_an_entry_point_it_is_no_plugin(self, missing: str) -> None:
        """Nothing registered is never told as an empty list."""
        functions = {**platform(), "_TF_InitKernel": function(GOOD)}
        del functions[missing]
        with pytest.raises(EmulationError, match=missing.removeprefix("_")):
            run(TinyPlugin(functions).build())

    @pytest.mark.parametrize("data", [b"", b"junk" * 100, b"\xcf\xfa\xed\xfe" + b"\xff" * 400])
    def test_what_is_no_library_is_an_error(self, data: bytes) -> None:
        """So is what only begins like one."""
        with pytest.raises(MachOError):
            run(data)

    def test_damage_is_an_error_or_changes_nothing(self, tmp_path: Path) -> None:
        """Flipped bytes, anywhere in the file: never another list without an error, never a crash of ours."""
        sound = plugin(function(kernel("Zeta", ("T", FLOAT)), kernel("Alpha", ("T", HALF))))
        whole = run(sound)
        used = [at for at, byte in enumerate(sound) if byte]
        flips = random.Random(8)  # noqa: S311 - the same every time
        for _ in range(5):
            damaged = bytearray(sound)
            at = flips.choice(used)
            damaged[at] ^= 1 << flips.randrange(8)
            try:
                found = run_in_child(tmp_path, bytes(damaged))
            except MachOError:
                continue
            assert len(found.kernels) == len(whole.kernels), f"byte {at:#x}"


class TestLimits:
    def test_it_ends_in_time(self, tmp_path: Path) -> None:
        """The child is killed at its limit."""
        path = tmp_path / "plugin.dylib"
        path.write_bytes(plugin(function(GOOD)))
        with pytest.raises(MachOError, match=r"does not come to its end in 0\.01 s"):
            emulate(path, seconds=0.01)

    def test_a_library_that_is_too_large_is_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The size is looked at first."""
        monkeypatch.setattr(child, "MAX_LIBRARY", 10)
        with pytest.raises(MachOError, match="more than 0 MiB is not read"):
            run_in_child(tmp_path, plugin(function(GOOD)))

    def test_without_unicorn_it_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is optional: what it read is in the data."""
        (tmp_path / "unicorn.py").write_text("raise ImportError('no unicorn here')\n", encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(ToolMissingError, match="Unicorn") as error:
            run_in_child(tmp_path, plugin(function(GOOD)))
        assert error.value.hint == 'pip install "metalmatrix[kernels]"'

    def test_a_child_that_says_nonsense_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The shape of its answer is looked at."""
        (tmp_path / "unicorn.py").write_text(
            "import os\nprint('{}', flush=True)\nos._exit(0)\n", encoding="utf-8"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(EmulationError, match="gave no registration"):
            run_in_child(tmp_path, plugin(function(GOOD)))


def test_the_child_gives_what_is_found_here(tmp_path: Path) -> None:
    """Nothing is lost between the two processes, and what it took is told."""
    code = function(GOOD, available(14, kernel("New")), kernel("Half", register=False))
    library = plugin(code, version(14))
    path = tmp_path / "plugin.dylib"
    path.write_bytes(library)
    found = emulate(path)
    assert found.registration == run(library)
    assert found.seconds > 0
    assert 2**24 < found.memory < 2**30


def test_call_sites_are_branches_to_the_imports_stub() -> None:
    """Each call of one import is found, and none of another's."""
    image = read_image(plugin(function(GOOD, kernel("More", ("T", HALF)))))
    assert len(image.call_sites("_TF_NewKernelBuilder")) == 2
    assert len(image.call_sites("_TF_KernelBuilder_TypeConstraint")) == 2
    assert image.call_sites("_mystery") == frozenset()
