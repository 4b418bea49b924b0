"""The verdict: what the evidence adds up to, from a closed list, by a pure function.

Only `ran` can say *works*.  `rehearsed` never raises a verdict; it lowers one where the failure does
not depend on the platform.  `reported` never raises one either, and lowers that of the cell it is about.
*Unknown* is never *broken*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.verdicts.evidence import STAGES, Evidence, Which

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_MORE = "installs, nothing is known against it"

VERDICTS = {
    "works": "ran on a Mac, and all checks passed",
    "likely": f"{_NO_MORE}, not yet run on a Mac",
    "degraded": "runs, but something is wrong or slow",
    "broken": "fails, at the stage named",
    "not-installable": "no set of published wheels satisfies it",
    "unknown": "the evidence could not be had",
}
"""The closed list, best first, each word with what it means."""

SIGNS = {"works": "✓", "likely": "+", "degraded": "!", "broken": "✗", "not-installable": "-", "unknown": "?"}
"""The sign beside each word, so that no verdict is told by colour alone."""


@dataclass(frozen=True)
class Verdict:
    """A word of the closed list, the stage that fails, and a line that says why.

    Attributes:
        source: The address of the public report that says so; empty where it is known otherwise.
    """

    word: str
    stage: str
    message: str
    source: str = ""


_PASSED = "the checks passed on a Mac"


def verdict(cell: Cell, evidence: Iterable[Evidence], which: Which = "pinned") -> Verdict:
    """What the evidence about one set of *cell* adds up to."""
    about = [item for item in evidence if item.set in {which, ""}]
    resolved = [item for item in about if item.kind == "resolved"]
    if refused := _first(resolved, "fails"):
        return Verdict("not-installable", "resolve", refused.message)
    everywhere = [item for item in about if item.kind == "ran"]
    ran = [item for item in everywhere if not item.uncounted]
    bare = cell.plugin == NO_PLUGIN
    good = [item for item in ran if item.outcome == "ok" and (bare or not item.unseen)]
    if failure := _worst(ran):
        return _failed(failure)
    reported = [item for item in about if item.kind == "reported"]
    if good:
        if told := _worst(reported):
            # The checks need not hold what was reported: neither takes the other back.
            return Verdict("degraded", told.stage, f"{_PASSED}; {told.message}", told.source)
        return Verdict("works", "", VERDICTS["works"])
    if not _first(resolved, "ok"):
        missing = _first(resolved, "unknown")
        return Verdict("unknown", "resolve", missing.message if missing else "it has not been resolved")
    linked = [item for item in about if item.kind == "linked"]
    rehearsed = [item for item in about if item.kind == "rehearsed" and item.portable]
    loads = (bare and not cell.lite) or _first(linked, "ok") is not None
    failure = _worst([*linked, *reported, *rehearsed])
    # That it runs, if badly, can be said by who ran it with the plugin, or where the plugin is known to load.
    if failure and (loads or not failure.degrades or failure.kind == "reported"):
        return _failed(failure)
    why = next((why for item in everywhere if (why := item.uncounted or ("" if bare else item.unseen))), "")
    held_back = f"ran on a Mac, recorded, not counted: {why}" if why else ""
    if not loads:
        missing = _first(linked, "unknown")
        unknown = missing.message if missing else "installs; not yet known is whether the plugin loads"
        return Verdict("unknown", "link", f"{unknown}; {held_back or 'nobody ran it on a Mac'}")
    return Verdict("likely", "", f"{_NO_MORE}; {held_back}" if held_back else VERDICTS["likely"])


def _first(evidence: list[Evidence], outcome: str) -> Evidence | None:
    return next((item for item in evidence if item.outcome == outcome), None)


def _worst(evidence: list[Evidence]) -> Evidence | None:
    """The failure that counts: what breaks before what degrades, and the earlier stage first."""
    failures = [item for item in evidence if item.outcome == "fails"]
    return min(failures, key=lambda item: (item.degrades, STAGES.index(item.stage)), default=None)


def _failed(failure: Evidence) -> Verdict:
    source = failure.source if failure.kind == "reported" else ""
    return Verdict("degraded" if failure.degrades else "broken", failure.stage, failure.message, source)


def surprise(expected: str, actual: str) -> bool:
    """Whether a verdict contradicts what is expected of the cell, for better or for worse.

    *Unknown* contradicts nothing, and a cell that is expected to work is not contradicted by *likely*:
    without a Mac, more cannot be had.
    """
    good = {"works", "likely"}
    return actual not in {"unknown", expected} and not {expected, actual} <= good
