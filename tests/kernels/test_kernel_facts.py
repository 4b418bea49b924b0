from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.errors import MatrixError
from metalmatrix.kernels.executor import refusal
from metalmatrix.kernels.kernel_facts import (
    DATA,
    KernelFacts,
    PluginLibrary,
    dump_kernels,
    load_kernels,
    load_variants,
    parse_kernels,
    sort_key,
    with_library,
)
from metalmatrix.kernels.kernel_update import missing
from metalmatrix.kernels.platform_c import Platform
from metalmatrix.kernels.tensorflow_c import Kernel, OpDefinition
from metalmatrix.published.releases import PLUGIN, load_releases
from metalmatrix.wheels.wheel_facts import load_facts

PLATFORM = Platform("METAL", "GPU", False, True, False, 288, (2, 3, 35), True)  # noqa: FBT003
TEXT = DATA.read_text(encoding="utf-8")

# Kernels and ops of each version, as a trial had read them before this was written, in its own way.
FIGURES = {
    "0.1.0": (229, 133),
    "0.2.0": (270, 160),
    "0.3.0": (276, 164),
    "0.4.0": (276, 164),
    "0.5.0": (285, 165),
    "0.5.1": (320, 169),
    "0.6.0": (297, 172),
    "0.7.0": (305, 181),
    "0.7.1": (305, 181),
    "0.8.0 (Python 3.8-3.10)": (308, 184),
    "1.0.0": (545, 184),
    "1.0.1": (545, 184),
    "1.1.0": (561, 184),
    "1.2.0": (561, 184),
}


class TestData:
    def test_every_published_wheel_is_covered(self) -> None:
        """Each wheel that the index has of the plugin is known, and so are the kernels of its library."""
        published = [w for r in load_releases() if r.distribution == PLUGIN for w in r.wheels]
        wheels = load_facts().by_sha256
        libraries = load_kernels().by_sha256
        assert published
        for wheel in published:
            assert [lib.sha256 for lib in wheels[wheel.sha256].libraries if lib.sha256 in libraries], (
                wheel.file
            )
        assert missing(load_kernels(), load_facts()) == []

    def test_the_counts_are_those_of_the_trial(self) -> None:
        """Two programs that were written apart agree about every version."""
        counts = {
            variant.label: (len(variant.library.kernels), len({k.op for k in variant.library.kernels}))
            for variant in load_variants()
        }
        assert {label: counts[label] for label in FIGURES} == FIGURES
        assert set(counts) - set(FIGURES) == {"0.1.1", "0.1.2", "0.8.0 (Python 3.11)"}

    def test_wheels_of_one_version_differ(self) -> None:
        """0.8.0 for Python 3.11 registers what 1.0.0 brought to the others: it is another build."""
        older, newer = (v for v in load_variants() if v.version == "0.8.0")
        assert (older.pythons, newer.pythons) == (("3.8", "3.9", "3.10"), ("3.11",))
        assert (len(older.library.kernels), len(newer.library.kernels)) == (308, 513)
        assert older.library.platform == newer.library.platform

    def test_matmul_in_half_came_with_1_0_0(self) -> None:
        """But for that one build."""
        has = [
            variant.label
            for variant in load_variants()
            if any(k.op == "MatMul" and ("T", "HALF") in k.dtypes for k in variant.library.kernels)
        ]
        assert has == ["0.8.0 (Python 3.11)", "1.0.0", "1.0.1", "1.1.0", "1.2.0"]

    def test_the_macos_of_kernels(self) -> None:
        """Some kernels of 1.1.0 wait for macOS 12 or 13; 1.2.0 was built for 12.1, and waits for 13 alone."""
        floors = {v.version: Counter(k.macos for k in v.library.kernels) for v in load_variants()}
        assert floors["1.1.0"] == {"": 521, "12.0": 16, "13.0": 24}
        assert floors["1.2.0"] == {"": 537, "13.0": 24}

    def test_it_is_written_as_it_was_read(self) -> None:
        """The file is what the writer makes of it, byte for byte."""
        assert dump_kernels(load_kernels()) == TEXT

    def test_a_wheels_libraries_are_found_by_python(self) -> None:
        """A version, a Python: the library; none where no wheel is known."""
        kernels, wheels = load_kernels(), load_facts()
        assert [len(lib.kernels) for lib in kernels.of_wheel(wheels, PLUGIN, "0.8.0", "3.11") or ()] == [513]
        assert kernels.of_wheel(wheels, PLUGIN, "0.8.0", "3.13") is None
        assert KernelFacts().of_wheel(wheels, PLUGIN, "0.8.0", "3.11") is None


names = st.sampled_from(["MatMul", "Abs", "Zeta"])
kernels = st.builds(
    Kernel,
    names,
    st.sampled_from(["GPU", "GPU", "NPU"]),
    st.lists(
        st.tuples(st.sampled_from(["T", "U"]), st.sampled_from(["HALF", "FLOAT"])),
        max_size=2,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
    st.sampled_from([(), ("axis",)]),
    st.just(""),
    st.sampled_from([0, 3, -1]),
    st.sampled_from(["", "special"]),
    st.sampled_from(["", "13.0"]),
)


@given(st.lists(st.lists(kernels, max_size=6), max_size=4))
def test_facts_come_back_as_they_were(lists: list[list[Kernel]]) -> None:
    """Whatever libraries share or register twice, the text tells it."""
    op = OpDefinition("_Mine", ("T: type",), ("x: T",), ())
    facts = KernelFacts(
        tuple(
            PluginLibrary(
                f"{at:064x}", "12.0", PLATFORM, at, tuple(sorted(found, key=sort_key)), (op,), ("Half",)
            )
            for at, found in enumerate(lists)
        )
    )
    back = parse_kernels(dump_kernels(facts))
    for was, now in zip(facts.libraries, back.libraries, strict=True):
        assert Counter(was.kernels) == Counter(now.kernels)
        assert replace(was, kernels=()) == replace(now, kernels=())


def test_a_new_library_only_adds() -> None:
    """What is known stays as it stands, but for a number in the lines of what the new one shares."""
    before = load_kernels()
    new = replace(before.libraries[-1], sha256="f" * 64)
    after = dump_kernels(with_library(before, [new])).splitlines()
    shared = [line for line in after if line.startswith('{"kernel"') and '-19"' in line]
    assert len(after) == len(TEXT.splitlines()) + 1
    assert len(shared) >= len({(k.op, k.dtypes, k.host) for k in new.kernels})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"schema": 2}',
        "[1]",
        '{"schema": 1}\n{"kernel": "A", "dtypes": {}, "in": "0"}',
        '{"schema": 1}\n{"kernel": "A", "dtypes": {"T": "NONE"}, "in": "0"}',
        '{"schema": 1}\n{"kernel": "A", "dtypes": {}, "in": "99999999"}',
        '{"schema": 1}\n{"library": 1}',
        TEXT.replace('"library": 1,', '"library": 2,', 1),
    ],
)
def test_damage_is_told_with_what_to_type(text: str) -> None:
    """A file that is damaged, or of another schema, names the command that makes it anew."""
    with pytest.raises(MatrixError) as error:
        parse_kernels(text)
    assert "python -m metalmatrix update --force" in error.value.hint


@pytest.mark.parametrize(
    ("version", "framework", "refused"),
    [
        ("0.1.0", "2.5.0", False),
        ("0.2.0", "2.6.0", False),
        ("0.2.0", "2.7.0", True),
        ("0.2.0", "2.7.0rc0", True),
        ("0.1.2", "2.10.0", True),
        ("0.3.0", "2.7.0", False),
        ("1.2.0", "2.18.1", False),
    ],
)
def test_tensorflow_2_7_wants_a_longer_struct(version: str, framework: str, refused: bool) -> None:  # noqa: FBT001
    """Until 0.2.0 the plugin leaves empty what TensorFlow insists on since 2.7, whether it links or not."""
    (library,) = {v.library for v in load_variants() if v.version == version}
    assert (
        "'host_callback' field in SP_StreamExecutor must be set" in refusal([library], framework)
    ) is refused
