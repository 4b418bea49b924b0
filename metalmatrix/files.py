"""Writing so that nothing is lost: a file is there whole, or not at all. Reading within bounds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from metalmatrix.errors import MatrixError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PACKAGE = Path(__file__).resolve().parent
"""This package, with ``data/`` in it; beside it, in a clone, ``matrix.toml`` and ``checks/``."""

MAX_READ = 8 * 2**20
"""No file this project reads is larger; one that is was not written by it (bytes)."""

_MODE = 0o644


def write_atomic(path: Path, text: str) -> None:
    """Write *text* to *path* so that a reader, or a crash, sees the old file or the new one.

    The data reaches the disk before the name does (fsync, then rename; POSIX ``rename(2)``).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(_MODE)  # mkstemp makes files that nobody else can read
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_bounded(path: Path) -> str:
    """The text of *path*.

    Raises:
        OSError: It cannot be read, or is larger than `MAX_READ`.
        UnicodeDecodeError: It is not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(MAX_READ + 1)
    if len(data) > MAX_READ:
        raise OSError(f"{path.name} is larger than {MAX_READ >> 20} MiB")
    return data.decode("utf-8")


def read_data(path: Path, hint: str) -> str:
    """The text of a file of the data that ships with the project.

    Args:
        path: The file.
        hint: What to type where it cannot be had.

    Raises:
        MatrixError: It cannot be read, is no UTF-8, or is larger than `MAX_READ`.
    """
    try:
        return read_bounded(path)
    except (OSError, UnicodeDecodeError) as error:
        raise MatrixError(f"{path.name} cannot be read: {error}", hint) from error


def read_to_extend(path: Path, parse: Callable[[str], T], nothing: T, *, force: bool) -> T:
    """What a file of the data holds before it is extended.

    Args:
        path: The file.
        parse: Makes of its text what it holds.
        nothing: What a file holds that is not there, or that is damaged and is to be written all the same.
        force: Whether a damaged file is written anew, from the beginning.

    Raises:
        MatrixError: It is damaged, and *force* is not given.
        OSError: It is there, and cannot be read.
    """
    try:
        return parse(read_bounded(path))
    except FileNotFoundError:
        return nothing
    except MatrixError:
        if not force:
            raise
        return nothing


def cache_dir() -> Path:
    """Where the user's caches are kept: shared by every clone and session of this user."""
    from platformdirs import user_cache_path  # noqa: PLC0415 - not needed to list the sessions

    return user_cache_path("metalmatrix", appauthor=False)
