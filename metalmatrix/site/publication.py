"""What a publication tells of: the matrix's table, all other published combinations, what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.cells.cell import CONDA_FORGE, VENV
from metalmatrix.pins.pins import ordered
from metalmatrix.published.compiled import sdist_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalmatrix.cells.cell import Cell
    from metalmatrix.diff.change import Change
    from metalmatrix.kernels.kernel_facts import Variant
    from metalmatrix.reported.score import Score
    from metalmatrix.verdicts.report import CellReport, Report

HANDED_OUT = ("works", "likely", "degraded")
"""Verdicts whose pins are handed out; what is degraded with its note, and never as the best of several."""


@dataclass(frozen=True)
class Publication:
    """All that the page and the feeds are made from.

    Attributes:
        table: The report of the matrix, runs and all.
        others: Every published combination that is not in the matrix, from the answers that ship.
        others_as_of: The day those were resolved for, ``YYYY-MM-DD``.
        score: How often what was foreseen was right.
        changes: What became of cells since the last publication; None where there is none to compare with.
        variants: What each version of `tensorflow-metal` registers.
    """

    table: Report
    others: tuple[CellReport, ...]
    others_as_of: str
    score: Score
    changes: tuple[Change, ...] | None = None
    variants: tuple[Variant, ...] = ()

    @property
    def cells(self) -> tuple[CellReport, ...]:
        """Every cell there is, those of the matrix first."""
        return (*self.table.cells, *self.others)


def may_be_handed_out(item: CellReport) -> bool:
    """Whether the pins of a cell are published: never of what is broken, unknown or not installable.

    Nor of a plugin that is compiled on the Mac: its set is not the whole of what runs; nor of TensorFlow from
    conda-forge, whose set pip cannot install.
    """
    return (
        item.cell.route != CONDA_FORGE
        and item.verdict.word in HANDED_OUT
        and item.pinned_lock is not None
        and sdist_of(item.cell) is None
    )


def is_early(cell: Cell) -> bool:
    """Whether a cell's framework is a pre-release (PEP 440)."""
    return Version(cell.framework).is_prerelease


def best_of(cells: tuple[CellReport, ...]) -> Iterator[CellReport]:
    """The best cells of each Python, as `pins` orders them, the newest Python first.

    Behind the first one those that an older macOS takes, the best of each again, and the best final release
    where the first is none; nothing that is degraded.
    """
    good = [item for item in cells if item.cell.route == VENV and may_be_handed_out(item)]
    for python in sorted({item.cell.python for item in good}, key=Version, reverse=True):
        floor: Version | None = None
        early = True
        for item in ordered(item for item in good if item.cell.python == python):
            needs = Version(item.macos or "0")
            if floor is None or needs < floor or (early and not is_early(item.cell)):
                floor = min(needs, floor or needs)
                early = early and is_early(item.cell)
                yield item
