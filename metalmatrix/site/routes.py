"""What the page says of other routes: the same cell by each of them, and LiteRT; pure.

The grid is of virtual environments.  A cell that goes another route stands here beside the same cell without
it, each with its verdict and with how that is known, so that *conda or pip?* is answered by evidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from metalmatrix.cells.cell import CONDA, CONDA_FORGE, LITE, VENV

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metalmatrix.cells.cell import Cell
    from metalmatrix.site.dossiers import Shared
    from metalmatrix.verdicts.report import CellReport

WAYS = {
    VENV: "a virtual environment, and pip",
    CONDA: "conda's Python, and pip",
    CONDA_FORGE: "TensorFlow from conda-forge",
}
"""The routes in words, in the order in which they are told."""

_KINDS = ("resolved", "linked", "reported", "rehearsed", "ran")


class Way(NamedTuple):
    """One cell: its verdict, where its evidence stands, and what kinds of evidence there are."""

    cell: str
    way: str
    word: str
    plain_worse: bool
    dossier: int
    known: str


class Compared(NamedTuple):
    """The same framework, plugin and Python, by each route that has a cell."""

    framework: str
    plugin: str
    python: str
    ways: tuple[Way, ...]


class Lite(NamedTuple):
    """LiteRT by one of its names: a row for each version, with a cell or none for each Python."""

    product: str
    pythons: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Way | None, ...]], ...]


def compared(items: Iterable[CellReport], told: Shared) -> Iterator[Compared]:
    """Every cell of another route, with the same cell by the others, in the order of the cells."""
    numbers = _numbers(told)
    by_cell = {item.cell: item for item in items}
    beside = {replace(cell, route=VENV): None for cell in by_cell if cell.route in {CONDA, CONDA_FORGE}}
    for cell in beside:
        found = (by_cell.get(replace(cell, route=route)) for route in WAYS)
        ways = tuple(_way(item, numbers) for item in found if item is not None)
        yield Compared(cell.framework, cell.plugin_name, cell.python, ways)


def litert(items: Iterable[CellReport], told: Shared) -> Iterator[Lite]:
    """LiteRT by each of its names, the newest version first."""
    numbers = _numbers(told)
    by_product: dict[str, dict[tuple[str, str], CellReport]] = {}
    for item in items:
        if item.cell.route == LITE:
            key = item.cell.framework, item.cell.python
            by_product.setdefault(item.cell.product, {})[key] = item
    for product, found in by_product.items():
        pythons = tuple(sorted({python for _, python in found}, key=Version))
        rows = []
        for version in sorted({version for version, _ in found}, key=Version, reverse=True):
            cells = (found.get((version, python)) for python in pythons)
            rows.append((version, tuple(_way(item, numbers) if item else None for item in cells)))
        yield Lite(product, pythons, tuple(rows))


def _numbers(told: Shared) -> Mapping[Cell, int]:
    return {cell: number for number, cells in enumerate(told.cells) for cell in cells}


def _way(item: CellReport, numbers: Mapping[Cell, int]) -> Way:
    seen: dict[str, set[str]] = {}
    for e in item.evidence:
        if e.set != "plain":
            seen.setdefault(e.kind, set()).add(e.outcome)
    known = ", ".join(f"{kind} {' and '.join(sorted(seen[kind]))}" for kind in _KINDS if kind in seen)
    cell, verdict = item.cell, item.verdict
    way = WAYS.get(cell.route, cell.product)
    return Way(cell.id, way, verdict.word, item.plain_is_worse, numbers[cell], known or "nothing")
