"""The table's layout, shared by the terminal and Markdown: what stands where, and what is said below.

Pure: a report in, rows of plain text out.  One field is one framework with one plugin; inside it, a
line for each verdict with the Pythons it holds for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from metalmatrix.running import alone
from metalmatrix.running.plan import NOTHING_TO_INSTALL
from metalmatrix.spans import runs
from metalmatrix.verdicts.verdict import SIGNS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.verdicts.evidence import Which
    from metalmatrix.verdicts.report import CellReport, Report
    from metalmatrix.verdicts.verdict import Verdict

SURPRISES = "Surprises"
"""The title of what contradicts what is expected."""

PLAIN_WORSE = "*"
"""What marks a verdict that only the pinned set has."""

_MENDS = re.compile(r" \([^()]* mends? it\)\Z")
_NAMED = 3
"""Frameworks that are named one by one; of more, the first and the last are."""


@dataclass(frozen=True)
class Line:
    """One line of a field: a verdict, whether a plain install is worse, and the Pythons."""

    word: str
    plain_worse: bool
    pythons: str

    @property
    def label(self) -> str:
        """Sign and word: ``+ likely*``."""
        return f"{SIGNS[self.word]} {self.word}{PLAIN_WORSE if self.plain_worse else ''}"


@dataclass(frozen=True)
class Grid:
    """Frameworks down, plugins across by name; ``fields[framework, plugin]`` are the lines of a field."""

    frameworks: tuple[str, ...]
    plugins: tuple[str, ...]
    fields: dict[tuple[str, str], tuple[Line, ...]]


@dataclass(frozen=True)
class Note:
    """Something said of cells below the table: which, what, the command that shows it again, and who says so.

    Attributes:
        source: The address of a public report; empty where it is known otherwise.
    """

    cells: str
    text: str
    command: str = ""
    source: str = ""


@dataclass(frozen=True)
class Section:
    """Notes of one kind, under a title."""

    title: str
    notes: tuple[Note, ...]


def grid(cells: Iterable[CellReport]) -> Grid:
    """The table's fields, of TensorFlow."""
    cells = [item for item in cells if not item.cell.lite]
    fields: dict[tuple[str, str], list[CellReport]] = {}
    for item in cells:
        fields.setdefault((item.cell.framework, item.cell.plugin_name), []).append(item)
    return Grid(
        frameworks=tuple(sorted({f for f, _ in fields}, key=Version)),
        plugins=plugin_names(item.cell for item in cells),
        fields={key: tuple(_lines(cells)) for key, cells in fields.items()},
    )


def lite_grids(cells: Iterable[CellReport]) -> list[tuple[str, Grid]]:
    """LiteRT by each of its names: versions down, and Pythons across, since there is no plugin."""
    found: dict[str, dict[tuple[str, str], tuple[Line, ...]]] = {}
    for item in cells:
        if item.cell.lite:
            field = (Line(item.verdict.word, item.plain_is_worse, ""),)
            key = item.cell.framework, f"Python {item.cell.python}"
            found.setdefault(item.cell.product, {})[key] = field
    return [
        (product, Grid(_ordered(v for v, _ in fields), _ordered(p for _, p in fields), fields))
        for product, fields in found.items()
    ]


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=lambda name: Version(name.rpartition(" ")[2])))


def plugin_names(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The plugins of cells as columns are headed, each once, in the order of the columns."""
    ordered = sorted(cells, key=lambda cell: cell.plugin_key)
    return tuple(dict.fromkeys(cell.plugin_name for cell in ordered))


def _lines(cells: list[CellReport]) -> Iterable[Line]:
    # What cannot be installed says least about the framework and the plugin, so it comes last.
    order = sorted(VERDICTS, key=lambda word: word == "not-installable")

    def key(item: CellReport) -> tuple[int, bool]:
        return order.index(item.verdict.word), item.plain_is_worse

    for (index, worse), group in groupby(sorted(cells, key=key), key=key):
        yield Line(order[index], worse, python_span([item.cell.python for item in group]))


def python_span(pythons: Iterable[str]) -> str:
    """Pythons in few characters: ``3.9-3.11``, ``3.9, 3.12``."""
    found = runs(Version(python).minor for python in pythons)
    return ", ".join(f"3.{first}" if first == last else f"3.{first}-3.{last}" for first, last in found)


def sections(report: Report) -> list[Section]:
    """What stands below the table, empty sections left out."""
    found = [
        Section(SURPRISES, _notes(report, _surprise)),
        Section("Why cells fail", _notes(report, _failure, "pinned", lambda item: item.verdict.source)),
        Section(
            "Plain installs that break, where the pins mend it",
            _notes(report, _plain_failure, "plain", lambda item: item.plain.source),
        ),
        Section("Fixes that the pins hold back", _notes(report, lambda item: "; ".join(item.holds))),
        Section("Runs of the checks, pinned sets", _notes(report, lambda item: _runs(item, "pinned"))),
        Section("Runs of the checks, plain sets", _notes(report, lambda item: _runs(item, "plain"))),
        Section("Notes of the checks, which change no verdict", _remarks(report)),
        Section("Why cells are unknown", _notes(report, _unknown)),
        Section("Not run, and why", _notes(report, _not_run)),
        Section("Left out", tuple(Note(cell.id, reason) for cell, reason in report.excluded)),
    ]
    return [section for section in found if section.notes]


def warnings(report: Report) -> list[str]:
    """What makes the table less than whole."""
    found = [f"set aside: {problem}" for problem in report.problems]
    if report.missing:
        count = len(report.missing)
        found.append(
            f"partial: the last run was cut off, or could not ask; {count} of its cells "
            f"{'has' if count == 1 else 'have'} no new result: `nox -s matrix` goes on where it stopped"
        )
    return found


def short(message: str, limit: int = 160) -> str:
    """A message's first statement, and what mends it; of the resolver's derivation, what it begins with."""
    found = _MENDS.search(message)
    mends = found[0] if found else ""
    message = message.removesuffix(mends)
    for end in (" and you require", " and only the following", ", we can conclude", " And because"):
        message = message.split(end, 1)[0]
    return (message if len(message) <= limit else message[: limit - 1] + "…") + mends


def _notes(
    report: Report,
    said: Callable[[CellReport], str],
    failed: Which | Literal[""] = "",
    source: Callable[[CellReport], str] = lambda _: "",
) -> tuple[Note, ...]:
    """What *said* gives for each cell, cells of which the same is said, by the same source, together."""
    texts: dict[tuple[str, str], list[CellReport]] = {}
    for item in report.cells:
        if text := said(item):
            texts.setdefault((text, source(item)), []).append(item)
    return tuple(
        Note(span([item.cell for item in items]), text, _again(items[0], failed) if failed else "", address)
        for (text, address), items in texts.items()
    )


def _remarks(report: Report) -> tuple[Note, ...]:
    """What the checks noted of pinned sets, cells of which the same is noted together."""
    texts: dict[str, list[CellReport]] = {}
    for item in report.cells:
        found = [
            f"{note} ({e.kind}{', not counted' if e.uncounted else ''})"
            for e in item.evidence
            if e.set == "pinned"
            for note in e.notes
        ]
        for text in dict.fromkeys(found):
            texts.setdefault(text, []).append(item)
    return tuple(Note(span([item.cell for item in items]), short(text, 400)) for text, items in texts.items())


def _again(item: CellReport, which: Which) -> str:
    """The command that shows a failure again: its check alone, a whole run, or the resolver's answer."""
    verdict = item.verdict if which == "pinned" else item.plain
    if verdict.word == "not-installable" or verdict.stage == "link" or verdict.source:
        return f"nox -s explain -- {item.cell.id}"
    checks = [e.check for e in item.evidence if e.check and e.set == which and e.message == verdict.message]
    if checks:
        return alone.command(item.cell.id, checks[0], which)
    return f'nox -s "matrix({item.cell.id})" -- --fresh --keep'


def _runs(item: CellReport, which: Which) -> str:
    """What the checks said on each host; the reasons of what was skipped are in the explanation."""
    runs = [e for e in item.evidence if e.set == which and e.run and e.outcome != "skipped"]
    told = []
    for e in runs:
        elsewhere = e.kind == "rehearsed" and e.outcome != "ok" and not (e.outcome == "fails" and e.portable)
        aside = " (which tells nothing of a Mac)" if elsewhere else ""
        aside = f" (recorded, not counted: {e.uncounted})" if e.uncounted else aside
        told.append(f"{e.kind} on {e.source}: {short(e.message.partition('; skipped:')[0])}{aside}")
    return "; ".join(told)


def _failure(item: CellReport) -> str:
    return _told(item.verdict) if item.verdict.word in {"broken", "degraded", "not-installable"} else ""


def _plain_failure(item: CellReport) -> str:
    return _told(item.plain) if item.plain_is_worse else ""


def _told(verdict: Verdict) -> str:
    if verdict.word != "broken":
        return f"{verdict.word}: {short(verdict.message)}"
    return f"broken at {verdict.stage}: {short(verdict.message.removeprefix(f'{verdict.stage}: '))}"


def _unknown(item: CellReport) -> str:
    return short(item.verdict.message) if item.verdict.word == "unknown" else ""


def _not_run(item: CellReport) -> str:
    told = {NOTHING_TO_INSTALL, item.verdict.message}  # of which enough is said where it is unknown, and why
    return "" if item.untested in told else item.untested


def _surprise(item: CellReport) -> str:
    if item.expect is None or not item.surprise:
        return ""
    return f"{item.verdict.word}, expected {item.expect.verdict} ({item.expect.note})"


def span(cells: Sequence[Cell]) -> str:
    """Cells in few words: the id of one, else what they have in common and how many there are."""
    if len(cells) == 1:
        return cells[0].id
    frameworks = sorted({cell.framework for cell in cells}, key=Version)
    plugins = plugin_names(cells)
    pythons = python_span({cell.python for cell in cells})
    framework = ", ".join(frameworks)
    if len(frameworks) > _NAMED:
        framework = f"{len(frameworks)} frameworks from {frameworks[0]} to {frameworks[-1]}"
    plugin = f", {plugins[0]}" if len(plugins) == 1 else ""
    return f"{framework}{plugin}, Python {pythons} ({len(cells)} cells)"
