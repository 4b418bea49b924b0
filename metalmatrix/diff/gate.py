"""What a table is stopped for in CI: a surprise, or an expectation that is out of date; pure.

``matrix.toml`` and the table before are what is expected.  A cell contradicts its ``[[expect]]`` entry in
either direction; one that had no entry and can no longer be handed out contradicts the table before.  What
gets better without an entry stops nobody, and *unknown* contradicts nothing, as everywhere.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from metalmatrix.diff.compare import HANDED_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalmatrix.diff.change import Change

Reason = Literal["surprise", "stale", "lost"]


@dataclass(frozen=True)
class Finding:
    """One cell that stops the table.

    Attributes:
        reason: ``surprise`` (expected otherwise), ``stale`` (declared to fail, and now it is fine), ``lost``
            (handed out before, not any more, and nothing declares it).
        cell: Its id.
        told: What is so, in a sentence.
        hint: What to type.
    """

    reason: Reason
    cell: str
    told: str
    hint: str

    def to_json(self) -> dict[str, str]:
        """The finding as plain data."""
        return asdict(self)


def findings(changes: Iterable[Change], new: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What stops the table *new*, which differs from the one before by *changes*."""
    lost = {change.cell for change in changes if change.kind == "lost"}
    found = []
    for cell in new["cells"]:
        word, expected, name = cell["verdict"], cell["expected"], cell["cell"]
        why = f"nox -s explain -- {name}"
        if cell["surprise"] and word in HANDED_OUT:
            told = f"matrix.toml expects {expected}, and it is {word} now: the expectation is out of date"
            entry = f'[[expect]] of matrix.toml that matches {name}, or make it verdict = "{word}"'
            found.append(Finding("stale", name, told, f"take out the {entry}; {why}"))
        elif cell["surprise"]:
            told = f"matrix.toml expects {expected}, and it is {word}: {cell['message']}"
            hint = f'{why}; if it is to stay so: verdict = "{word}" in its [[expect]] entry of matrix.toml'
            found.append(Finding("surprise", name, told, hint))
        elif name in lost and word not in {expected, "unknown"}:
            told = f"it was handed out before, and is {word} now: {cell['message']}"
            entry = f'[[expect]] with cell = "{name}", verdict = "{word}" and a note'
            found.append(
                Finding("lost", name, told, f"{why}; if it is to stay so: add {entry} to matrix.toml")
            )
    return tuple(found)
