"""Publications for the tests: the whole history, every kind of evidence, hostile words."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from metalmatrix.cells import history
from metalmatrix.cells.cell import SUFFIXES, Cell
from metalmatrix.diff.change import Change
from metalmatrix.reported.neighbours import Neighbour
from metalmatrix.reported.score import Comparison, Score
from metalmatrix.resolving.answers import answered_as_of
from metalmatrix.site import page
from metalmatrix.site.publication import Publication
from metalmatrix.table import show
from metalmatrix.verdicts.explain import Explainer
from metalmatrix.verdicts.report import Report, cell_report
from tests.samples import DAY, evidence, lock, realistic, report_of

if TYPE_CHECKING:
    from metalmatrix.kernels.kernel_facts import Variant
    from metalmatrix.verdicts.report import CellReport

CHANGES = (
    Change(
        "lost", "py3.12-tf2.17.1-metal1.1.0", "likely", "broken", "broken at device: SIGSEGV", "macOS 15.2"
    ),
    Change("gained", "py3.11-tf2.15.1-metal1.1.0", "broken", "works", "ran on a Mac"),
    Change("gone", "py3.9-tf2.12.0-nometal", "likely", "", "installs"),
)
COMPARED = Comparison(
    "somebody-1",
    "tensorflow-macos 2.14.0 with tensorflow-metal 1.1.0",
    "works: GPU listed",
    "ok",
    "agreement",
    "",
    "2024-01-04",
    "https://example.com/issues/1",
    ("tf2.14.0-metal1.1.0",),
)


@cache
def history_reports() -> tuple[CellReport, ...]:
    """What is known of every published combination, from the answers that ship."""
    return tuple(Explainer(answered_as_of()).reports(history.cells()))


@cache
def whole(variants: tuple[Variant, ...] = ()) -> Publication:
    """The publication of a clone in which nothing has run: the whole history, and kernels if given."""
    reports = history_reports()
    inside = {
        item.cell.id: item for item in reports if item.cell.python == "3.11" and item.cell.plugin == "1.1.0"
    }
    table = Report(answered_as_of(), tuple(inside.values()))
    others = tuple(item for item in reports if item.cell.id not in inside)
    return Publication(table, others, answered_as_of().isoformat(), show.current_score(), None, variants)


@cache
def by_routes() -> tuple[CellReport, ...]:
    """A pair by each route, another by pip alone, and the whole of LiteRT, as a clone knows them."""
    pair = Cell.parse("py3.11-tf2.19.1-metal1.2.0")
    by_conda = [replace(pair, route=route) for route in SUFFIXES]
    cells = (pair, *by_conda, Cell.parse("py3.11-tf2.18.1-nometal"), *history.litert())
    return tuple(Explainer(answered_as_of(), channels=False).reports(cells))


def with_routes() -> Publication:
    """The whole history, with what is known of other routes."""
    plain = whole()
    known = {item.cell for item in plain.cells}
    return replace(plain, others=(*plain.others, *(i for i in by_routes() if i.cell not in known)))


@cache
def whole_page() -> str:
    """Its page."""
    return page.render(whole())


def ran(changes: tuple[Change, ...] | None = CHANGES) -> Publication:
    """One in which cells ran on Macs and elsewhere, and something has changed."""
    return Publication(realistic(), (), DAY.isoformat(), Score((COMPARED,)), changes)


def hostile(message: str) -> Publication:
    """One that says *message* wherever a text from elsewhere can stand."""
    report = report_of(message)
    neighbour = Neighbour(message, "fails", message, message, message, counts=True)
    seen = evidence("reported", "fails", "fit", message=message, source=message, date=message, degrades=True)
    (item,) = (i for i in report.cells if i.verdict.word == "likely")
    slow = cell_report(
        item.cell,
        (*item.evidence, seen),
        floor=("12.0", message),
        untested=message,
        neighbours=(neighbour,),
        holds=(message,),
        locks={"pinned": lock("tensorflow==2.18.1")},
    )
    cells = tuple(slow if i is item else i for i in report.cells)
    told: Any = message
    change = Change(told, message, message, message, message, message)
    comparison = Comparison(message, message, message, message, "agreement", message, message, message)
    return Publication(replace(report, cells=cells), (), message, Score((comparison,)), (change,))
