"""Evidence: one observation about one cell, and where it comes from.

Five kinds, from the weakest claim to the strongest: `resolved` (the resolver, for one macOS on arm64),
`linked` (the wheels' Mach-O files held against each other by the loader's rules), `reported`
(somebody's public report), `rehearsed` (the checks ran on another platform's build of the same
TensorFlow) and `ran` (the checks ran on Apple silicon).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["resolved", "linked", "reported", "rehearsed", "ran"]
Outcome = Literal["ok", "fails", "skipped", "unknown"]
Which = Literal["pinned", "plain"]

SETS: tuple[Which, ...] = ("pinned", "plain")
"""The two sets of versions that every cell has."""

STAGES = ("resolve", "link", "import", "device", "matmul", "fit", "memory-limit", "numerics")
"""What a cell goes through, in order; a failure names the first stage that fails."""


@dataclass(frozen=True)
class Evidence:
    """One observation.

    Attributes:
        kind: How it was had.
        set: The set of versions it is about; empty where it does not matter.
        outcome: ``ok``, ``fails``, ``skipped`` (with the reason) or ``unknown`` (could not be had).
        message: What was seen, or why nothing was, in a line.
        date: The day, ``YYYY-MM-DD``, of the observation; for `resolved`, the day resolved for; for
            `reported`, as much of it as is known: ``2024-03``, or nothing.
        source: Where it is from: a host, a file of the data, an address.
        stage: Where it fails; empty unless it does.
        degrades: Whether what fails leaves the rest usable.
        portable: Whether a rehearsal's failure would happen on a Mac as well.
        blame: Of a refusal to resolve, the package that has no fitting wheel or version.
        run: Whether it is the record of a run of the checks, on the host that is the source.
        uncounted: Why it is recorded and not counted; empty where it counts.
        unseen: Why a run in which nothing failed says nothing of a plugin; empty where the GPU was seen.
        check: The check that fails; empty unless one does.
        notes: What the checks say that a user should know though it is no failure; no verdict depends on it.
    """

    kind: Kind
    set: Which | Literal[""]
    outcome: Outcome
    message: str
    date: str
    source: str
    stage: str = ""
    degrades: bool = False
    portable: bool = True
    run: bool = False
    blame: str = ""
    uncounted: str = ""
    unseen: str = ""
    check: str = ""
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The message, and why it does not count."""
        return f"{self.message} (recorded, not counted: {self.uncounted})" if self.uncounted else self.message

    def to_json(self) -> dict[str, str]:
        """The observation as the machine interface tells it."""
        return {
            "kind": self.kind,
            "set": self.set,
            "outcome": self.outcome,
            "message": "; noted: ".join([self.told, *self.notes]),
            "date": self.date,
            "source": self.source,
        }
