"""``docs/accuracy.md``: how often `linked` was right, and what each public report does to which verdicts.

Pure: from the reports, the runs and the facts of the wheels to Markdown.  Nothing in it depends on the day
or on an index, so a test can tell when the file is stale.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix_file import PYTHONS
from metalmatrix.kernels.kernel_facts import load_kernels
from metalmatrix.published.releases import distribution_of
from metalmatrix.reported.about import frameworks_meant, is_shown, plugins_meant
from metalmatrix.reported.score import counted, has_wheels
from metalmatrix.table.layout import python_span
from metalmatrix.table.markdown import escape, link
from metalmatrix.verdicts.evidence import Evidence
from metalmatrix.verdicts.observe import from_linked, from_reports
from metalmatrix.verdicts.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from metalmatrix.reported.reports import Report
    from metalmatrix.reported.score import Comparison, Score
    from metalmatrix.verdicts.verdict import Verdict
    from metalmatrix.wheels.wheel_facts import Facts

REGENERATE = "python -m metalmatrix accuracy --write"
HEADER = f"<!-- made by `{REGENERATE}`; do not edit -->"

_INSTALLS = Evidence("resolved", "", "ok", "assumed here", "", "")

_RULES = """\
`linked` says, from the published wheels alone, whether dyld loads a plugin into a TensorFlow. It is right or
wrong where somebody imported the same pair on a Mac: a public report in `metalmatrix/data/reports.jsonl`, or
a run of the checks on Apple silicon in `results/`. Several observations may be of one pair of releases:
pairs are counted too, and one that may be another's is not counted again. The same rules hold for every
observation:

- A report counts when it names a framework and a plugin, and `linked` says the same of all releases and
  Pythons that it may mean. What of it is inferred stands beside it.
- A report of training, of wrong numbers or of slowness is one of an import that went well.
- What tells of a circumstance and not of the pair (Rosetta, another library in the process, a package that
  was not installed) is not compared, whatever `linked` says.
- Where nothing more was seen than that pip installs it, the subtype is `installs-only`: whether it can be
  imported was not tried, so it is no observation of an import, though the outcome is that it works.
- A run counts with its pinned set. Of a plain set, only an import that went well does: one that failed may
  have failed for another package."""


def render(score: Score, reports: Iterable[Report], facts: Facts) -> str:
    """The whole page, in Markdown."""
    parts = [HEADER, "", "# How often `linked` was right", "", f"**{_headline(score)}**", "", _RULES, ""]
    says, why = ("`linked` says", attrgetter("linked")), ("why not", attrgetter("reason"))
    parts += ["## Disagreements", "", *_table(score.of("disagreement"), *says), ""]
    parts += ["## Agreements", "", *_table(score.of("agreement"), *says), ""]
    parts += ["## Not comparable", "", *_table(score.of("not comparable"), *why), ""]
    parts += ["## What each report does to the verdicts", "", *_effects(reports, facts)]
    return "\n".join(parts) + "\n"


def _headline(score: Score) -> str:
    if not score.compared:
        return "No observation of an import can be compared yet."
    others = counted(len(score.of("not comparable")), "observation")
    return f"`linked` {score.agreed}. {others} cannot be compared."


def _table(found: tuple[Comparison, ...], title: str, last: Callable[[Comparison], str]) -> Iterator[str]:
    """Observations as a table, whose last column is *last* of each, under *title*."""
    if not found:
        yield "None."
        return
    yield f"| observation | date | about | seen | {title} |"
    yield "| --- | --- | --- | --- | --- |"
    for item in found:
        yield _row(_observation(item), *map(escape, (item.date, item.about, item.seen, last(item))))


def _observation(item: Comparison) -> str:
    return link(item.source, item.observation) if item.source else escape(item.observation)


def _effects(reports: Iterable[Report], facts: Facts) -> Iterator[str]:
    """Every report: for which cells it is evidence, what becomes of their verdict, where else it is shown."""
    yield "As far as the cells install, and with nothing else known than what `linked` says. Beside a cell"
    yield "without a plugin stands only what names none, and of what failed after the import only what says"
    yield "that there was none."
    yield ""
    yield "| report | says | evidence for | verdict | shown beside other cells with |"
    yield "| --- | --- | --- | --- | --- |"
    for report in reports:
        changes = list(_changes(report, facts)) or [("no cell", "no change")]
        cells = "; ".join(dict.fromkeys(cells for cells, _ in changes))
        verdicts = "; ".join(dict.fromkeys(change for _, change in changes))
        says = f"{report.effect.words}, confidence {report.confidence}"
        name = link(report.source_url, report.id)
        yield _row(name, *map(escape, (says, cells, verdicts, _beside(report))))


def _changes(report: Report, facts: Facts) -> Iterator[tuple[str, str]]:
    """The cells that a report is evidence for, in words, and how it changes what their verdict would be."""
    found: dict[str, list[Cell]] = {}
    # Its Keras is told as a condition: which one a set has depends on the day.
    always = replace(report, keras="")
    for cell in _cells(report, facts):
        linked = from_linked(cell, facts, load_kernels())
        known = [_INSTALLS, *([linked] if linked else [])]
        told = list(from_reports(cell, [always], facts, lambda _: None))
        if told:
            before, after = _told(verdict(cell, known)), _told(verdict(cell, [*known, *told]))
            change = f"{before}, becomes {after}" if before != after else f"stays {before}"
            found.setdefault(change, []).append(cell)
    for change, cells in found.items():
        where = (
            f"{cells[0].framework}, {cells[0].plugin_name}, Python {python_span([c.python for c in cells])}"
        )
        yield where, f"{change}, where its Keras is {report.keras}" if report.keras else change


def _cells(report: Report, facts: Facts) -> Iterator[Cell]:
    """The cells with wheels of the releases that a report names."""
    for framework in frameworks_meant(report):
        for plugin in plugins_meant(report):
            for python in PYTHONS:
                cell = Cell(python, framework, plugin, distribution_of(framework), report.plugin)
                if has_wheels(cell, facts):
                    yield cell


def _told(verdict: Verdict) -> str:
    return f"broken at {verdict.stage}" if verdict.word == "broken" else verdict.word


def _beside(report: Report) -> str:
    """What a cell must have for the report to be shown as its neighbour."""
    frameworks, plugins = frameworks_meant(report), plugins_meant(report)
    near = [f"TensorFlow {', '.join(frameworks)}"] if frameworks else []
    near += [f"metal {', '.join(plugins)}"] if plugins else []
    return " or ".join(near) if near and is_shown(report) else "none"


def _row(*fields: str) -> str:
    return f"| {' | '.join(fields)} |"
