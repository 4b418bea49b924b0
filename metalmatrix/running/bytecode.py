"""Keeps the bytecode that an environment compiled, wheel by wheel, and lends it to the next one.

Environments are made anew, and a first import of TensorFlow compiles some 2,000 modules.  What was compiled
is kept under the digests of the wheels it was compiled from, with the interpreter's tag in the files' names,
and lent by hard links: so it is of the same sources.  Python holds it against its source's time and size,
which uv's links keep, and compiles again what does not fit, as after uv's cache was cleared: that then takes
the place of the old.  What it saves is in ``docs/performance.md``.

Nothing that a wheel says becomes a path unless it stays below ``site-packages``, and no link is followed.
Bytecode that a distribution brings along, or that Python would believe without its source, is not kept: it
may be of another module.  Code that writes into another package's bytecode could write into its sources as
well: neither is a wall against what is installed to be run.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import stat
import struct
import time
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from metalmatrix.files import cache_dir
from metalmatrix.resolving.lock import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metalmatrix.resolving.lock import Lock, Package

MAX_WHEELS = 400
"""Wheels whose bytecode is kept; all of an environment with TensorFlow have 60 MB of it."""

MAX_AGE = 30 * 24 * 3600
"""Seconds after which bytecode that nobody was lent is removed."""

MAX_RECORD = 16 * 2**20
_PYCACHE = "__pycache__"


def lend(site: Path, lock: Lock) -> int:
    """Link the bytecode that is kept of the wheels of *lock* into *site*; how many files were.

    Args:
        site: The ``site-packages`` of an environment into which *lock* was installed.
        lock: What was installed.
    """
    lent = 0
    folders: set[str] = set()
    for package in lock.packages:
        kept = _folder(package)
        if not kept.is_dir():
            continue
        with contextlib.suppress(OSError):  # another process may sweep it away: then Python compiles
            os.utime(kept)  # it is of use: `sweep` goes by that
        for folder, names in _bytecode(kept):
            if _is_folder(site, folder.rpartition("/")[0], folders):
                with contextlib.suppress(OSError):
                    (site / folder).mkdir()
                if _is_folder(site, folder, folders):
                    lent += sum(_link(f"{kept}/{folder}/{name}", f"{site}/{folder}/{name}") for name in names)
    return lent


def keep(site: Path, lock: Lock) -> int:
    """Keep the bytecode that *site* has of the wheels of *lock*, under their digests; how many are new."""
    kept = 0
    installed = {name: _modules(record) for name, record in _records(site).items()}
    shipped = {path for _, paths in installed.values() for path in paths}
    folders: set[str] = set()
    for package in lock.packages:
        modules, _ = installed.get(package.name, ({}, ()))
        if not modules:
            continue
        place = _folder(package)
        fresh, before = not place.is_dir(), kept
        for folder, stems in modules.items():
            cache = f"{folder}/{_PYCACHE}".lstrip("/")
            if not _is_folder(site, cache, folders):
                continue
            lent = _inodes(f"{place}/{cache}")
            for name, inode in _inodes(f"{site}/{cache}").items():
                stem = name.rsplit(".", 2)[0]
                mine = name.endswith(".pyc") and stem in stems and f"{cache}/{name}" not in shipped
                if mine and inode != lent.get(name):
                    file = site / cache / name
                    if _is_compiled_from(file, site / folder / f"{stem}.py"):
                        kept += _replace(file, place / cache / name)
        if fresh and kept > before:
            sweep()
    return kept


def sweep() -> None:
    """Remove what nobody was lent for long, and beyond `MAX_WHEELS` what was lent longest ago."""
    found = []
    with contextlib.suppress(OSError), os.scandir(_root()) as entries:
        found = sorted((entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in entries)
    oldest = time.time() - MAX_AGE
    for number, (used, path) in enumerate(found):
        if used < oldest or len(found) - number > MAX_WHEELS:
            shutil.rmtree(path, ignore_errors=True)


def _root() -> Path:
    return cache_dir() / "bytecode"


def _folder(package: Package) -> Path:
    """Where the bytecode of a package is kept: by the digests of all wheels that its lock admits.

    Which of these was installed follows from the machine and the interpreter, whose tag is in the names.
    """
    return _root() / digest_of(sorted(wheel.sha256 for wheel in package.wheels))


def _bytecode(kept: Path) -> Iterator[tuple[str, list[str]]]:
    """The folders of bytecode below *kept*, relative to it and with ``/``, with their files."""
    root = os.fspath(kept)
    for folder, _, names in os.walk(root):
        if folder.endswith(os.sep + _PYCACHE):
            inside = folder[len(root) + 1 :].replace(os.sep, "/")
            yield inside, [name for name in names if name.endswith(".pyc")]


def _inodes(folder: str) -> dict[str, int]:
    """What is in a folder, by name, with the number of its file: a link has its file's own."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.inode() for entry in entries}
    except OSError:
        return {}


def _records(site: Path) -> dict[str, Path]:
    """The ``RECORD`` of each distribution in *site*, by its normalised name."""
    return {
        canonicalize_name(folder.name.partition("-")[0]): folder / "RECORD"
        for folder in site.glob("*.dist-info")
    }


def _modules(record: Path) -> tuple[dict[str, set[str]], set[str]]:
    """What a ``RECORD`` names: modules, without suffix, by their folder in site-packages; and bytecode."""
    found: dict[str, set[str]] = {}
    shipped: set[str] = set()
    with contextlib.suppress(OSError, UnicodeDecodeError, csv.Error):
        if record.is_symlink() or record.stat().st_size > MAX_RECORD:
            return {}, set()
        for path, *_ in filter(None, csv.reader(record.read_text(encoding="utf-8").splitlines())):
            *folders, name = path.split("/")
            if "\0" in path or {"", ".", ".."} & set(folders):
                continue
            if name.endswith(".py"):
                found.setdefault("/".join(folders), set()).add(name[:-3])
            elif name.endswith(".pyc"):
                shipped.add(path)
    return found, shipped


def _is_compiled_from(file: Path, source: Path) -> bool:
    """Whether Python would hold the bytecode against its source, and take it (PEP 552, flags 0).

    Bytecode with other flags is believed whatever the source is, so it may be of another one.
    """
    with contextlib.suppress(OSError):
        facts = source.lstat()
        with file.open("rb") as opened:
            head = opened.read(16)
        return head[4:] == struct.pack(
            "<III", 0, int(facts.st_mtime) & 0xFFFFFFFF, facts.st_size & 0xFFFFFFFF
        )
    return False


def _is_folder(site: Path, folder: str, known: set[str]) -> bool:
    """Whether *folder*, relative to *site*, is a folder there and no part of the way is a link.

    What was found to be one goes into *known*, for the next question: there are hundreds.
    """
    at = ""
    for part in filter(None, folder.split("/")):
        at = f"{at}/{part}"
        if at in known:
            continue
        try:
            if not stat.S_ISDIR(os.lstat(f"{site}{at}").st_mode):
                return False
        except OSError:
            return False
        known.add(at)
    return True


def _link(source: str, target: str) -> bool:
    """Link a file to where there is none yet; False where that cannot be."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):  # it is there; another disk; a file system without links
        return False
    return True


def _replace(source: Path, target: Path) -> bool:
    """Link a regular file to *target*, in the place of what was kept there; False where it is the same."""
    try:
        ours = source.lstat()
        if not stat.S_ISREG(ours.st_mode):
            return False
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(ours, target.lstat()):
                return False
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{os.getpid()}.part")
        os.link(source, part, follow_symlinks=False)
        part.replace(target)
    except (OSError, NotImplementedError):
        return False
    return True
