"""The table in a terminal: within 100 columns, read without colour, nothing of it markup."""

from __future__ import annotations

import codecs
import io
import sys
import textwrap
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from metalmatrix.published.targets import ARM64, named
from metalmatrix.running.checklist import check_catalog
from metalmatrix.table import layout
from metalmatrix.text import plain
from metalmatrix.verdicts.report import counts
from metalmatrix.verdicts.verdict import SIGNS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

    from rich.console import RenderableType

    from metalmatrix.asking.explanation import TextLine
    from metalmatrix.published.targets import Target
    from metalmatrix.running.supervise import CheckResult, Outcome
    from metalmatrix.table.layout import Grid, Line
    from metalmatrix.table.overview import Overview
    from metalmatrix.verdicts.report import Report

WIDTH = 100
_FRAMEWORK, _FIELD = 9, 17
"""Columns of the table: the first, and each other one, wide enough for `- not-installable`."""

_RANGE, _SPAN = 20, 14
"""Columns of the history: the first, wide enough for a range of release candidates, and each other one."""

_NARROWEST = 20
"""Columns that a line of text has at least."""

_STYLES = {
    "works": "bold green",
    "likely": "green",
    "degraded": "yellow",
    "broken": "bold red",
    "not-installable": "dim",
    "unknown": "cyan",
    "title": "bold",
    "command": "cyan",
}


_OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "passed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}
_BELOW = 10
"""Columns that what is told of a check stands in below its line."""

_PLAINER = "metalmatrix.plainer"
_PLAIN = {"✓": "v", "✗": "x", "─": "-", "…": "...", "·": "|"}


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """What stands for a character that the stream does not know: no sign may turn into that of *unknown*."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end


codecs.register_error(_PLAINER, _plainer)


def print_report(report: Report, stream: TextIO | None = None) -> None:
    """Print the table and what is said below it."""
    out = console(stream)
    out.print(Group(*_parts(report, out.width)), soft_wrap=False)


def console(stream: TextIO | None = None) -> Console:
    """A console no wider than `WIDTH`, and as wide where nobody is looking."""
    stream = stream or sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_PLAINER)
    made = Console(file=stream, highlight=False, markup=False, emoji=False)
    made.width = min(made.width, WIDTH) if made.is_terminal else WIDTH
    return made


def _parts(report: Report, width: int) -> Iterator[RenderableType]:
    yield Text(f"TensorFlow on Apple silicon, as of {report.as_of}\n", style="bold")
    grid = layout.grid(report.cells)
    across = max(1, (width - _FRAMEWORK) // (_FIELD + 1))  # more plugins go into a second table below
    for start in range(0, len(grid.plugins), across):
        yield _table(grid, grid.plugins[start : start + across])
        yield Text()
    for product, lite in layout.lite_grids(report.cells):
        yield _table(lite, lite.plugins, product)
        yield Text()
    yield from _legend(report)
    for warning in layout.warnings(report):
        yield Text(plain(warning, 400), style="bold yellow")
    for section in layout.sections(report):
        yield Text(f"\n{section.title}", style="bold")
        for note in section.notes:
            line = Text.assemble((plain(note.cells, 100), "cyan"), f"  {plain(note.text, 400)}")
            yield Padding(line, (0, 0, 0, 2))
            if note.source:
                yield Padding(Text(plain(note.source, 200), style="dim"), (0, 0, 0, 4))
            if note.command:
                yield Padding(Text(note.command, style="dim"), (0, 0, 0, 4))
    if report.score:
        yield Text(f"\n{plain(report.score, 200)}")
    yield Text("\nAll evidence of a cell: nox -s explain -- ID")


def _table(grid: Grid, plugins: tuple[str, ...], head: str = "framework") -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    table.add_column(head, overflow="fold", width=max(_FRAMEWORK, len(head)))
    for plugin in plugins:
        table.add_column(plugin, overflow="fold", width=_FIELD)
    for framework in grid.frameworks:
        fields = [_field(grid, framework, plugin) for plugin in plugins]
        table.add_row(Text(framework, style="bold"), *fields)
    return table


def _field(grid: Grid, framework: str, plugin: str) -> Text:
    lines = grid.fields.get((framework, plugin), ())
    parts = []
    for line in lines:
        parts.append(Text(line.label, style=_STYLES[line.word]))
        parts.append(Text(f"  {line.pythons}"))
    return Text("\n").join(parts)


def _legend(report: Report) -> Iterator[Text]:
    found = counts(report.cells)
    for word, meaning in VERDICTS.items():
        if word in found:
            sign = Text(f"{SIGNS[word]} {word:<16}", style=_STYLES[word])
            yield sign + Text(f"{found[word]:>4}  {meaning}", style="default")
    if any(item.plain_is_worse for item in report.cells):
        yield Text(f"{layout.PLAIN_WORSE} with pins; a plain install fares worse, see below")


def print_lines(lines: Iterable[TextLine], stream: TextIO | None = None) -> None:
    """Print an explanation: broken at the width, what is to be copied whole, no blanks at the ends."""
    out = console(stream)
    for line in lines:
        text = Text.assemble(*((part, _STYLES.get(style, style)) for part, style in line.parts))
        beside = Text(f"  {line.aside}" if line.aside else "")
        if line.whole:
            out.print(Text(" " * line.indent) + text, soft_wrap=True)
        elif line.indent + text.cell_len + beside.cell_len <= out.width:
            out.print(Text(" " * line.indent) + text + beside)
        else:
            _print_broken(out, text, line.indent, line.hang)
            if line.aside:
                _print_broken(out, Text(line.aside), line.indent + line.hang)


def _print_broken(out: Console, text: Text, indent: int, hang: int = 0) -> None:
    """Print a text that may be too long for a line: what goes on below stands *hang* columns further in."""
    first, *more = text.wrap(out, max(_NARROWEST, out.width - indent)) or [Text()]
    if more and hang:
        below = text[len(first) :]
        below = below[len(below.plain) - len(below.plain.lstrip()) :]
        more = list(below.wrap(out, max(_NARROWEST, out.width - indent - hang)))
    for number, part in enumerate([first, *more]):
        part.rstrip()
        out.print(Text(" " * (indent + (hang if number else 0))) + part)


def _print_trimmed(out: Console, what: RenderableType) -> None:
    """Print it without the blanks that fill its lines up, which a copy or a file would keep."""
    for segments in out.render_lines(what, pad=False):
        line = Text.assemble(*((segment.text, segment.style or "") for segment in segments))
        line.rstrip()
        out.print(line)


def print_checks(
    results: Iterable[CheckResult],
    again: Callable[[str], str],
    stream: TextIO | None = None,
    *,
    lite: bool = False,
) -> None:
    """Print what came of each check; of those that failed, the advice and what runs them alone; their count.

    Args:
        results: What came of each check.
        again: Gives the command that runs one check, by its id.
        stream: Where to print.
        lite: Whether they are the checks of LiteRT.
    """
    results = tuple(results)
    out = console(stream)
    advice = {info.id: info.advice for info in check_catalog(lite=lite)}
    for (outcome, why), found in groupby(results, key=_told_together):
        alike = list(found)
        sign, style = _OUTCOMES[outcome]
        head = (f"{sign} {outcome:<8}", style)
        if why and len(alike) > 1:
            _print_broken(out, Text.assemble(head, ", ".join(result.check for result in alike)), 0, _BELOW)
            _print_broken(out, Text(plain(why, 1000)), _BELOW)
            continue
        for result in alike:
            seconds = f"{result.seconds:6.1f} s" if outcome != "skipped" else ""
            text = Text.assemble(head, f"{result.check:<14}{seconds:>9}  ")
            _print_broken(out, text + result.title, 0, text.cell_len)
            for line in (result.message, *(f"note: {note}" for note in result.notes)):
                if line:
                    _print_broken(out, Text(plain(line, 1000)), _BELOW)
            if outcome == "failed":
                for paragraph in advice.get(result.check, "").split("\n\n"):
                    _print_broken(out, Text(" ".join(paragraph.split()), style="dim"), _BELOW)
                alone = f"alone: {plain(again(result.check), 1000)}"
                out.print(Text(" " * _BELOW + alone), soft_wrap=True)
    counted = Counter(result.outcome for result in results)
    out.print(", ".join(f"{counted[outcome]} {outcome}" for outcome in _OUTCOMES if counted[outcome]))


def _told_together(result: CheckResult) -> tuple[Outcome, str]:
    """What neighbours that are told in one line share: they were skipped, and for the same reason."""
    return result.outcome, result.message if result.outcome == "skipped" and not result.notes else ""


def print_overview(
    found: Overview, as_of: str, stream: TextIO | None = None, *, target: Target = ARM64
) -> None:
    """Print the whole history: a grid of signs and Pythons, and what it comes down to."""
    out = console(stream)
    where = f"macOS on {named(target)}"
    out.print(Text(f"Every published combination, for {where}, as of {as_of}\n", style="bold"))
    across = max(1, (out.width - _RANGE) // (_SPAN + 1))
    for start in range(0, len(found.columns), across):
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
        table.add_column("framework", overflow="fold", width=_RANGE)
        for column in found.columns[start : start + across]:
            head = "\n".join(textwrap.wrap(column, _SPAN))  # at a hyphen, and not within a word
            table.add_column(head, overflow="fold", width=_SPAN)
        for name, fields in found.rows:
            cells = [_signs(lines) for lines in fields[start : start + across]]
            table.add_row(Text(name, style="bold"), *cells)
        _print_trimmed(out, table)
        out.print()
    for word, number in found.counts.items():
        sign = Text(f"{SIGNS[word]} {word:<16}", style=_STYLES[word])
        out.print(sign + Text(f"{number:>5}  {VERDICTS[word]}", style="default"))
    for title, told in (
        ("What dyld says", found.failures),
        ("What fails where dyld is content, at the stage named", found.later),
        ("Why nothing can be installed", found.refusals),
    ):
        if told:
            out.print(Text(f"\n{title}", style="bold"))
        for text, number in told:
            _print_broken(out, Text(f"{number:>5}  {plain(text, 400)}"), 2, 7)
    if found.macos:
        out.print(Text("\nThe macOS that the installable cells need, and what demands it", style="bold"))
    for macos, number, by in found.macos:
        _print_broken(out, Text(f"{macos:>5}  {number:>5}  {plain(by, 400)}"), 2, 14)
    out.print("\nAll evidence of a cell: nox -s explain -- ID")


def _signs(lines: Iterable[Line]) -> Text:
    parts = []
    for line in lines:
        pythons = "" if line.word == "not-installable" else f" {line.pythons}"
        worse = layout.PLAIN_WORSE if line.plain_worse else ""
        parts.append(Text(f"{SIGNS[line.word]}{worse}{pythons}", style=_STYLES[line.word]))
    return Text("\n").join(parts)
