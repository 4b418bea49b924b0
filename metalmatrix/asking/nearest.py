"""The nearest cells that are *works* or *likely*, for one that is not.

What changes fewer axes comes first, of those final releases before pre-releases, *works* before *likely*, and
what has fewer failing neighbours.  Where that is the same: of one axis the plugin, which is a small download,
before the framework before the Python; then by how many published versions lie between, then the newer.
Versions of two plugins are not held against each other: another plugin counts from its newest release.  Doing
without the plugin, and so without the GPU, is the last thing to offer.

Pure: verdicts are asked of a function, the fewest changes and steps first, `AT_ONCE` at a time.  Neighbours
and verdicts order what is asked for together, so that the cost is bounded; one axis is mostly one batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from metalmatrix.cells.cell import CONDA, CONDA_FORGE, LITE, NO_PLUGIN, VENV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.verdicts.report import CellReport

    ReportsOf = Callable[[Sequence[Cell]], Iterable[CellReport]]

GOOD = ("works", "likely")
LIMIT = 3
MOST_ASKED = 1000
"""Verdicts that are asked for at most: where so many are bad, the next will be."""

AT_ONCE = 96
"""Verdicts asked for together, and compared: as many as there are cells one axis away, about."""


@dataclass(frozen=True)
class Near:
    """A cell to take instead.

    Attributes:
        verdict: Its verdict's word.
        change: In words, what is changed.
        against: How many neighbours, public reports near it, rank it lower.
    """

    cell: Cell
    verdict: str
    change: str
    against: int = 0

    @property
    def told(self) -> str:
        """What is changed, and how many neighbours speak against it."""
        if not self.against:
            return self.change
        one = self.against == 1
        reports = "public report of a neighbour speaks" if one else "public reports of neighbours speak"
        return f"{self.change}; {self.against} {reports} against it"

    def to_json(self) -> dict[str, str]:
        """The cell as the machine interface tells it."""
        return {"cell": self.cell.id, "verdict": self.verdict, "change": self.change}


def nearest(cell: Cell, universe: Iterable[Cell], reports_of: ReportsOf) -> tuple[Near, ...]:
    """Up to `LIMIT` cells of *universe* near *cell* that are *works* or *likely*, the nearest first.

    Args:
        cell: The cell to replace.
        universe: What may replace it.
        reports_of: Gives the reports of cells, in any order.
    """
    found: list[Near] = []
    route = LITE if cell.lite else VENV
    universe = [other for other in universe if other.route == route]
    if cell.route == CONDA:  # what is to be taken instead is installed in the same way
        universe = [replace(other, route=cell.route) for other in universe]
    for reports in _asked(_batches(cell, universe), reports_of):
        good = [report for report in reports if report.verdict.word in GOOD]
        good.sort(key=lambda report: (GOOD.index(report.verdict.word), report.rank))
        found += [
            Near(report.cell, report.verdict.word, change(cell, report.cell), report.rank) for report in good
        ]
        if len(found) >= LIMIT:
            break
    return tuple(found[:LIMIT])


def change(cell: Cell, other: Cell) -> str:
    """What *other* changes: ``the same Python and TensorFlow, tensorflow-metal 1.2.0 instead of 1.1.0``."""
    same, changed = [], []
    before = cell.framework if cell.product == other.product else f"{cell.product} {cell.framework}"
    for name, old, new in (
        ("Python", cell.python, other.python),
        (other.product, before, other.framework),
        (other.plugin_distribution or cell.plugin_distribution, cell.plugin, other.plugin),
    ):
        if old == new and (name != other.plugin_distribution or name == cell.plugin_distribution):
            same += [name] if name else []
        elif new == NO_PLUGIN:
            changed.append(f"without {name}, and so without the GPU")
        else:
            changed.append(f"{name} {new} instead of {_instead_of(cell, other, name, old)}")
    changed += ["all by pip"] if cell.route == CONDA_FORGE else []
    return ", ".join(filter(None, [f"the same {' and '.join(same)}" if same else "", *changed]))


def _instead_of(cell: Cell, other: Cell, name: str, old: str) -> str:
    """What is replaced, named where that is another distribution."""
    if old == NO_PLUGIN:
        return "none"
    before = cell.plugin_distribution
    return f"{before} {old}" if name == other.plugin_distribution != before else old


def _batches(cell: Cell, universe: Iterable[Cell]) -> Iterator[list[Cell]]:
    """All other cells that may replace *cell*, the nearest first.

    Those of a batch move as many axes, to as many pre-releases.
    """
    universe = tuple(universe)
    far = _distance(cell, universe)
    others = [
        other
        for other in universe
        if other.target == cell.target  # nobody changes the Mac
        and (_values(other) != _values(cell) or cell.route == CONDA_FORGE)  # the same by pip is the nearest
        and (cell.plugin != NO_PLUGIN or other.plugin == NO_PLUGIN)
    ]
    others.sort(key=lambda other: other.sort_key, reverse=True)
    keyed = sorted(((far(other), at) for at, other in enumerate(others)))
    for _, group in groupby(keyed, key=lambda item: item[0].changes):
        near = [others[at] for _, at in group]
        yield from (near[at : at + AT_ONCE] for at in range(0, len(near), AT_ONCE))


class _Far(NamedTuple):
    """How far a cell is from another; the less, the nearer.

    Attributes:
        changes: Whether the plugin is lost, how many axes moved, and to how many pre-releases.
        axis: Which one, where it is one: the plugin is the least.
        steps: Published versions between.
    """

    changes: tuple[bool, int, int]
    axis: int
    steps: int


def _distance(cell: Cell, universe: Sequence[Cell]) -> Callable[[Cell], _Far]:
    """How far any of *universe* is from *cell*."""
    versions: dict[tuple[int, str], set[str]] = {}
    for one in universe:
        for axis, (name, version) in enumerate(_values(one)):
            versions.setdefault((axis, name), set()).add(version)
    places = {key: _places(found) for key, found in versions.items()}

    def steps(axis: int, old: tuple[str, str], new: tuple[str, str]) -> int:
        if new[1] == NO_PLUGIN:
            return 0
        place = places[axis, new[0]]
        # Version numbers of two distributions have nothing in common.
        start = place.get(old[1], 0) if old[0] == new[0] else max(place.values())
        return abs(start - place[new[1]])

    def far(other: Cell) -> _Far:
        pairs = list(enumerate(zip(_values(cell), _values(other), strict=True)))
        moved = [(axis, new[1]) for axis, (old, new) in pairs if old != new]
        early = sum(Version(version).is_prerelease for _, version in moved if version != NO_PLUGIN)
        lost = other.plugin == NO_PLUGIN != cell.plugin
        return _Far(
            (lost, len(moved), early),
            -moved[0][0] if len(moved) == 1 else 0,
            sum(steps(axis, old, new) for axis, (old, new) in pairs),
        )

    return far


def _values(cell: Cell) -> tuple[tuple[str, str], ...]:
    return ("", cell.python), (cell.lite, cell.framework), (cell.plugin_distribution, cell.plugin)


def _places(versions: Iterable[str]) -> dict[str, int]:
    """Where each version stands among the final releases."""
    places, place = {}, 0
    for version in sorted(set(versions) - {NO_PLUGIN}, key=Version):
        place += not Version(version).is_prerelease
        places[version] = place
    return places


def _asked(batches: Iterator[list[Cell]], reports_of: ReportsOf) -> Iterator[list[CellReport]]:
    """The reports of each batch, in its order, asked for as far as somebody takes them."""
    asked = 0
    for batch in batches:
        if asked >= MOST_ASKED:
            return
        asked += len(batch)
        reports = {report.cell: report for report in reports_of(batch)}
        yield [reports[cell] for cell in batch if cell in reports]
