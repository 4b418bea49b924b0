"""Neighbours: public reports that are near a cell and not about it.

They change no verdict.  They are shown, and where pins are chosen a cell with more failing neighbours comes
after one with fewer (`rank`).  A neighbour counts there when it failed beyond the import, for reasons of the
pair: what is installed and loaded is known of each cell by its own, from `resolved` and `linked`.  A cell
without a plugin is no pair: there none counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.reported.about import decides, is_near, is_past_import, matches
from metalmatrix.verdicts.observe import from_reports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalmatrix.cells.cell import Cell
    from metalmatrix.reported.about import KerasOf
    from metalmatrix.reported.reports import Report
    from metalmatrix.verdicts.evidence import Evidence, Outcome
    from metalmatrix.wheels.wheel_facts import Facts

SHOWN = 5
"""Neighbours that a person is shown; a machine gets all."""


@dataclass(frozen=True)
class Neighbour:
    """A report near a cell.

    Attributes:
        about: What it names: ``tensorflow 2.18.0 with tensorflow-metal 1.1.0``.
        outcome: ``ok`` or ``fails``.
        message: What was reported.
        date: Its day, as precise as it is known; may be empty.
        source: Its address.
        counts: Whether it ranks the cell lower.
    """

    about: str
    outcome: Outcome
    message: str
    date: str
    source: str
    counts: bool

    def to_json(self) -> dict[str, Any]:
        """The neighbour as the machine interface tells it."""
        return {
            "about": self.about,
            "outcome": self.outcome,
            "message": self.message,
            "date": self.date,
            "source": self.source,
            "counts": self.counts,
        }


@dataclass(frozen=True)
class Reported:
    """What the public reports say of a cell: evidence for its verdict, and neighbours beside it."""

    evidence: tuple[Evidence, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()


def reported(cell: Cell, reports: Iterable[Report], facts: Facts, keras: KerasOf) -> Reported:
    """What *reports* say of *cell*.

    Args:
        cell: The cell.
        reports: All reports there are.
        facts: What is known of the wheels.
        keras: The Keras in each of the cell's sets; asked for only where a report is about one.
    """
    reports = tuple(reports)
    return Reported(tuple(from_reports(cell, reports, facts, keras)), neighbours(cell, reports, facts, keras))


def neighbours(cell: Cell, reports: Iterable[Report], facts: Facts, keras: KerasOf) -> tuple[Neighbour, ...]:
    """The reports near *cell* that are no evidence about it: those that count first, then the newest."""
    near = [
        (report, _counts(report, cell, facts))
        for report in reports
        if is_near(report, cell) and not decides(report, cell, facts, keras)
    ]
    near.sort(key=lambda item: item[0].date, reverse=True)
    near.sort(key=lambda item: not item[1])
    return tuple(
        Neighbour(
            report.named,
            "fails" if report.effect.stage else "ok",
            report.message,
            report.date,
            report.source_url,
            counts,
        )
        for report, counts in near
    )


def _counts(report: Report, cell: Cell, facts: Facts) -> bool:
    if cell.plugin == NO_PLUGIN or report.circumstance:
        return False
    # What matches and is no evidence is of this very pair, under a Keras that none of its sets has.
    return is_past_import(report) and not matches(report, cell, facts)


def rank(found: Iterable[Neighbour]) -> int:
    """How many neighbours count against a cell: the fewer, the better."""
    return sum(neighbour.counts for neighbour in found)


def summary(found: tuple[Neighbour, ...]) -> Iterator[tuple[str, str]]:
    """The neighbours for a person, at most `SHOWN`: what was said, and when and where."""
    for neighbour in found[:SHOWN]:
        yield (
            f"{neighbour.about}: {neighbour.message}",
            ", ".join(filter(None, (neighbour.date, neighbour.source))),
        )
    if len(found) > SHOWN:
        yield f"and {len(found) - SHOWN} more: --json", ""
