"""Reads what a wheel on disk is and holds: the edge of `asking.wheel`.

The archive is read bounded (`wheels.wheel_reader`), each library is unpacked alone, looked at by its load
commands, and deleted.  Nothing of it is executed, installed or imported.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.wheels.macho import MachO, MachOError, machines
from metalmatrix.wheels.ranged import CHUNK, WheelError
from metalmatrix.wheels.wheel_reader import MAX_WHEEL, WheelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from metalmatrix.published.targets import Target

MAX_LIBRARIES = 400
"""Libraries that are looked at: SciPy, which has the most of what TensorFlow needs, has about 120."""

MAX_UNPACKED = 4 * 2**30
"""Bytes of all of them together."""

_BIG = 50 * 2**20


@dataclass(frozen=True)
class OnDisk:
    """A library in a wheel.

    Attributes:
        path: Where it is installed.
        macos: The macOS that its image for each machine was built for; empty where no command tells.
    """

    path: str
    macos: tuple[tuple[Target, str], ...]


@dataclass(frozen=True)
class Content:
    """What a wheel on disk holds.

    Attributes:
        named: Name and version as its METADATA says.
        requires_python: As its METADATA says; empty where it says nothing.
        libraries: Those of Macs; None where they were not read, since the wheel is known by its digest.
        unread: What looks like a library and is none of a Mac, with the reason.
    """

    size: int
    sha256: str
    named: tuple[str, str]
    requires_python: str
    libraries: tuple[OnDisk, ...] | None
    unread: tuple[tuple[str, str], ...] = ()


def is_here(text: str) -> bool:
    """Whether there is something at a path that somebody typed, which may be no path at all."""
    try:
        return Path(text).exists()
    except OSError:
        return False


def read(path: Path, known: Collection[str], tell: Callable[[str], None]) -> Content:
    """What the wheel at *path* holds.

    Args:
        path: A file.
        known: Digests of wheels whose libraries need not be read.
        tell: Gets a line for what takes long.

    Raises:
        WheelError: It is no wheel, a damaged one, or one that is larger than a wheel may be.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if not path.is_file() or size > MAX_WHEEL:
        raise WheelError(f"{path.name[:200]} is no file of at most {MAX_WHEEL >> 30} GiB")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            digest.update(part)
    with WheelFile(path) as wheel:
        fields = HeaderParser().parsestr(wheel.metadata("METADATA"))
        named = str(fields.get("Name", "")), str(fields.get("Version", ""))
        content = (size, digest.hexdigest(), named, str(fields.get("Requires-Python", "")))
        if digest.hexdigest() in known:
            return Content(*content, libraries=None)
        libraries, unread = _libraries(wheel, tell)
    return Content(*content, libraries, unread)


def _libraries(
    wheel: WheelFile, tell: Callable[[str], None]
) -> tuple[tuple[OnDisk, ...], tuple[tuple[str, str], ...]]:
    """The libraries of an open wheel, and what is none though it is named like one."""
    names = sorted(name for name in wheel.names if name.endswith((".so", ".dylib")))
    if len(names) > MAX_LIBRARIES:
        raise WheelError(f"the wheel has more than {MAX_LIBRARIES} libraries")
    if sum(map(wheel.size, names)) > MAX_UNPACKED:
        raise WheelError(f"its libraries unpack to more than {MAX_UNPACKED >> 30} GiB")
    found, unread = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "library")
        for name in names:
            if wheel.size(name) > _BIG:
                tell(f"unpacks {name[:80]}, {wheel.size(name) >> 20} MB")
            with path.open("wb") as file:
                wheel.extract(name, file)
            try:
                images = [(machine, _built_for(path, machine)) for machine in machines(path)]
            except MachOError as error:
                unread.append((name, error.what))
                continue
            if images:
                found.append(OnDisk(name, tuple(images)))
            else:
                unread.append((name, "it has no image for a Mac of 64 bits"))
    return tuple(found), tuple(unread)


def _built_for(path: Path, machine: Target) -> str:
    with MachO(path, machine) as file:
        return file.image.minimum_macos
