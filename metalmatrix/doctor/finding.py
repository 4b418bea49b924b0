"""What was found: the id of a diagnosis, and what was seen of it, in sentences fit to print."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 300
"""Characters of one sentence: what it quotes was written by somebody else."""

_MOST = 6


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth to know.

    Attributes:
        id: That of its diagnosis in ``data/diagnoses.json``.
        saw: What was seen, the likeliest cause first.
        note: Whether it may be harmless: it is told, and is no problem.
        values: What its commands name: paths, by the name that the data gives them.
    """

    id: str
    saw: tuple[str, ...]
    note: bool = False
    values: dict[str, str] = field(default_factory=dict)


def finding(
    name: str, saw: Iterable[str], *, note: bool = False, values: dict[str, str] | None = None
) -> Finding:
    """A finding whose sentences are fit to print: without escapes, each on a line, bounded."""
    sentences = tuple(dict.fromkeys(plain(sentence, LONGEST) for sentence in saw))
    return Finding(name, sentences[:_MOST], note, values or {})


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each id, in the order in which they come first; a problem outweighs a note."""
    found: dict[str, Finding] = {}
    for item in findings:
        before = found.get(item.id)
        if before is None:
            found[item.id] = item
            continue
        saw = tuple(dict.fromkeys(before.saw + item.saw))[:_MOST]
        values = {**item.values, **before.values}
        found[item.id] = Finding(item.id, saw, before.note and item.note, values)
    return list(found.values())
