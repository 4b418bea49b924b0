"""What a publication tells of: the matrix's table, and every other combination that was ever published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.verdicts.report import CellReport, Report


@dataclass(frozen=True)
class Publication:
    """All that the page and the feeds are made from.

    Attributes:
        table: The report of the matrix, runs and all.
        others: Every published combination that is not in the matrix, from the answers that ship.
        lock: Gives the pinned set of a cell; None where none is known.
    """

    table: Report
    others: tuple[CellReport, ...]
    lock: Callable[[Cell], Lock | None]

    @property
    def cells(self) -> tuple[CellReport, ...]:
        """Every cell there is, those of the matrix first."""
        return (*self.table.cells, *self.others)
