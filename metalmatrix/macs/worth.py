"""What a Mac should run first: the order in which its runs would tell others most; pure.

1. *likely* cells that no Mac has run: `pins` hands them out on a prediction, and a run settles it
2. what one report speaks against, or of which nobody knows whether it loads: a run says which it is
3. cells that ran on other Macs, and not on this chip and macOS
4. cells that are foreseen to fail: a run holds the prediction against a Mac

Within each, one Python of every framework and plugin comes before the next Python of any: another Python
has the same libraries, so it tells least that is new.  Then it is the order in which `pins` hands them out;
what it does not hand out, with a plugin before without, fewer failing neighbours, the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.pins.pins import ordered
from metalmatrix.published.compiled import sdist_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from metalmatrix.verdicts.evidence import Evidence
    from metalmatrix.verdicts.report import CellReport

WHY = (
    "handed out on a prediction, and no Mac has run it",
    "nobody knows, or one report speaks against it",
    "ran on other Macs, and not on this chip and macOS",
    "foreseen to fail, and no Mac has tried",
)
"""What each tier is, in the order of their worth."""


def tier(report: CellReport) -> int | None:
    """Which of `WHY` a cell is of; None where there is nothing to run on a Mac."""
    word = report.verdict.word
    if word == "not-installable" or sdist_of(report.cell) is not None:
        return None
    if word == "unknown" and report.verdict.stage == "resolve":
        return None
    if any(_counts(item) and not item.unseen for item in report.evidence):
        return 2
    return {"likely": 0, "degraded": 1, "unknown": 1}.get(word, 3)


def _counts(item: Evidence) -> bool:
    """Whether it is a run of the pinned set on a Mac, one that counts."""
    ran = item.kind == "ran" and item.set == "pinned" and item.outcome in {"ok", "fails"}
    return ran and not item.uncounted


def worth(reports: Iterable[CellReport], alike: Container[str]) -> list[tuple[str, CellReport]]:
    """The cells that have no run that counts on a machine alike, the most telling first, each with why.

    Args:
        reports: All cells.
        alike: The hosts of this chip and this macOS.
    """
    reports = tuple(reports)
    handed_out = {item.cell: place for place, item in enumerate(ordered(reports, degraded=True))}
    missing: list[tuple[int, CellReport]] = []
    for report in reports:
        seen = any(_counts(item) and item.source in alike for item in report.evidence)
        rank = tier(report)
        if rank is not None and not seen:
            missing.append((rank, report))
    missing.sort(key=lambda item: item[1].cell.sort_key, reverse=True)
    last = len(reports)
    missing.sort(key=lambda item: (item[1].cell.plugin == NO_PLUGIN, item[1].rank))
    missing.sort(key=lambda item: (item[0], handed_out.get(item[1].cell, last)))
    turns: dict[tuple[str, str], int] = {}
    in_turn = []
    for place, (rank, report) in enumerate(missing):
        pair = (report.cell.framework, report.cell.plugin_name)
        turns[pair] = turns.get(pair, -1) + 1
        in_turn.append((rank, turns[pair], place, report))
    return [(WHY[rank], report) for rank, _, _, report in sorted(in_turn, key=lambda item: item[:3])]
