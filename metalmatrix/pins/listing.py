"""Every set that may be handed out, the best first: a table for people, and for machines.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metalmatrix.asking.explanation import TextLine, line
from metalmatrix.pins.pins import KNOWN, known
from metalmatrix.verdicts.verdict import SIGNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metalmatrix.pins.machine import Machine
    from metalmatrix.verdicts.report import CellReport

_HEAD = ("known", "set", "macOS", "reports near")


def lines(reports: Sequence[CellReport], machine: Machine) -> Iterator[TextLine]:
    """The table.

    Args:
        reports: What may be handed out, the best first.
        machine: Whom it is for.
    """
    sets = "set" if len(reports) == 1 else "sets"
    yield line(f"{len(reports)} {sets} may be handed out for {machine.told}, the best first", "title")
    rows = [_HEAD, *map(_row, reports)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        first, *rest = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        told = "  ".join(["", *rest]).rstrip()
        word = reports[number - 1].verdict.word if number else "dim"
        yield TextLine(((first, word), (told, "" if number else "dim")))
    yield line()
    for word in dict.fromkeys(map(known, reports)):
        yield line(f"{word}: {KNOWN[word]}", "dim", hang=2)
    yield line(
        "reports near: how many public reports of a failure are near it; they change no verdict", "dim"
    )
    if reports:
        yield line(f"One of them: nox -s pins -- {reports[0].cell.id}", whole=True)


def _row(report: CellReport) -> tuple[str, ...]:
    near = str(report.rank) if report.rank else ""
    return f"{SIGNS[report.verdict.word]} {known(report)}", report.cell.id, report.macos or "", near


def to_json(report: CellReport) -> dict[str, Any]:
    """One set as the machine interface tells it."""
    return {
        "cell": report.cell.id,
        "verdict": report.verdict.word,
        "known": known(report),
        "message": report.verdict.message,
        "macos": report.macos,
        "reports_near": report.rank,
        "holds_back": list(report.holds),
    }
