"""A small universe of cells, and verdicts about them by a rule."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.verdicts.report import CellReport
from metalmatrix.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
FRAMEWORKS = ("2.9.0", "2.15.0", "2.15.1", "2.17.0", "2.17.1", "2.18.0rc0", "2.18.0", "2.18.1", "2.22.0rc0")
PLUGINS = (NO_PLUGIN, "0.8.0", "1.0.0", "1.1.0", "1.2.0")


def universe(
    pythons: Iterable[str] = PYTHONS,
    frameworks: Iterable[str] = FRAMEWORKS,
    plugins: Iterable[str] = PLUGINS,
) -> tuple[Cell, ...]:
    """Every combination, by the names that hold the binaries from 2.15.1 on."""
    return tuple(
        Cell(
            python,
            framework,
            plugin,
            "tensorflow" if Version(framework) > Version("2.15.0") else "tensorflow-macos",
        )
        for framework, plugin, python in product(frameworks, plugins, pythons)
    )


def report(
    cell: Cell, word: str = "likely", message: str = "", stage: str = "", plain: str = ""
) -> CellReport:
    """A report without evidence."""
    found = Verdict(word, stage, message)
    return CellReport(cell, found, Verdict(plain, "", "") if plain else found, None, "", ())


class Asked:
    """Gives reports by a rule from a cell to a word, and remembers what it was asked."""

    def __init__(self, rule: Callable[[Cell], str]) -> None:
        self.cells: list[Cell] = []
        self._rule = rule

    def __call__(self, cells: Sequence[Cell]) -> list[CellReport]:
        self.cells += cells
        return [report(cell, self._rule(cell)) for cell in cells]
