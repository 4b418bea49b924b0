from __future__ import annotations

import os
import struct
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalmatrix.errors import ToolMissingError
from metalmatrix.wheels import child
from metalmatrix.wheels.binds import Bind, demangle, read_binds
from metalmatrix.wheels.macho import Dependency, Export, Image, MachO, MachOError, machines
from tests.tiny_macho import ARM64, X86_64, Tiny, fat, uleb

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEM = "/usr/lib/libSystem.B.dylib"
TINY = Tiny(
    "@rpath/libx.dylib",
    ((SYSTEM, "load"), ("@rpath/liby.dylib", "weak"), ("@rpath/libz.dylib", "reexport")),
    ("@loader_path/", "@loader_path/.."),
    {"_own": (0, ""), "_passed": (2, ""), "_renamed": (2, "_other"), "__ZN1aC1Ev": (0, "")},
    minimum=(12, 3, 1),
)
GOOD = TINY.build()


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes a file of that content."""

    def write(data: bytes) -> Path:
        path = tmp_path / "lib.dylib"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        fat((7, b"another"), (ARM64, GOOD)),
        Tiny(**{**TINY.__dict__, "with_trie_command": True}).build(),
    ],
    ids=["thin", "fat", "LC_DYLD_EXPORTS_TRIE"],
)
def test_what_is_read(data: bytes, file: Callable[[bytes], Path]) -> None:
    """Load commands and exports are read from thin and fat files, and from either command of the trie."""
    with MachO(file(data)) as found:
        assert found.image == Image(
            "@rpath/libx.dylib",
            "00010203-0405-0607-0809-0A0B0C0D0E0F",
            "12.3.1",
            (
                Dependency(SYSTEM, "load"),
                Dependency("@rpath/liby.dylib", "weak"),
                Dependency("@rpath/libz.dylib", "reexport"),
            ),
            ("@loader_path/", "@loader_path/.."),
        )
        assert found.find("_own") == Export(0, "_own")
        assert found.find("_passed") == Export(2, "_passed")
        assert found.find("_renamed") == Export(2, "_other")
        assert found.find("__ZN1aC1Ev") == Export(0, "__ZN1aC1Ev")
        for absent in ("", "_", "_ow", "_own_", "_nope", "_" * 100_000):
            assert found.find(absent) is None


def test_a_bundle_exports_nothing(file: Callable[[bytes], Path]) -> None:
    """A bundle has no install name, and a library without a trie has no exports."""
    with MachO(file(Tiny().build())) as found:
        assert found.image.install_name == ""
        assert found.find("_own") is None


def with_trie(trie: bytes) -> bytes:
    """A library with that export trie."""
    data = Tiny(exports={"_": (0, "")}).build()
    at = data.index(struct.pack("<2I", 0x80000022, 48))
    start = struct.unpack_from("<I", data, at + 40)[0]
    return data[: at + 44] + struct.pack("<I", len(trie)) + data[at + 48 : start] + trie


def test_empty_edges(file: Callable[[bytes], Path]) -> None:
    """A name that begins another may hang on an edge without a character, as in tensorflow-metal 0.1.0."""
    inner = 2 + len(b"_a\0") + 1
    leaf = b"\2\0\7\0"
    longer, own = inner + 2 + 3 + 2, inner + 2 + 3 + 2 + len(leaf)
    trie = b"\0\1_a\0" + uleb(inner) + b"\0\2" + b"b\0" + uleb(longer) + b"\0" + uleb(own) + leaf + leaf
    with MachO(file(with_trie(trie))) as found:
        assert found.find("_a") == Export(0, "_a")
        assert found.find("_ab") == Export(0, "_ab")
        assert found.find("_ac") is None


@pytest.mark.parametrize(
    ("trie", "words"),
    [
        (b"\0\1_a\0\0", "or back"),  # the root again
        (b"\0\1_a\0\7\0\1_a\0\x7f", None),  # a far node that is not asked for
        (b"\0\1_\0\6\0\0\1a\0\x7f", "outside itself"),
        (b"\0\1\0\4\0\1\0\0", "or back"),  # a circle of empty edges
        (b"\0\1_a\0" + b"\xff" * 12, "does not end"),
        (b"\0\1_a", "does not end"),
        (b"\0\xff", "does not end"),
        (b"\x7f\0", "outside itself"),
        (b"\0", "outside itself"),
        (b"\0\1_a\0\6\x7f\0", "outside itself"),
        (b"\0\1_a\0\6\5\x08\x09_b\0\0", "dependency 9, which there is not"),
        (b"\0\1_a\0\6\3\x08\0\0\0", "dependency 0, which there is not"),
        (b"\0\1_a\0\6\1\xff", "does not end"),
    ],
)
def test_wild_tries(trie: bytes, words: str | None, file: Callable[[bytes], Path]) -> None:
    """A trie that points outside itself, back, or does not end is an error, and only on the way to it."""
    with MachO(file(with_trie(trie))) as found:
        if words is None:
            assert found.find("_b") is None
            return
        with pytest.raises(MachOError, match=words):
            found.find("_a")


def test_a_long_chain_of_empty_edges_ends(file: Callable[[bytes], Path]) -> None:
    """A trie of a hundred thousand empty edges is an error, at once."""
    node = 3 + 4
    chain = b"".join(
        b"\0\1\0" + bytes((at & 0x7F | 0x80, at >> 7 & 0x7F | 0x80, at >> 14 & 0x7F | 0x80, at >> 21))
        for at in range(node, 100_000 * node, node)
    )
    started = time.monotonic()
    with MachO(file(with_trie(chain))) as found, pytest.raises(MachOError, match="empty edges"):
        found.find("_a")
    assert time.monotonic() - started < 1


def corrupt(offset: int, layout: str, value: int, data: bytes = GOOD) -> bytes:
    """*data* with a number changed."""
    new = struct.pack(layout, value)
    return data[:offset] + new + data[offset + len(new) :]


def command(kind: int, offset: int, value: int) -> bytes:
    """The good library with a field of its first such load command changed."""
    at = 32
    while struct.unpack_from("<I", GOOD, at)[0] != kind:
        at += struct.unpack_from("<I", GOOD, at + 4)[0]
    return corrupt(at + offset, "<I", value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"\0", "no Mach-O"),
        (b"PK\3\4" + bytes(100), "no Mach-O file of 64 bits"),
        (GOOD[:31], "too short"),
        (GOOD[:60], "end outside the file"),
        (corrupt(4, "<I", 7), "not for arm64"),
        (corrupt(16, "<I", 2**32 - 1), "outside their table"),
        (corrupt(20, "<I", 2**32 - 1), "end outside the file"),
        (corrupt(36, "<I", 0), "ends outside its table"),
        (corrupt(36, "<I", 2**31), "ends outside its table"),
        (command(0xC, 8, 4), "outside its load command"),
        (command(0xC, 8, 2**31), "outside its load command"),
        (command(0x1B, 4, 8), "too short|outside"),
        (command(0x80000022, 40, 2**31), "ends outside the file"),
        (command(0x80000022, 44, 2**31), "ends outside the file"),
        (GOOD.replace(b"@rpath/libx.dylib\0", b"\xff" * 18), "damaged|does not end"),
        (fat((7, b"x")), "no slice for arm64"),
        (fat((ARM64, GOOD))[:4200], "outside the file"),
        (fat((ARM64, b"x")), "too short"),
        (struct.pack(">2I", 0xCAFEBABE, 2**31), "damaged"),
        (
            struct.pack(">2I", 0xCAFEBABF, 1) + struct.pack(">iiQQII", ARM64, 0, 2**63, 2**63, 0, 0),
            "outside the file",
        ),
    ],
)
def test_wild_offsets(data: bytes, words: str, file: Callable[[bytes], Path]) -> None:
    """A file that is none, or points outside itself, is an error with a name."""
    with pytest.raises(MachOError, match=words):
        MachO(file(data))


@settings(max_examples=int(os.environ.get("METALMATRIX_FUZZ", "300")))
@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4)), max_size=5),
    cut=st.integers(0, len(GOOD)),
)
def test_any_damage(changes: list[tuple[int, bytes]], cut: int) -> None:
    """Whatever bytes of a library change, reading and looking up end, in an answer or in a `MachOError`."""
    data = bytearray(GOOD)
    for at, new in changes:
        data[at : at + len(new)] = new
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(data[: max(cut, 32)] if cut % 4 == 0 else data))
        file.flush()
        try:
            with MachO(Path(file.name)) as found:
                answers = [found.find(name) for name in ("_own", "_passed", "_renamed", "_nope")]
                assert all(0 <= answer.ordinal <= 3 for answer in answers if answer)
        except MachOError:
            pass


class TestBinds:
    """`read_binds`, in its child."""

    pytest.importorskip("lief")

    def test_opcodes(self, file: Callable[[bytes], Path]) -> None:
        """Regular binds come first, then the lazy ones, each in the order of the opcodes and once."""
        found = read_binds(
            file(
                Tiny(
                    "@rpath/p.dylib",
                    ((SYSTEM, "load"), ("@rpath/x.so", "load")),
                    binds=(("_z", 2, False), ("_a", -2, True), ("_z", 2, False)),
                    lazy=(("__ZN3tsl8internal10LogMessageC1EPKcii", -2, False), ("_b", 1, False)),
                ).build()
            )
        )
        assert found == (
            Bind("_z", 2),
            Bind("_a", -2, weak=True),
            Bind(
                "__ZN3tsl8internal10LogMessageC1EPKcii",
                -2,
                demangled="tsl::internal::LogMessage::LogMessage(char const*, int, int)",
            ),
            Bind("_b", 1),
        )

    def test_chained_fixups(self, file: Callable[[bytes], Path]) -> None:
        """Chained fixups give the table of imports in its order, special ordinals with their sign."""
        wanted = (("_z", 2, False), ("_flat", -2, False), ("_weak", -3, True), ("_a", 1, False))
        tiny = Tiny("@rpath/p.dylib", ((SYSTEM, "load"), ("@rpath/x.so", "load")), chained=wanted)
        assert read_binds(file(Tiny(**{**tiny.__dict__, "with_trie_command": True}).build())) == tuple(
            Bind(*bind) for bind in wanted
        )

    @pytest.mark.parametrize("data", [b"", b"nothing", fat((7, b"x" * 50))])
    def test_what_is_no_library(self, data: bytes, file: Callable[[bytes], Path]) -> None:
        """What LIEF cannot read is an error with a name."""
        with pytest.raises(MachOError, match="binds"):
            read_binds(file(data))

    def test_too_large(self, file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        """A library larger than any plugin is not handed to native code."""
        monkeypatch.setattr(child, "MAX_LIBRARY", len(GOOD) - 1)
        with pytest.raises(MachOError, match="is not read"):
            read_binds(file(GOOD))


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("kill -SEGV $$", MachOError, "SIGSEGV"),
        ("sleep 10", MachOError, "does not come to its end in 1 s"),
        ("echo '[[1]]'", MachOError, "damaged"),
        ("echo nonsense", MachOError, "damaged"),
        ("echo '\"LIEF\"'; exit 3", ToolMissingError, "needs LIEF"),
        ("printf 'no room for \\033[31mcode' >&2; exit 1", MachOError, "broke off: no room for code$"),
    ],
)
def test_a_child_that_fails(
    script: str,
    error: type[Exception],
    words: str,
    file: Callable[[bytes], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader that crashes, hangs, babbles or lacks LIEF is an error with a name here."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    monkeypatch.setattr(child, "SECONDS", 1)
    with pytest.raises(error, match=words):
        read_binds(file(GOOD))


@pytest.mark.parametrize(
    ("symbol", "readable"),
    [
        ("_TF_NewStatus", ""),
        ("__Z", ""),
        ("__Znwm", "operator new(unsigned long)"),
        ("__ZN1aIN1bIcEEED1Ev", "a<b<char>>::~a()"),
    ],
)
def test_demangle(symbol: str, readable: str) -> None:
    """C++ names become readable, with the brackets of today's compilers; C names and nonsense do not."""
    assert demangle(symbol) == readable


def test_the_image_of_a_machine(file: Callable[[bytes], Path]) -> None:
    """Of a fat file the image of the machine that is asked for is read, and which there are is told."""
    intel = replace(TINY, install_name="@rpath/intel.dylib", minimum=(10, 15, 0), cpu=X86_64).build()
    both = file(fat((X86_64, intel), (7, b"another"), (ARM64, GOOD)))
    assert machines(both) == ("x86_64", "arm64")
    with MachO(both) as arm, MachO(both, "x86_64") as x86:
        assert (arm.image.install_name, arm.image.minimum_macos) == ("@rpath/libx.dylib", "12.3.1")
        assert (x86.image.install_name, x86.image.minimum_macos) == ("@rpath/intel.dylib", "10.15")
        assert x86.find("_own") == arm.find("_own") == Export(0, "_own")
    assert machines(file(intel)) == ("x86_64",)
    with pytest.raises(MachOError, match="not for arm64"):
        MachO(file(intel))
    with pytest.raises(MachOError, match="no slice for x86_64"):
        MachO(file(fat((ARM64, GOOD))), "x86_64")


@pytest.mark.parametrize("data", [b"", b"\x7fELF" + bytes(60), GOOD[:6], fat((7, b"x")), fat((7, b"x"))[:20]])
def test_no_image_at_all(data: bytes, file: Callable[[bytes], Path]) -> None:
    """What is no library of a Mac has images for no machine."""
    assert machines(file(data)) == ()
