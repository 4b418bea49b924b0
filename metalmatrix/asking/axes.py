"""The three axes of the cells as a person speaks of them: names, versions, and the series they form.

Pure: read off the cells that there are, so that no version is known here in advance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

from packaging.version import InvalidVersion, Version

from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.published.releases import FRAMEWORKS, LITERT, PLUGIN

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["python", "framework", "plugin"]

AHEAD = 5
"""How far a number may be ahead of the newest and still be one to come: TensorFlow has three a year."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        name: How a sentence names it.
        prefix: What makes a bare number its own.
        versions: All that there are, ascending.
    """

    kind: Kind
    name: str
    prefix: str
    versions: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What may stand before a number to say that it is of this axis; the first is the usual one."""
        short = {
            "Python": ("python", "py", "cp"),
            "TensorFlow": (*FRAMEWORKS, "tf"),
            "LiteRT": ("litert", LITERT[0], "lite-rt"),
            "tflite_runtime": (LITERT[1], "tflite"),
            PLUGIN: (PLUGIN, "metal"),
        }
        return short.get(self.name, (self.name,))

    def matches(self, number: str) -> tuple[str, ...]:
        """The versions that *number* stands for: itself, or the final releases of a series.

        Of a Python the minor version counts: 3.11.4 is 3.11.
        """
        if self.kind == "python":
            return self.series(number)
        if is_series(number):
            return tuple(v for v in self.series(number) if not Version(v).is_prerelease)
        wanted = _version(number)
        return tuple(v for v in self.versions if Version(v) == wanted)

    def series(self, number: str) -> tuple[str, ...]:
        """All versions, pre-releases too, that begin as *number* does; by its first two numbers."""
        wanted = _version(number)
        start = wanted.release[:2] if wanted else None
        return tuple(v for v in self.versions if start and Version(v).release[: len(start)] == start)

    def newer(self, number: str) -> tuple[int, int] | None:
        """How much later *number* is than every final release: at which of its numbers, and by how much.

        None where it is not later, or by so much that it is a slip: 2.81 is no coming TensorFlow.
        """
        wanted = _version(number)
        newest = max((v for v in map(Version, self.versions) if not v.is_prerelease), default=None)
        if wanted is None or newest is None or wanted.epoch or Version(wanted.base_version) <= newest:
            return None
        pairs = zip_longest(wanted.release, newest.release, fillvalue=0)
        at, ahead = next((at, new - old) for at, (new, old) in enumerate(pairs) if new != old)
        leap = at == 0 and (ahead > 1 or any(wanted.release[1:2]))  # a new first number begins at 3.0
        return None if leap or ahead > AHEAD else (at, ahead)

    def before(self, number: str) -> list[str]:
        """The versions before *number*, the latest first; pre-releases only of what is to come."""
        found: list[str] = []
        for version in reversed(self.versions):
            early = Version(version).is_prerelease
            if Version(version) < Version(number) and not (early and found):
                found.append(version)
        return found

    @cached_property
    def candidates(self) -> dict[str, str]:
        """What a slip is compared with, oldest first, and what to type for it.

        Each version, and each series; a series of one is that one.
        """
        found = {}
        for version in self.versions:
            start = ".".join(version.split(".")[:2])
            finals = self.matches(start)
            if finals:
                found[start] = start if len(finals) > 1 else finals[0]
            found[version] = version
        return found


def axes_of(cells: Iterable[Cell]) -> tuple[Axis, ...]:
    """The axes of *cells*: Python, TensorFlow or LiteRT, each plugin's; *no plugin* is no version."""
    cells = tuple(cells)
    product = cells[0].product if cells else "TensorFlow"
    found: dict[tuple[Kind, str], set[str]] = {
        ("python", "Python"): set(),
        ("framework", product): set(),
    }
    for cell in cells:
        found["python", "Python"].add(cell.python)
        found["framework", product].add(cell.framework)
        if cell.plugin != NO_PLUGIN:
            found.setdefault(("plugin", cell.plugin_distribution), set()).add(cell.plugin)
    prefixes = {
        "Python": "py",
        "TensorFlow": "tf",
        "LiteRT": "litert",
        "tflite_runtime": "tflite_runtime",
        PLUGIN: "metal",
    }
    return tuple(
        Axis(kind, name, prefixes.get(name, f"{name}=="), tuple(sorted(versions, key=Version)))
        for (kind, name), versions in found.items()
    )


def is_series(number: str) -> bool:
    """Whether *number* is the beginning of a version, ``2.18``, rather than a whole one."""
    return re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", number) is not None


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
