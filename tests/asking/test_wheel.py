"""Which wheel is this: what is said of a name and of a file, held against pip's own rule."""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from metalmatrix import cli
from metalmatrix.asking import wheel, wheel_file, wheel_tags, wheel_told
from metalmatrix.table.terminal import print_lines
from metalmatrix.wheels.ranged import WheelError
from metalmatrix.wheels.wheel_facts import Facts, load_facts
from tests.fake_index import FakeWheel
from tests.tiny_macho import ARM64, X86_64, Tiny, fat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ARM = Tiny("a.dylib", minimum=(13, 0, 0)).build()
INTEL = Tiny("a.dylib", minimum=(10, 15, 0), cpu=X86_64).build()
PLUGIN = "tensorflow-plugins/libmetal_plugin.dylib"


def shown(*items: wheel.Explained) -> str:
    """The answer, where nobody is looking."""
    stream = io.StringIO()
    print_lines(wheel_told.lines(items), stream)
    return stream.getvalue()


def by_name(name: str) -> wheel.Explained:
    """What the name alone says."""
    return wheel.explained(wheel.parse(name), load_facts())


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[..., wheel.Explained]:
    """Writes a wheel, under its own name or another, and gives what is made of it."""

    def write(made: FakeWheel, name: str = "", facts: Facts | None = None) -> wheel.Explained:
        path = tmp_path / (name or made.file)
        path.write_bytes(made.content)
        facts = facts or Facts()
        content = wheel_file.read(path, facts.by_sha256, lambda _: None)
        return wheel.explained(wheel.parse(str(path)), facts, content)

    return write


def test_names(golden: Callable[[str, str], None]) -> None:
    """What is said of the wheels that people ask about, whole."""
    names = (
        "tensorflow_macos-2.12.0-cp39-cp39-macosx_12_0_arm64.whl",
        "tensorflow_macos-2.15.1-cp311-cp311-macosx_12_0_arm64.whl",  # empty
        "tensorflow-2.16.2-cp312-cp312-macosx_10_15_x86_64.whl",  # Rosetta
        "tensorflow_metal-0.5.1-cp39-cp39-macosx_12_0_arm64.whl",  # built for more than it is tagged for
        "tensorflow-2.12.9-cp39-cp39-macosx_12_3_arm64.whl",  # pip would not ask for it
        "package-1-1build-cp36-abi3-macosx_10_9_universal2.whl",
        "package-1-py3-none-any.whl",
    )
    golden("wheels.txt", shown(*map(by_name, names)))


PLATFORMS = st.sampled_from(
    [
        "any",
        "manylinux_2_17_x86_64",
        "macosx_10_4_intel",
        "macosx_10_9_x86_64",
        "macosx_10_9_universal2",
        "macosx_11_0_arm64",
        "macosx_12_0_x86_64",
        "macosx_12_3_arm64",
        "macosx_14_0_universal2",
    ]
)
INTERPRETERS = st.sampled_from(["py2", "py3", "py38", "cp36", "cp37", "cp39", "cp312", "cp313", "pp39"])
ABIS = st.sampled_from(["none", "abi3", "cp37m", "cp39", "cp312", "cp313", "cp313t"])


@given(
    st.builds(
        lambda i, a, p: {Tag(x, y, z) for x in i for y in a for z in p},
        *(st.sets(one, min_size=1, max_size=2) for one in (INTERPRETERS, ABIS, PLATFORMS)),
    )
)
def test_who_is_given_a_wheel(tags: set[Tag]) -> None:
    """For every Mac and Python it is told that they are given a wheel just where pip's list has its tag."""
    found = {one.machine: one for one in wheel_tags.taken(tags)}
    for machine, system in (("arm64", (11, 0)), ("arm64", (13, 0)), ("x86_64", (10, 8)), ("x86_64", (14, 0))):
        platforms = list(mac_platforms(system, machine))
        told = found.get(machine)  # type: ignore[call-overload]
        on_it = told and (not told.macos or tuple(map(int, told.macos.split("."))) <= system)
        for minor, abi, threading in ((7, "cp37m", 0), (9, "cp39", 0), (13, "cp313", 0), (13, "cp313t", 1)):
            version, name = (3, minor), f"cp3{minor}"
            asked = {*cpython_tags(version, [abi], platforms), *compatible_tags(version, name, platforms)}
            pythons = (told.free_threaded if threading else told.pythons) if told else ()
            assert bool(asked & tags) == bool(on_it and minor in pythons)


def test_every_published_wheel_is_known() -> None:
    """Of each wheel in the data the name tells what it holds, and it is said to have been published."""
    for facts in load_facts().wheels:
        item = by_name(facts.file)
        assert item.facts == facts
        assert item.holds.startswith(("TensorFlow's own binaries: ", "a plugin", "LiteRT, which runs"))
        assert facts.sha256 in item.known
        assert [one.macos for one in item.named.taken] == [facts.macos_by_tag]


@pytest.mark.parametrize(
    ("typed", "file"),
    [
        ("a/b c/x-1-py3-none-any.whl", "x-1-py3-none-any.whl"),
        ("https://user:word@host/x-1%2Bcpu-py3-none-any.whl#sha256=00", "x-1+cpu-py3-none-any.whl"),
        ("C:\\x-1-py3-none-any.whl", "x-1-py3-none-any.whl"),
    ],
)
def test_paths_and_addresses(typed: str, file: str) -> None:
    """Of a path or an address the name is taken, and nothing else."""
    assert wheel.is_wheel(typed)
    assert wheel.parse(typed).file == file


@pytest.mark.parametrize(
    "typed",
    [
        "x.whl",
        ".whl",
        "x-1-py3-none.whl",
        "x-one-py3-none-any.whl",
        "x-1-build-py3-none-any.whl",
        "x\x1b[31m-1-py3-none-any.whl",
        "x-1-py3-none-any\n.whl",
        "x-1-<b>-none-any.whl",
        "https://[/x-1-py3-none-any.whl",
        f"{'x' * 300}-1-py3-none-any.whl",
        "x-1" + "-py3.py2" * 30 + "-none-any.whl",
    ],
)
def test_hostile_names(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no wheel's name is refused with the reason, and nothing of it reaches the terminal."""
    assert cli.main(["explain", typed]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: " in err
    assert "\x1b" not in err
    assert "Traceback" not in err


def test_a_file(on_disk: Callable[..., wheel.Explained]) -> None:
    """Of a wheel on disk it is told what its libraries were built for, for each machine."""
    made = FakeWheel(
        "tensorflow-metal",
        "0.8.0",
        "cp39-cp39-macosx_12_0_universal2",
        files={PLUGIN: fat((X86_64, INTEL), (ARM64, ARM)), "a/x.so": b"\x7fELF", "b.dylib": ARM[:40]},
    )
    item = on_disk(made)
    assert item.built_for == {"x86_64": "10.15", "arm64": "13.0"}
    assert item.contradictions == ()
    text = " ".join(shown(item).split())
    assert "built for macOS 13.0, and pip takes it from macOS 12.0 on: in between the loader may" in text
    assert "x86_64: its libraries were built for macOS 10.15, its tags ask for 12.0." in text
    assert f"A plugin, which TensorFlow loads when it is imported: {PLUGIN}." in text
    assert "a/x.so was not read: it has no image for a Mac of 64 bits." in text
    assert "b.dylib was not read: its load commands end outside the file." in text


def test_a_file_that_is_not_what_its_name_says(on_disk: Callable[..., wheel.Explained]) -> None:
    """A renamed wheel is told to be one, by its metadata, its digest and its libraries."""
    made = FakeWheel("tensorflow-metal", "0.8.0", "cp39-cp39-macosx_12_0_x86_64", files={PLUGIN: INTEL})
    renamed = on_disk(made, "tensorflow_metal-0.7.0-cp39-cp39-macosx_12_0_arm64.whl")
    inside, digest, image = renamed.contradictions
    assert "it says that it is tensorflow-metal 0.8.0: pip refuses it" in inside
    assert made.digest in digest
    assert f"pip takes it for arm64, for which {PLUGIN} has no image" in image
    assert shown(renamed).count("Mind: ") == 3


def test_an_empty_wheel_on_disk(on_disk: Callable[..., wheel.Explained]) -> None:
    """A framework's wheel without a library is said to be empty, with the name that has the binaries."""
    made = FakeWheel("tensorflow-macos", "2.15.1", "cp39-cp39-macosx_12_0_arm64", files={"x.py": b""})
    assert "no TensorFlow in it, and tensorflow 2.15.1 holds" in on_disk(made).holds
    made = FakeWheel("other", "1", "py3-none-any", files={"x.py": b""})
    assert on_disk(made).holds == "nothing that is compiled for a Mac"


def test_a_published_wheel_is_known_by_its_digest(tmp_path: Path) -> None:
    """A file with the digest of a published wheel is not unpacked: the data has what it holds."""
    made = FakeWheel("tensorflow-metal", "0.8.0", "cp39-cp39-macosx_12_0_arm64", files={PLUGIN: b"damaged"})
    path = tmp_path / made.file
    path.write_bytes(made.content)
    read = wheel_file.read(path, {made.digest}, lambda _: pytest.fail("it was unpacked"))
    assert (read.libraries, read.named) == (None, ("tensorflow-metal", "0.8.0"))


@pytest.mark.parametrize("what", ["nothing", "noise", "cut", "folder", "pipe", "bomb", "many"])
def test_hostile_files(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no wheel, or unpacks to what no wheel does, is refused with the reason, and nobody waits."""
    made = FakeWheel("x", "1", "py3-none-any", files={"x.so": ARM, "y.so": bytes(30_000_000)})
    path = tmp_path / made.file
    content = {"nothing": b"", "noise": os.urandom(5000), "cut": made.content[:-40]}
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(content.get(what, made.content))
    if what == "bomb":
        with zipfile.ZipFile(io.BytesIO(made.content)) as plain, zipfile.ZipFile(path, "w", 8) as packed:
            for name in plain.namelist():
                packed.writestr(name, plain.read(name))
    if what == "many":
        monkeypatch.setattr(wheel_file, "MAX_LIBRARIES", 1)
    with pytest.raises(WheelError):
        wheel_file.read(path, (), lambda _: None)
    assert cli.main(["explain", str(path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("error: x-1-py3-none-any.whl is not read: ")) == ("", 1)


def test_a_path_that_none_can_have(capsys: pytest.CaptureFixture[str]) -> None:
    """What the system takes for no path is explained by its name."""
    assert cli.main(["explain", f"{'a' * 5000}/x-1-py3-none-any.whl"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("x-1-py3-none-any.whl\nA wheel of x 1, by its name alone.")
    assert err == "  x-1-py3-none-any.whl is not here: it is explained by its name\n"


def test_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, wheels are an array with what is told of each; words of cells do not go with them."""
    names = [
        "tensorflow_metal-0.5.1-cp39-cp39-macosx_12_0_arm64.whl",
        "elsewhere/tensorflow-2.17.0-cp39-cp39-macosx_12_0_arm64.whl",
    ]
    assert cli.main(["explain", *names, "--json"]) == 0
    out, err = capsys.readouterr()
    first, second = json.loads(out)
    assert (first["built_for"], first["taken"][0]["macos"]) == ({"arm64": "13.0"}, "12.0")
    assert second["libraries"][0] == "tensorflow/python/_pywrap_tensorflow_internal.so"
    assert "tensorflow-2.17.0-cp39-cp39-macosx_12_0_arm64.whl is not here" in err
    assert cli.main(["explain", names[0], "3.9"]) == 2
    assert "'3.9' is no wheel" in capsys.readouterr().err
