"""The answer to a query: few cells in full; of many, a line for each group of which the same is to be said.

The good ones come first, of each verdict the newest framework first, so that a list that is cut still has
what somebody is looking for.  Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.asking import explanation
from metalmatrix.asking.explanation import TextLine, label, line
from metalmatrix.asking.loose import COMMAND
from metalmatrix.asking.nearest import GOOD
from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.published.targets import ARM64
from metalmatrix.spans import runs
from metalmatrix.table.layout import python_span, short
from metalmatrix.text import plain
from metalmatrix.verdicts.report import counts
from metalmatrix.verdicts.verdict import SIGNS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metalmatrix.asking.explanation import Explained
    from metalmatrix.asking.words import Query
    from metalmatrix.cells.cell import Cell
    from metalmatrix.verdicts.report import CellReport
    from metalmatrix.wheels.wheel_facts import Facts

IN_FULL = 4
"""Cells up to which each is told in full."""

MOST = 40
"""Lines of a list."""

_HEAD = ("verdict", "Python", "TensorFlow", "plugin")
_LITE_HEAD = ("verdict", "Python", "library")
_REASON = 90
_NO_WHEELS = re.compile(r"Because ([a-z0-9.-]+)==\S+ has no (?:usable )?wheels.*")


@dataclass(frozen=True)
class _Row:
    """Cells of one framework that differ in Python and plugin only, and of which the same is to be said."""

    plugins: str
    reports: tuple[CellReport, ...]

    @property
    def first(self) -> CellReport:
        return self.reports[0]

    @property
    def columns(self) -> tuple[str, ...]:
        pythons = python_span(report.cell.python for report in self.reports)
        cell = self.first.cell
        framework = f"{cell.product} {cell.framework}" if cell.lite else cell.framework
        framework += "" if cell.target == ARM64 else f" {cell.target}"
        return label(self.first.verdict), pythons, framework, "" if cell.lite else self.plugins


def to_explain(reports: Sequence[CellReport], few: int) -> Sequence[CellReport]:
    """The reports for which to look for what is nearest: all where they are *few*, else none."""
    return reports if len(reports) <= few else ()


def to_tell(reports: Sequence[CellReport]) -> Sequence[CellReport]:
    """The same for `answer`: all that it tells in full; of a list without a good cell, the first."""
    if len(reports) > IN_FULL and not any(report.verdict.word in GOOD for report in reports):
        return (_rows(reports)[0].first,)
    return to_explain(reports, IN_FULL)


def answer(
    query: Query, reports: Sequence[CellReport], items: Sequence[Explained], facts: Facts, score: str = ""
) -> Iterator[TextLine]:
    """The whole answer.

    Args:
        query: What was asked.
        reports: Of every cell of the query.
        items: What there is to say about those that `to_tell` gives.
        facts: What is known of the wheels.
        score: How often `linked` was right, in a line; told below where it is evidence.
    """
    for note in query.notes:
        yield line(f"note: {plain(note, 400)}", "degraded", hang=2)
        yield line()
    if len(reports) > IN_FULL:
        yield from _listed(reports)
        for item in items:
            yield line()
            yield line("None of them is likely to work.")
            yield from explanation.way_out(item, instead_of=item.report.cell.id)
    else:
        for number, item in enumerate(items):
            if number:
                yield line()
                yield line()
            yield from explanation.lines(item, facts)
    if score and any(found.kind == "linked" for report in reports for found in report.evidence):
        yield line()
        yield line(score, "dim")


def _listed(reports: Sequence[CellReport]) -> Iterator[TextLine]:
    """The list: counts, a line a group, and how to see less or more."""
    found = counts(reports)
    numbers = [f"{SIGNS[word]} {found[word]} {word}" for word in VERDICTS if word in found]
    yield line(f"{len(reports)} cells: {', '.join(numbers)}", "title", hang=2)
    rows = _rows(reports)
    lite = all(report.cell.lite for report in reports)
    head = _LITE_HEAD if lite else _HEAD
    columns = [head, *(row.columns[: len(head)] for row in rows[:MOST])]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    padded = [[text.ljust(width) for text, width in zip(texts, widths, strict=True)] for texts in columns]
    yield line("  ".join(padded[0]).rstrip(), "dim")
    for row, (verdict, *rest) in zip(rows, padded[1:], strict=False):
        told, reason = "  ".join(["", *rest]), _reason(row.first)
        parts = ((verdict, row.first.verdict.word), (told if reason else told.rstrip(), ""))
        yield TextLine(parts, hang=4, aside=reason)
    if more := rows[MOST:]:
        cells = sum(len(row.reports) for row in more)
        words = f"3.11 or {rows[0].first.cell.framework if lite else 'metal1.2.0'}"
        yield line(f"{len(more)} more lines, {cells} cells: add words, like {words}", "dim", hang=2)
    yield line()
    yield line(f"One of them in full: {COMMAND} {rows[0].first.cell.id}", whole=True)


def _rows(reports: Iterable[CellReport]) -> list[_Row]:
    """The groups: the best verdict first, of each the final releases, of those the newest framework.

    Cells that differ only in Python stand together, and plugins that follow each other and share all else.
    """
    ordered = sorted(reports, key=lambda report: report.cell.sort_key)
    names = list(dict.fromkeys(_plugin(report.cell) for report in sorted(ordered, key=_by_plugin)))
    alike: dict[tuple[str, ...], dict[int, list[CellReport]]] = {}
    for report in ordered:
        cell = report.cell
        key = (cell.lite, cell.framework, cell.target, cell.route, label(report.verdict), _reason(report))
        alike.setdefault(key, {}).setdefault(names.index(_plugin(report.cell)), []).append(report)
    rows = []
    for by_plugin in alike.values():
        same: dict[str, list[int]] = {}
        for place, items in by_plugin.items():
            same.setdefault(python_span(item.cell.python for item in items), []).append(place)
        for places in same.values():
            for start, end in runs(places):
                # the newest plugin and Python stand for the group
                found = [item for place in range(end, start - 1, -1) for item in reversed(by_plugin[place])]
                rows.append(_Row(_span(names[start : end + 1]), tuple(found)))
    order = list(VERDICTS)
    rows.sort(key=lambda row: row.first.cell.sort_key, reverse=True)
    rows.sort(key=lambda row: Version(row.first.cell.framework).is_prerelease)
    return sorted(rows, key=lambda row: order.index(row.first.verdict.word))


def _by_plugin(report: CellReport) -> tuple[object, ...]:
    return report.cell.plugin_key


def _plugin(cell: Cell) -> str:
    return cell.plugin_name.replace("no plugin", NO_PLUGIN)


def _span(names: list[str]) -> str:
    """Plugins that follow each other: ``none, metal 0.1.0-1.2.0``."""
    by_name: dict[tuple[str, ...], list[str]] = {}
    for text in names:
        name, *version = text.split(" ", 2)  # and the route, where it is told
        by_name.setdefault((name, *version[1:]), []).append(version[0] if version else "")
    return ", ".join(
        " ".join(filter(None, (name, "-".join(dict.fromkeys((versions[0], versions[-1]))), *route)))
        for (name, *route), versions in by_name.items()
    )


def _reason(report: CellReport) -> str:
    """Why, in few words: of a good cell, what a plain install comes to."""
    verdict = report.verdict
    if verdict.word in GOOD:
        return f"a plain install: {label(report.plain)}" if report.plain_is_worse else ""
    message = _NO_WHEELS.sub(r"no wheel of \1", plain(verdict.message, 400)).removeprefix(
        f"{verdict.stage}: "
    )
    cell = report.cell  # its version is in the row, which releases of which the same is said share
    message = message.replace(f"{cell.plugin_distribution} {cell.plugin} ", f"{cell.plugin_distribution} ")
    return short(message.partition(" (")[0] if verdict.stage == "link" else message, _REASON)
