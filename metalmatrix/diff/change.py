"""One difference between two tables: a cell, what was said of it, what is said now, and the cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gained", "lost", "changed", "new", "gone"]


@dataclass(frozen=True)
class Change:
    """What became of one cell.

    Attributes:
        kind: ``gained`` (it may be handed out now, and might not before), ``lost`` (the reverse), ``changed``
            (anything else about its verdict), ``new`` (not in the old table), ``gone`` (not in the new one).
        cell: Its id.
        before: The verdict's word before; empty for a new cell.
        after: The verdict's word now; empty for one that is gone.
        told: What is said now, in a sentence; of one that is gone, what was said.
        cause: What moved, where the evidence has it: a pin, a wheel, another macOS; empty where it does not.
    """

    kind: Kind
    cell: str
    before: str
    after: str
    told: str
    cause: str = ""
