"""The nearest cells that are *works* or *likely*, for one that is not.

What changes least comes first: one axis before two before three; of one axis the plugin, which is a small
download, before the framework before the Python; final releases before pre-releases; then by how many
published versions lie between.  At the same distance *works* comes before *likely*, then what has fewer bad
neighbours, then the newer.  Doing without the plugin, and so without the GPU, is the last thing to offer.

Pure: verdicts are asked of a function, in that order, and no more of them than it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.cell import NO_PLUGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from metalmatrix.cell import Cell
    from metalmatrix.report import CellReport

    ReportsOf = Callable[[Sequence[Cell]], Iterable[CellReport]]

GOOD = ("works", "likely")
LIMIT = 3
MOST_ASKED = 1000
"""Verdicts that are asked for at most: where so many are bad, the next will be."""

_AT_ONCE = 16
"""Verdicts asked for together: enough to keep a resolver busy, few enough to waste little."""


@dataclass(frozen=True)
class Near:
    """A cell to take instead, its verdict, and in words what is changed."""

    cell: Cell
    verdict: str
    change: str

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
    for group in _asked(_by_distance(cell, universe), reports_of):
        good = [report for report in group if report.verdict.word in GOOD]
        good.sort(key=lambda report: report.cell.sort_key, reverse=True)
        good.sort(key=lambda report: (GOOD.index(report.verdict.word), report.rank))
        found += [Near(report.cell, report.verdict.word, change(cell, report.cell)) for report in good]
        if len(found) >= LIMIT:
            break
    return tuple(found[:LIMIT])


def change(cell: Cell, other: Cell) -> str:
    """What *other* changes: ``the same Python and TensorFlow, tensorflow-metal 1.2.0 instead of 1.1.0``."""
    same, changed = [], []
    for name, old, new in (
        ("Python", cell.python, other.python),
        ("TensorFlow", cell.framework, other.framework),
        (other.plugin_distribution or cell.plugin_distribution, cell.plugin, other.plugin),
    ):
        if old == new and (name != other.plugin_distribution or name == cell.plugin_distribution):
            same += [name] if name else []
        elif new == NO_PLUGIN:
            changed.append(f"without {name}, and so without the GPU")
        else:
            changed.append(f"{name} {new} instead of {_instead_of(cell, other, name, old)}")
    return ", ".join(filter(None, [f"the same {' and '.join(same)}" if same else "", *changed]))


def _instead_of(cell: Cell, other: Cell, name: str, old: str) -> str:
    """What is replaced, named where that is another distribution."""
    if old == NO_PLUGIN:
        return "none"
    before = cell.plugin_distribution
    return f"{before} {old}" if name == other.plugin_distribution != before else old


def _by_distance(cell: Cell, universe: Iterable[Cell]) -> Iterator[list[Cell]]:
    """All other cells that may replace *cell*, in groups of the same distance, the nearest first."""
    universe = tuple(universe)
    places = [_places(getattr(one, axis) for one in universe) for axis in ("python", "framework", "plugin")]

    def far(other: Cell) -> tuple[bool, int, int, int, int]:
        pairs = list(zip(_values(cell), _values(other), places, strict=True))
        moved = [axis for axis, (old, new, _) in enumerate(pairs) if old != new]
        early = sum(
            Version(pairs[axis][1][1]).is_prerelease for axis in moved if pairs[axis][1][1] != NO_PLUGIN
        )
        steps = sum(abs(place.get(old[1], 0) - place.get(new[1], 0)) for old, new, place in pairs)
        lost = other.plugin == NO_PLUGIN != cell.plugin
        return lost, len(moved), -moved[0] if len(moved) == 1 else 0, early, steps

    others = [
        other
        for other in universe
        if _values(other) != _values(cell) and (cell.plugin != NO_PLUGIN or other.plugin == NO_PLUGIN)
    ]
    keyed = sorted(((far(other), at) for at, other in enumerate(others)))
    for _, group in groupby(keyed, key=lambda item: item[0]):
        yield [others[at] for _, at in group]


def _values(cell: Cell) -> tuple[tuple[str, str], ...]:
    return ("", cell.python), ("", cell.framework), (cell.plugin_distribution, cell.plugin)


def _places(versions: Iterable[str]) -> dict[str, int]:
    """Where each version stands among the final releases."""
    places, place = {}, 0
    for version in sorted(set(versions) - {NO_PLUGIN}, key=Version):
        place += not Version(version).is_prerelease
        places[version] = place
    return places


def _asked(groups: Iterator[list[Cell]], reports_of: ReportsOf) -> Iterator[list[CellReport]]:
    """The reports of each group, asked for in batches and as far as somebody takes them."""
    asked = 0
    while asked < MOST_ASKED:
        batch: list[list[Cell]] = []
        while sum(map(len, batch)) < _AT_ONCE and (group := next(groups, None)):
            batch.append(group)
        if not batch:
            return
        cells = [cell for group in batch for cell in group]
        reports = {report.cell: report for report in reports_of(cells)}
        asked += len(cells)
        for group in batch:
            yield [reports[cell] for cell in group if cell in reports]
