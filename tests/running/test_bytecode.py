from __future__ import annotations

import os
import py_compile
import sys
import time
from pathlib import Path

import pytest

from metalmatrix.resolving.lock import Lock, Package, Wheel
from metalmatrix.running import bytecode

TAG = sys.implementation.cache_tag or ""


def locked(sha256: str = "a" * 64) -> Lock:
    """A lock of one package."""
    return Lock((Package("some-thing", "1.0", (Wheel("some_thing-1.0-py3-none-any.whl", sha256),)),))


LOCK = locked()
FILES = ("thing/__init__.py", "thing/deep/er.py", "alone.py")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache is the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(bytecode, "cache_dir", lambda: folder)
    return folder


def site(folder: Path, *, record: tuple[str, ...] = FILES, like: Path | None = None) -> Path:
    """A site-packages with the package installed: sources of its own, or linked, as uv does it."""
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if like:
            os.link(like / name, path)
        else:
            path.write_text(f"NAME = {name!r}\n", encoding="utf-8")
    info = folder / "some_thing-1.0.dist-info"
    info.mkdir()
    lines = "".join(f'"{name}",sha256=x,1\n' for name in record)
    (info / "RECORD").write_text(lines, encoding="utf-8")
    return folder


def compiled(folder: Path) -> list[Path]:
    """Compile all that is there; the files of bytecode."""
    return [Path(py_compile.compile(str(folder / name)) or "") for name in FILES]


def found(folder: Path) -> set[str]:
    """The bytecode below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.pyc")}


def test_what_one_environment_compiled_the_next_has(tmp_path: Path) -> None:
    """It is the same file, in its place, and Python takes it as it is."""
    first = site(tmp_path / "first")
    files = compiled(first)
    assert bytecode.keep(first, LOCK) == len(FILES)
    second = site(tmp_path / "second", like=first)
    assert bytecode.lend(second, LOCK) == len(FILES)
    for file in files:
        lent = second / file.relative_to(first)
        assert lent.samefile(file)
    sys.dont_write_bytecode, before = False, sys.dont_write_bytecode
    try:
        sys.path.insert(0, str(second))
        import alone  # type: ignore[import-not-found]

        assert alone.__cached__ == str(second / "__pycache__" / f"alone.{TAG}.pyc")
        assert Path(alone.__cached__).samefile(files[2])
    finally:
        sys.path.remove(str(second))
        sys.modules.pop("alone", None)
        sys.dont_write_bytecode = before
    assert bytecode.keep(second, LOCK) == 0


def test_other_wheels_get_none_of_it(tmp_path: Path) -> None:
    """Another build of the same version has another digest: nothing is lent."""
    compiled(first := site(tmp_path / "first"))
    bytecode.keep(first, LOCK)
    second = site(tmp_path / "second", like=first)
    assert bytecode.lend(second, locked("b" * 64)) == 0
    assert found(second) == set()


def test_new_bytecode_takes_the_place_of_the_old(tmp_path: Path) -> None:
    """Where Python compiled again, since the sources have other times, the new is kept."""
    compiled(first := site(tmp_path / "first"))
    bytecode.keep(first, LOCK)
    second = compiled(site(tmp_path / "second"))
    assert bytecode.keep(tmp_path / "second", LOCK) == len(FILES)
    third = site(tmp_path / "third", like=tmp_path / "second")
    bytecode.lend(third, LOCK)
    assert (third / "__pycache__" / f"alone.{TAG}.pyc").samefile(second[2])


def test_what_is_there_stays(tmp_path: Path) -> None:
    """Bytecode that the environment has already is not touched."""
    compiled(first := site(tmp_path / "first"))
    bytecode.keep(first, LOCK)
    own = compiled(second := site(tmp_path / "second"))
    before = [file.stat().st_ino for file in own]
    assert bytecode.lend(second, LOCK) == 0
    assert [file.stat().st_ino for file in own] == before


@pytest.mark.parametrize(
    "name", ["../outside.py", "thing/../../outside.py", "/outside.py", "./outside.py", "x\0.py"]
)
def test_a_record_that_leads_outside_is_not_followed(name: str, tmp_path: Path, cache: Path) -> None:
    """Only what stays below site-packages is looked at, whatever a wheel's list of files says."""
    folder = site(tmp_path / "a" / "site", record=(name,))
    for outside in (tmp_path / "a", tmp_path / "a" / "site"):
        (outside / "__pycache__").mkdir()
        (outside / "__pycache__" / f"outside.{TAG}.pyc").write_bytes(b"x")
    assert bytecode.keep(folder, LOCK) == 0
    assert found(cache) == set()


def test_only_bytecode_of_the_recorded_modules_is_kept(tmp_path: Path, cache: Path) -> None:
    """What else lies in the folder belongs to nobody, and is left there."""
    compiled(folder := site(tmp_path / "first"))
    (folder / "__pycache__" / f"other.{TAG}.pyc").write_bytes(b"x")
    (folder / "__pycache__" / "alone.txt").write_bytes(b"x")
    assert bytecode.keep(folder, LOCK) == len(FILES)
    assert not any("other" in name for name in found(cache))


def test_what_is_believed_without_its_source_is_not_kept(tmp_path: Path, cache: Path) -> None:
    """Bytecode with an unchecked hash (PEP 552) may be of anything: the next environment would run it."""
    first = site(tmp_path / "first")
    for name in FILES:
        py_compile.compile(str(first / name), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert bytecode.keep(first, LOCK) == 0
    assert found(cache) == set()


def test_what_is_not_of_this_source_is_not_kept(tmp_path: Path) -> None:
    """Its size and its second are those of the source, or it is left where it is."""
    first = site(tmp_path / "first")
    compiled(first)
    (first / "alone.py").write_text("NAME = 'another one'\n", encoding="utf-8")
    assert bytecode.keep(first, LOCK) == len(FILES) - 1


def test_what_another_distribution_brings_is_not_kept(tmp_path: Path, cache: Path) -> None:
    """A file that some RECORD names was installed, and not compiled here."""
    first = site(tmp_path / "first")
    file = compiled(first)[2].relative_to(first).as_posix()
    info = first / "helper-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(f"{file},sha256=x,1\n", encoding="utf-8")
    bytecode.keep(first, LOCK)
    assert found(cache)
    assert not any(name.endswith(file) for name in found(cache))


def test_links_are_not_followed(tmp_path: Path, cache: Path) -> None:
    """A folder or a file that is a link is neither kept from nor lent into."""
    compiled(first := site(tmp_path / "first"))
    bytecode.keep(first, LOCK)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second = site(tmp_path / "second", like=first)
    (second / "__pycache__").symlink_to(elsewhere)
    (second / "thing" / "deep").rename(tmp_path / "moved")
    (second / "thing" / "deep").symlink_to(tmp_path / "moved")
    assert bytecode.lend(second, LOCK) == 1
    assert list(elsewhere.iterdir()) == []
    assert found(tmp_path / "moved") == set()

    (elsewhere / f"alone.{TAG}.pyc").write_bytes(b"secret")
    (second / "thing" / "__pycache__" / f"__init__.{TAG}.pyc").unlink()
    (second / "thing" / "__pycache__" / f"__init__.{TAG}.pyc").symlink_to(elsewhere / f"alone.{TAG}.pyc")
    assert bytecode.keep(second, LOCK) == 0
    assert all(path.read_bytes() != b"secret" for path in cache.rglob("*.pyc"))


def test_what_is_kept_is_bounded(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many wheels those lent longest ago go, and those that nobody was lent for a month."""
    monkeypatch.setattr(bytecode, "MAX_WHEELS", 2)
    compiled(first := site(tmp_path / "first"))
    now = time.time()
    for number, age in ((1, bytecode.MAX_AGE + 60), (2, 3600), (3, 60)):
        bytecode.keep(first, locked(f"{number}" * 64))
        os.utime(bytecode._folder(locked(f"{number}" * 64).packages[0]), (now - age, now - age))
    bytecode.sweep()
    kept = [n for n in (1, 2, 3) if bytecode._folder(locked(f"{n}" * 64).packages[0]).exists()]
    assert kept == [2, 3]
    bytecode.lend(first, locked("2" * 64))  # it is of use again
    bytecode.keep(first, locked("4" * 64))
    kept = [n for n in (2, 3, 4) if bytecode._folder(locked(f"{n}" * 64).packages[0]).exists()]
    assert kept == [2, 4]
    assert len(list((cache / "bytecode").iterdir())) == 2


def test_a_folder_without_links_is_only_slower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache is on another disk nothing is kept, and nothing fails."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    compiled(first := site(tmp_path / "first"))
    monkeypatch.setattr(os, "link", refuse)
    assert bytecode.keep(first, LOCK) == 0
    assert bytecode.lend(first, LOCK) == 0
