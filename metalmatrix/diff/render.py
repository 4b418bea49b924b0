"""The differences for people: in the terminal, and as Markdown for a CI job's summary; every text escaped."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from metalmatrix.table.markdown import escape
from metalmatrix.text import plain
from metalmatrix.verdicts.verdict import SIGNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metalmatrix.diff.change import Change
    from metalmatrix.diff.gate import Finding

TITLES = {
    "lost": "Lost: handed out before, and not any more",
    "gained": "Gained: not handed out before, and now they are",
    "changed": "Changed",
    "new": "New in the table",
    "gone": "Gone from the table",
}
"""What each kind of change is called, in the order in which they are told."""

REASONS = {
    "lost": "Stops the table: lost, and nobody has declared it",
    "surprise": "Stops the table: not what matrix.toml expects",
    "stale": "Stops the table: an expectation of matrix.toml that is out of date",
}
_SHOWN = 20
"""Findings that are told one by one; there may be hundreds for one reason."""
_LONGEST = 400


def headline(old: Mapping[str, Any], new: Mapping[str, Any], changes: tuple[Change, ...]) -> str:
    """How much changed, and between which days."""
    count = {0: "nothing has changed", 1: "1 cell has changed"}.get(
        len(changes), f"{len(changes)} cells have changed"
    )
    return f"{count} between the tables of {old['as_of']} and {new['as_of']}"


def text(changes: tuple[Change, ...], found: tuple[Finding, ...]) -> Iterator[str]:
    """The lines for a terminal: the changes by kind, then what stops the table."""
    for kind, group in groupby(changes, key=lambda change: change.kind):
        yield ""
        yield TITLES[kind]
        for change in group:
            yield f"  {change.cell}  {_words(change)}"
            yield f"    {plain(change.told, _LONGEST)}"
            if change.cause:
                yield f"    what moved: {plain(change.cause, _LONGEST)}"
    for reason, items in _by_reason(found):
        yield ""
        yield f"{REASONS[reason]} ({len(items)})"
        for item in items[:_SHOWN]:
            yield f"  {item.cell}: {plain(item.told, _LONGEST)}"
            yield f"    hint: {item.hint}"
        if len(items) > _SHOWN:
            yield f"  and {len(items) - _SHOWN} more: --json lists all"


def markdown(
    old: Mapping[str, Any], new: Mapping[str, Any], changes: tuple[Change, ...], found: tuple[Finding, ...]
) -> str:
    """The same as Markdown."""
    lines = ["## What has changed in the table", "", f"{escape(headline(old, new, changes))}.", ""]
    for reason, items in _by_reason(found):
        lines += [f"### {REASONS[reason]} ({len(items)})", ""]
        lines += [f"- **{escape(i.cell)}**: {escape(i.told)}. {escape(i.hint)}" for i in items[:_SHOWN]]
        lines += [f"- and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
        lines.append("")
    for kind, group in groupby(changes, key=lambda change: change.kind):
        lines += [
            f"### {TITLES[kind]}",
            "",
            "| cell | verdict | what is said | what moved |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {escape(c.cell)} | {escape(_words(c))} | {escape(c.told)} | {escape(c.cause)} |"
            for c in group
        ]
        lines.append("")
    return "\n".join(lines)


def _words(change: Change) -> str:
    """The verdict before and now: ``+ likely -> ✗ broken``."""
    words = [word for word in (change.before, change.after) if word]
    signs = list(dict.fromkeys(f"{SIGNS[word]} {word}" for word in words))
    return " -> ".join(signs)


def _by_reason(found: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    items = list(found)
    grouped = [(reason, [item for item in items if item.reason == reason]) for reason in REASONS]
    return [(reason, items) for reason, items in grouped if items]
