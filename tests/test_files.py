from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from metalmatrix.errors import MatrixError
from metalmatrix.files import MAX_READ, cache_dir, read_bounded, read_data, read_to_extend, write_atomic

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


class TestWriting:
    def test_a_file_is_there_whole(self, tmp_path: Path) -> None:
        """Text comes back as it was, its folders are made, and nothing else is left."""
        path = tmp_path / "a" / "b" / "c.json"
        write_atomic(path, "ä\n\u2028\r\n")
        assert path.read_bytes() == "ä\n\u2028\r\n".encode()
        assert names(path.parent) == ["c.json"]

    def test_an_old_file_is_replaced(self, tmp_path: Path) -> None:
        """Writing again leaves the new text alone."""
        path = tmp_path / "c.json"
        write_atomic(path, "a long old text")
        write_atomic(path, "new")
        assert path.read_text(encoding="utf-8") == "new"

    def test_others_may_read_it(self, tmp_path: Path) -> None:
        """Results are for everybody, though temporary files are made for their owner alone."""
        write_atomic(tmp_path / "c.json", "x")
        assert stat.S_IMODE((tmp_path / "c.json").stat().st_mode) == 0o644

    @pytest.mark.parametrize("when", ["fsync", "fdopen"])
    def test_a_failure_leaves_the_old_file_and_nothing_else(
        self, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the disk fails in mid-write the old text is still whole, and no half file is left."""
        path = tmp_path / "c.json"
        write_atomic(path, "old")
        real = getattr(os, when)

        def fail(handle: int, *_: object, **__: object) -> object:
            if when == "fdopen":
                os.close(handle)
            raise OSError("disk full")

        monkeypatch.setattr(os, when, fail)
        with pytest.raises(OSError, match="disk full"):
            write_atomic(path, "new")
        monkeypatch.setattr(os, when, real)
        assert path.read_text(encoding="utf-8") == "old"
        assert names(tmp_path) == ["c.json"]

    def test_an_interruption_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C between writing and renaming: the old text, and no half file."""
        path = tmp_path / "c.json"
        write_atomic(path, "old")

        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_atomic(path, "new")
        assert path.read_text(encoding="utf-8") == "old"
        assert names(tmp_path) == ["c.json"]

    def test_what_no_file_can_hold_leaves_the_old_file(self, tmp_path: Path) -> None:
        """Half a character cannot be written: nothing is."""
        path = tmp_path / "c.json"
        write_atomic(path, "old")
        with pytest.raises(UnicodeEncodeError):
            write_atomic(path, "\ud800")
        assert path.read_text(encoding="utf-8") == "old"
        assert names(tmp_path) == ["c.json"]

    def test_a_long_name_is_no_obstacle(self, tmp_path: Path) -> None:
        """A name as long as file systems take has a temporary name that is no longer."""
        write_atomic(tmp_path / ("x" * 255), "x")
        assert len(names(tmp_path)) == 1


class TestReading:
    def test_what_is_too_large_is_refused(self, tmp_path: Path) -> None:
        """A file of the limit is read, one byte more is not."""
        path = tmp_path / "c.json"
        path.write_bytes(b"x" * MAX_READ)
        assert len(read_bounded(path)) == MAX_READ
        path.write_bytes(b"x" * (MAX_READ + 1))
        with pytest.raises(OSError, match=r"c\.json is larger than 8 MiB"):
            read_bounded(path)

    def test_what_is_not_utf_8_is_refused(self, tmp_path: Path) -> None:
        """Bytes are not guessed at."""
        path = tmp_path / "c.json"
        path.write_bytes(b"\xff")
        with pytest.raises(UnicodeDecodeError):
            read_bounded(path)

    def test_what_is_not_there_is_an_error_of_the_system(self, tmp_path: Path) -> None:
        """A missing file is told as such."""
        with pytest.raises(FileNotFoundError):
            read_bounded(tmp_path / "c.json")


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Asking where the cache is makes no folder; on Linux it is where XDG says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir().name == "metalmatrix"
    assert tmp_path in cache_dir().parents
    assert names(tmp_path) == []


class TestData:
    @pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * (MAX_READ + 1)])
    def test_what_cannot_be_read_says_what_to_type(self, content: bytes | None, tmp_path: Path) -> None:
        """A file that is gone, no text or too large is an error with its name and a hint, not a traceback."""
        path = tmp_path / "data.jsonl"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(MatrixError, match=r"data\.jsonl cannot be read") as caught:
            read_data(path, "type this")
        assert caught.value.hint == "type this"

    def test_what_can_is_the_text(self, tmp_path: Path) -> None:
        """Nothing is changed in it."""
        (tmp_path / "a").write_bytes("ä\r\n".encode())
        assert read_data(tmp_path / "a", "") == "ä\r\n"


class TestExtending:
    @staticmethod
    def parse(text: str) -> int:
        """A number; what is none is a damaged file."""
        if not text.isdigit():
            raise MatrixError("it is damaged")
        return int(text)

    def test_what_is_there_is_extended_and_what_is_not_begins_empty(self, tmp_path: Path) -> None:
        """With force or without."""
        path = tmp_path / "data"
        assert read_to_extend(path, self.parse, 0, force=False) == 0
        path.write_text("7", encoding="utf-8")
        assert read_to_extend(path, self.parse, 0, force=True) == 7

    def test_a_damaged_file_begins_anew_only_where_it_is_written(self, tmp_path: Path) -> None:
        """A look at it says that it is damaged; force is how it is made anew."""
        path = tmp_path / "data"
        path.write_text("x", encoding="utf-8")
        with pytest.raises(MatrixError, match="damaged"):
            read_to_extend(path, self.parse, 0, force=False)
        assert read_to_extend(path, self.parse, 0, force=True) == 0
