"""What the three tags of a wheel's name mean, and who pip lets have it; pure.

A wheel is for whom one of its tags is among those that pip makes up for an interpreter on a system (PEP 425,
``packaging.tags``, of which pip carries a copy).  For Macs that has edges that a reader of names does not
expect: from macOS 11 on pip asks for ``macosx_12_0`` and never for ``macosx_12_3``, and a ``universal2``
wheel tagged for 10.9 is taken on arm64, where there was no macOS before 11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags, mac_platforms

from metalmatrix.published.targets import ARM64, TARGETS
from metalmatrix.spans import runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from packaging.tags import Tag

    from metalmatrix.published.targets import Target

ANY = "any"

_NEWEST_PYTHON, _NEWEST_MACOS = 15, 40
"""What is not out yet counts as well, so that a wheel for it is no riddle: CPython 3.15, macOS 40."""

_FREE_FROM = 13
_SYSTEMS = tuple((10, minor) for minor in range(4, 16)) + tuple((n, 0) for n in range(11, _NEWEST_MACOS + 1))
_HALF = {"arm64": "Apple silicon", "x86_64": "Intel Macs", "universal2": "both kinds of Macs"}
_OLD_FORMATS = {"intel", "fat", "fat3", "fat32", "fat64", "universal", "i386", "ppc", "ppc64"}
_MACOS = re.compile(r"macosx_(\d{1,3})_(\d{1,3})_([a-z0-9_]{1,12})")
_LINUX = re.compile(r"(many|musl)?linux.*")


@dataclass(frozen=True)
class Taken:
    """Who is given a wheel on Macs of one kind.

    Attributes:
        machine: What the Python runs as; x86_64 is also an x86-64 Python under Rosetta 2.
        pythons: The minor versions of CPython 3 that take it.
        free_threaded: Those that take it in their free-threaded build.
        macos: The lowest macOS, ``12.0``; empty where any does.
    """

    machine: Target
    pythons: tuple[int, ...]
    free_threaded: tuple[int, ...]
    macos: str

    @property
    def told(self) -> str:
        """The Pythons in words: ``Python 3.9``, ``Python 3.6 and later``."""
        parts = [_span(self.pythons)] if self.pythons else []
        both = tuple(minor for minor in self.pythons if minor >= _FREE_FROM)
        if self.free_threaded and self.free_threaded != both:
            parts.append(f"the free-threaded build of {_span(self.free_threaded)}")
        return ", and ".join(parts)


def taken(tags: Collection[Tag]) -> tuple[Taken, ...]:
    """Who is given a wheel of these tags, for each kind of Python on a Mac; none where nobody is."""
    found = (_taken(machine, tags) for machine in TARGETS)
    return tuple(one for one in found if one)


def _taken(machine: Target, tags: Collection[Tag]) -> Taken | None:
    platforms = {tag.platform for tag in tags}
    if not platforms - {ANY}:
        systems: Iterable[tuple[int, int]] = _SYSTEMS[-1:]
    else:
        systems = _SYSTEMS
    for system in systems:
        usable = platforms & _platforms(system, machine)
        if usable or ANY in platforms:
            pythons = _pythons(tags, usable, threading=False), _pythons(tags, usable, threading=True)
            if any(pythons):
                anywhere = not usable or (ANY in platforms and system == _SYSTEMS[0])
                return Taken(machine, *pythons, "" if anywhere else f"{system[0]}.{system[1]}")
    return None


@cache
def _platforms(system: tuple[int, int], machine: Target) -> frozenset[str]:
    if machine == ARM64 and system < (11, 0):
        return frozenset()
    return frozenset(mac_platforms(system, machine))


def _pythons(tags: Collection[Tag], platforms: Iterable[str], *, threading: bool) -> tuple[int, ...]:
    """The minor versions of CPython 3 that pip gives one of *tags* to, where it may use *platforms*."""
    platforms, found = sorted(platforms), []
    for minor in range(_FREE_FROM if threading else 2, _NEWEST_PYTHON + 1):
        name, version = f"cp3{minor}", (3, minor)
        # until 3.7 the ABI has the m of pymalloc (PEP 425)
        abi = f"{name}t" if threading else f"{name}m" if minor < 8 else name
        wanted = {*cpython_tags(version, [abi], platforms), *compatible_tags(version, name, platforms)}
        if not wanted.isdisjoint(tags):
            found.append(minor)
    return tuple(found)


def _span(minors: tuple[int, ...]) -> str:
    """Minor versions of Python 3 in words."""
    parts = []
    if minors[0] == 2 and len(minors) == _NEWEST_PYTHON - 1:
        return "any Python 3"
    for first, last in runs(minors):
        if last == _NEWEST_PYTHON:
            parts.append(f"3.{first} and later")
        else:
            parts.append(f"3.{first}" if first == last else f"3.{first} to 3.{last}")
    return f"Python {', '.join(parts)}"


# What each tag means ---------------------------------------------------------------------------


def meanings(tags: Iterable[Tag]) -> tuple[tuple[str, str], ...]:
    """Each part of the tags with what it means: interpreters, then ABIs, then platforms."""
    tags = sorted(tags, key=str)
    parts = [
        *((tag.interpreter, _interpreter(tag.interpreter)) for tag in tags),
        *((tag.abi, _abi(tag.abi)) for tag in tags),
        *((tag.platform, _platform(tag.platform)) for tag in tags),
    ]
    seen: dict[tuple[str, str], None] = dict.fromkeys(parts)
    return tuple(seen)


def _interpreter(tag: str) -> str:
    match = re.fullmatch(r"(cp|py|pp)(\d)(\d{0,3})", tag)
    if match is None:
        return "an interpreter that is not known here"
    kind, major, minor = match.groups()
    version = f"{major}.{minor}" if minor else major
    if kind == "py":
        return f"any Python {version}" if not minor else f"any Python {version} or later"
    return f"{'CPython' if kind == 'cp' else 'PyPy'} {version}"


def _abi(tag: str) -> str:
    if tag == "none":
        return "nothing in it is compiled against an interpreter"
    if tag == "abi3":
        return (
            "compiled against the stable ABI: the CPython of the tag before, and every later one, but for "
            "free-threaded builds"
        )
    if tag == "abi3t":
        return "compiled against the stable ABI of free-threaded builds"
    match = re.fullmatch(r"cp(\d)(\d{1,3})([a-z]*)", tag)
    if match is None:
        if tag.startswith("pypy"):
            return "compiled against PyPy"
        return "compiled against an ABI that is not known here"
    build = ", the free-threaded build" if "t" in match[3] else ""
    return f"compiled against CPython {match[1]}.{match[2]}{build}, and no other"


def _platform(tag: str) -> str:
    if tag == ANY:
        return "any system"
    if match := _MACOS.fullmatch(tag):
        major, minor, machine = int(match[1]), int(match[2]), match[3]
        if machine in _OLD_FORMATS:
            return f"macOS {major}.{minor} or later, in a format of Macs before Apple silicon"
        if machine not in _HALF:
            return f"macOS {major}.{minor} or later on a machine that is not known here"
        told = f"macOS {major}.{minor} or later on {_HALF[machine]}"
        if machine == "universal2":
            told += ": its libraries have an image for each"
        if major > 10 and minor:
            told += f"; pip never asks for it, since from macOS 11 on it asks for {major}.0 only"
        return told
    if _LINUX.fullmatch(tag):
        return "Linux, and no Mac"
    return "Windows, and no Mac" if tag.startswith("win") else "another system than macOS"
