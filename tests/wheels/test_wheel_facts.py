from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from metalmatrix.errors import MatrixError
from metalmatrix.published import releases
from metalmatrix.spans import MOST, dump_runs, parse_runs
from metalmatrix.wheels import wheel_facts
from metalmatrix.wheels.binds import FLAT
from metalmatrix.wheels.link import SYSTEM_SYMBOLS
from metalmatrix.wheels.wheel_facts import Facts, dump_facts, load_facts, parse_facts
from metalmatrix.wheels.wheel_update import missing

TEXT = wheel_facts.DATA.read_text(encoding="utf-8")
FACTS = load_facts()
LIBRARIES = [(wheel, library) for wheel in FACTS.wheels for library in wheel.libraries]


def test_the_file_is_what_it_says() -> None:
    """Reading the data and writing it gives the same bytes."""
    assert dump_facts(FACTS) == TEXT


def test_every_published_wheel_with_binaries_is_known() -> None:
    """Every published wheel with binaries has facts, and nothing else has."""
    assert missing(FACTS, releases.load_releases(), again=True) == []
    published = {
        (release.distribution, release.version, wheel.file, wheel.sha256, wheel.size)
        for release in releases.load_releases()
        for wheel in release.wheels + release.intel
    }
    assert {(w.distribution, w.version, w.file, w.sha256, w.size) for w in FACTS.wheels} <= published


def test_lines_are_small() -> None:
    """A wheel's line can be read in a diff: no more than 4 kB."""
    assert max(map(len, TEXT.splitlines())) < 4096


def test_no_addresses() -> None:
    """The data holds no address, no host and no folder of the machine that made it."""
    assert "://" not in TEXT
    assert not re.search(r'"/(?!usr/lib/|System/Library/)|pypi|pythonhosted|/tmp|/home|/Users', TEXT)


@pytest.mark.parametrize("field", ["sha256", "uuid", "minimum_macos"])
def test_forms(field: str) -> None:
    """Digests, UUIDs and versions have the form of digests, UUIDs and versions."""
    form = {
        "sha256": r"[0-9a-f]{64}",
        "uuid": r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}",
        "minimum_macos": r"1[0-9]\.\d+(\.\d+)?",
    }[field]
    for _, library in LIBRARIES:
        assert re.fullmatch(form, getattr(library, field)), library.path


def test_frameworks() -> None:
    """Each framework has Python's module first, hidden, then what is loaded globally; all are asked all."""
    names = frozenset(symbol.name for symbol in FACTS.symbols)
    for wheel in FACTS.wheels:
        if wheel.distribution not in releases.FRAMEWORKS:
            continue
        first, *others = wheel.libraries
        assert first.path == "tensorflow/python/_pywrap_tensorflow_internal.so"
        assert first.hidden
        assert not any(library.hidden for library in others)
        assert all(library.asked == names and not library.binds for library in wheel.libraries)
        assert sum("libtensorflow_framework" in library.path for library in others) == 1
        assert any("libtensorflow_cc" in library.path for library in others) == (
            Version(wheel.version) >= Version("2.12")
        )


def test_plugins() -> None:
    """Each plugin has one library, whose binds are of its dependencies outside the system, or flat."""
    for wheel in FACTS.wheels:
        if wheel.distribution != releases.PLUGIN:
            continue
        (library,) = wheel.libraries
        assert library.path == "tensorflow-plugins/libmetal_plugin.dylib"
        assert 40 < len(library.binds) == len(set(library.binds))
        for bind in library.binds:
            place = library.dependencies[bind.ordinal - 1].name if bind.ordinal > 0 else ""
            assert place.startswith("@rpath/") or bind.ordinal == FLAT


def test_every_flat_symbol_is_somebodys() -> None:
    """Each flat symbol is exported by some TensorFlow, or listed as the system's: none fails by a guess."""
    flat = {bind.symbol.name for _, lib in LIBRARIES for bind in lib.binds if bind.ordinal == FLAT}
    exported = {name for _, lib in LIBRARIES for name in lib.exports if not lib.hidden}
    assert flat - exported <= SYSTEM_SYMBOLS


def test_symbols() -> None:
    """Symbols are listed once, in the order in which plugins take them, and the C++ ones can be read."""
    assert max(Counter(symbol.name for symbol in FACTS.symbols).values()) == 1
    plugins = sorted(
        (wheel for wheel in FACTS.wheels if wheel.distribution == releases.PLUGIN),
        key=lambda wheel: (Version(wheel.version), wheel.file),
    )
    taken = dict.fromkeys(b.symbol for wheel in plugins for lib in wheel.libraries for b in lib.binds)
    assert tuple(taken) == FACTS.symbols
    for symbol in FACTS.symbols:
        assert bool(symbol.demangled) == symbol.name.startswith("__Z")


def test_equal_libraries_have_equal_facts() -> None:
    """What stands at two wheels about the same file is the same."""
    seen: dict[str, Any] = {}
    for wheel, library in LIBRARIES:
        assert seen.setdefault(library.sha256, library) == library, wheel.file


@pytest.mark.parametrize(
    ("version", "tag", "binary"),
    [("0.5.1", "12.0", "13.0"), ("0.1.0", "11.0", "12.0"), ("1.2.0", "12.0", "12.1")],
)
def test_minimum_macos(version: str, tag: str, binary: str) -> None:
    """Tags and libraries disagree about the macOS that a plugin needs: the higher counts."""
    wheel = FACTS.wheel(releases.PLUGIN, version, "3.9")
    assert wheel is not None
    assert (wheel.macos_by_tag, wheel.macos_by_binary, wheel.minimum_macos) == (tag, binary, binary)


def test_wheels_by_python() -> None:
    """A release has one wheel for a Python, none for another; ``py3`` fits any."""
    found = FACTS.wheel("tensorflow", "2.17.0", "3.11")
    assert found is not None
    assert "cp311" in found.file
    assert FACTS.wheel("tensorflow", "2.17.0", "3.1") is None
    assert FACTS.wheel("tensorflow", "2.17.0", "3.13") is None
    data = json.loads(TEXT.splitlines()[-1]) | {"file": "x-1-py3-none-macosx_13_0_arm64.whl"}
    assert wheel_facts.from_json(data, FACTS.symbols).fits("3.99")


@given(st.sets(st.integers(0, 200)))
def test_runs_of_numbers(numbers: set[int]) -> None:
    """Numbers survive as runs."""
    assert parse_runs(dump_runs(numbers)) == sorted(numbers)


HEADER, SYMBOL = '{"schema": 1}', '{"symbol": 0, "name": "_TF_A"}'
LINE = TEXT.splitlines()[-1]


def damaged(**changes: object) -> str:
    """A file of one wheel with one library, with something in the library changed."""
    library = {
        "path": "a",
        "sha256": "b",
        "install_name": "c",
        "uuid": "d",
        "macos": "12.0",
        "needs": [],
        "rpaths": [],
        **changes,
    }
    wheel = json.loads(LINE) | {"libraries": [library]}
    return f"{HEADER}\n{SYMBOL}\n{json.dumps(wheel)}\n"


def test_small_files() -> None:
    """A header alone is no fact; a library with a symbol is one."""
    assert parse_facts(HEADER) == Facts()
    (wheel,) = parse_facts(damaged(exports="0", asked=1, needs=["weak @rpath/x", "@rpath/y z"])).wheels
    (library,) = wheel.libraries
    assert library.exports == library.asked == {"_TF_A"}
    assert [(need.name, need.kind) for need in library.dependencies] == [
        ("@rpath/x", "weak"),
        ("@rpath/y z", "load"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ("[]", "line 1"),
        ('{"schema": 2}', "has schema 2"),
        (f"{HEADER}\nnonsense", "line 2"),
        (f'{HEADER}\n{{"symbol": 1, "name": "_x"}}', "line 2.*numbered"),
        (f"{HEADER}\n{{}}", "line 2"),
        (f"{HEADER}\n{SYMBOL}\n{LINE[:-20]}", "line 3"),
        (damaged(exports="0", asked=2), "line 3.*not listed"),
        (damaged(exports="1", asked=1), "line 3.*not listed"),
        (damaged(exports="0-999999999999", asked=1), "line 3.*run of numbers"),
        (damaged(exports="-1", asked=1), "line 3"),
        (damaged(binds=[[7, 1]]), "line 3"),
        (damaged(binds=[[0]]), "line 3"),
        (damaged(needs=[1]), "line 3"),
    ],
)
def test_damaged_files(text: str, words: str) -> None:
    """A damaged file, or one of another schema, is an error that says where and what to type."""
    with pytest.raises(MatrixError, match=words) as caught:
        parse_facts(text)
    assert "update --force" in caught.value.hint


@pytest.mark.parametrize("text", ["x", "1-", "-1", "1-x", f"0-{MOST + 1}", "0-9999999999", "1 2,3"])
def test_a_text_that_is_no_run_is_refused(text: str) -> None:
    """What is no run of numbers, or claims to be a huge one, is an error before any memory is taken."""
    with pytest.raises(ValueError, match="no run of numbers"):
        parse_runs(text)
