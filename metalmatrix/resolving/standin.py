"""Stand-ins: this platform's build of the same TensorFlow, under the versions a Mac would get.

A rehearsal installs ``tensorflow-cpu`` (say) where the Mac has ``tensorflow-macos``, and every other
package in the version that the macOS lock chose.  Where a version has no wheel for this platform the
pin has to move, and the rehearsal says which: what fails then may fail only here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import CONDA_FORGE
from metalmatrix.published.releases import FRAMEWORKS, LITERT, PLUGINS
from metalmatrix.resolving import conda
from metalmatrix.resolving.question import Question
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.resolving.resolve import held_framework

if TYPE_CHECKING:
    import datetime as dt

    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.verdicts.evidence import Which

_NOT_SHARED = {*FRAMEWORKS, *PLUGINS, *LITERT}


@dataclass(frozen=True)
class Moved:
    """A pin of the macOS lock that has no wheel for this platform: wanted and got."""

    name: str
    wanted: str
    got: str

    def __str__(self) -> str:
        return f"{self.name} {self.wanted} -> {self.got}"


def stand_in_question(
    cell: Cell, lock: Lock, which: Which, distribution: str, platform: str, as_of: dt.date
) -> Question:
    """What to ask for, to rehearse one set of *cell* on *platform*.

    The framework's version is the one in the lock: an empty wheel may have brought a real one along.  Of
    TensorFlow from a conda channel this platform's own build is what the same channel has for it, and LiteRT
    has its own build for the platform.
    """
    if cell.route == CONDA_FORGE:
        return conda.question(cell, as_of, conda.SUBDIRS.get(platform, conda.OSX))
    distribution = cell.distribution if cell.lite else distribution
    held = held_framework(lock)
    version = held[1] if held else cell.framework
    bounds = tuple(sorted(repair.bound for repair in repairs_for(cell))) if which == "pinned" else ()
    preferred = tuple(f"{name}=={pin}" for name, pin in lock.versions.items() if name not in _NOT_SHARED)
    return Question(cell.python, (f"{distribution}=={version}",), bounds, as_of, preferred, platform)


def moved(wanted: Lock, got: Lock) -> tuple[Moved, ...]:
    """The shared packages that stand in another version than the macOS lock's."""
    return tuple(
        Moved(name, version, got.versions[name])
        for name, version in wanted.versions.items()
        if name not in _NOT_SHARED and got.versions.get(name, version) != version
    )
