"""From published wheels to the data: what is fetched, what is kept, what fails."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.kernels import kernel_update
from metalmatrix.kernels.kernel_facts import KernelFacts, parse_kernels
from metalmatrix.kernels.kernel_update import Reading, diff, missing, read, regenerate
from metalmatrix.wheels.wheel_facts import Facts, Library, WheelFacts
from tests.fake_index import FakeWheel
from tests.file_server import FileServer
from tests.tiny_plugin import SVC, Code, TinyPlugin, function, kernel, platform

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("lief")
pytest.importorskip("unicorn")

PATH = "tensorflow-plugins/libtiny.dylib"


def published(version: str, python: str, code: Code) -> FakeWheel:
    """A wheel with a plugin whose `TF_InitKernel` is *code*."""
    library = TinyPlugin({**platform(), "_TF_InitKernel": code}).build()
    files = {PATH: library, "tensorflow-plugins/filler.bin": bytes(range(256)) * 600}
    return FakeWheel("tensorflow-metal", version, f"{python}-{python}-macosx_12_0_arm64", files=files)


def known(*wheels: FakeWheel) -> Facts:
    """What is known of the wheels."""
    found = []
    for wheel in wheels:
        data = wheel.files[PATH]
        assert isinstance(data, bytes)
        library = Library(PATH, hashlib.sha256(data).hexdigest(), "@rpath/libtiny.dylib", "", "12.0", (), ())
        size = len(wheel.content)
        found.append(WheelFacts(wheel.name, wheel.version, wheel.file, wheel.digest, size, (), (library,)))
    return Facts((), tuple(found))


OLD = published("8.0.0", "cp311", function(kernel("MatMul", ("T", 1))))
SAME = published("8.0.0", "cp312", function(kernel("MatMul", ("T", 1))))
NEW = published("9.0.0", "cp312", function(kernel("MatMul", ("T", 1)), kernel("MatMul", ("T", 19))))
FAULTY = published("9.1.0", "cp312", function(kernel("MatMul", ("T", 1)), [SVC]))


def reading(*wheels: FakeWheel, facts: KernelFacts | None = None) -> tuple[Reading, FileServer, list[str]]:
    """What reading gives, the server that was asked, and what was told."""
    told: list[str] = []
    with FileServer({wheel.file: wheel.content for wheel in wheels}) as server:
        where = {wheel.digest: server.url(wheel.file) for wheel in wheels}
        found = read(facts or KernelFacts(), known(*wheels), told.append, where)
    return found, server, told


def test_each_library_is_read_once_by_ranges() -> None:
    """Wheels that share one are one question, and of a wheel nothing but its plugin is fetched."""
    found, server, told = reading(OLD, SAME, NEW)
    assert found.failed == {}
    assert [len(library.kernels) for library in found.facts.libraries] == [1, 2]
    assert [variant.label for variant in found.facts.variants(known(OLD, SAME, NEW))] == ["8.0.0", "9.0.0"]
    assert len(set(server.names)) == 2
    assert None not in server.asked
    assert len(told) == 2
    assert "2 kernels, in " in told[1]


def test_one_that_fails_is_told_and_left_out() -> None:
    """It is no version without kernels: of it nothing is known, and it is tried again the next time."""
    found, _, told = reading(OLD, FAULTY)
    assert len(found.facts.libraries) == 1
    assert "system call" in str(found.failed[FAULTY.file])
    assert any("system call" in line for line in told)
    assert [variant.label for variant in found.facts.variants(known(OLD, FAULTY))] == ["8.0.0"]
    assert [wheel.file for wheel, _ in missing(found.facts, known(OLD, FAULTY))] == [FAULTY.file]


def test_a_wheel_that_the_index_lists_no_more_is_told() -> None:
    """An address comes from the index, or there is none."""
    found = read(KernelFacts(), known(OLD), lambda _: None, {})
    assert "lists no" in str(found.failed[OLD.file])


def test_the_data_is_written_only_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the diff alone, then the file; what is known is not read again, and no index is asked."""
    path = tmp_path / "kernels.jsonl"
    with FileServer({OLD.file: OLD.content}) as server:
        monkeypatch.setattr(kernel_update, "addresses", lambda _: {OLD.digest: server.url(OLD.file)})
        changes, _ = regenerate(known(OLD), lambda _: None, force=False, path=path)
        assert '+{"kernel": "MatMul", "dtypes": {"T": "FLOAT"}, "in": "0"}' in changes
        assert not path.exists()
        regenerate(known(OLD), lambda _: None, force=True, path=path)
    monkeypatch.setattr(kernel_update, "addresses", None)
    changes, found = regenerate(known(OLD), lambda _: None, force=True, path=path)
    assert changes == ""
    assert found.facts == parse_kernels(path.read_text(encoding="utf-8"))
    assert diff(KernelFacts(), found.facts) != ""


def test_a_wheel_for_an_intel_mac_is_not_asked_for() -> None:
    """Its plugin is no arm64 code: that is no failure, and it is no version of its own."""
    intel = replace(known(OLD).wheels[0], file="tensorflow_metal-8.0.0-cp311-cp311-macosx_12_0_x86_64.whl")
    facts = Facts((), (*known(NEW).wheels, intel))
    assert [wheel.version for wheel, _ in missing(KernelFacts(), facts)] == ["9.0.0"]
    found, _, _ = reading(OLD, NEW)
    assert [variant.label for variant in found.facts.variants(facts)] == ["9.0.0"]
