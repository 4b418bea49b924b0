"""The report of what is stored, and the score; `docs/accuracy.md` is written here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metalmatrix.cells.matrix_file import load
from metalmatrix.errors import UsageError
from metalmatrix.files import write_atomic
from metalmatrix.kernels.kernel_facts import load_kernels
from metalmatrix.reported import accuracy
from metalmatrix.reported.neighbours import reported
from metalmatrix.reported.reports import load_reports
from metalmatrix.reported.score import PAGE, score
from metalmatrix.resolving.answers import answered_as_of
from metalmatrix.resolving.repairs import load_repairs
from metalmatrix.running.plan import NOTHING_TO_INSTALL
from metalmatrix.running.run import default_results
from metalmatrix.running.supervise import check_catalog
from metalmatrix.searching.breaks import load_breaks
from metalmatrix.verdicts.explain import Explainer
from metalmatrix.verdicts.observe import from_linked
from metalmatrix.verdicts.report import build
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.cells.cell import Cell
    from metalmatrix.reported.about import KerasOf
    from metalmatrix.reported.neighbours import Reported
    from metalmatrix.reported.score import Score
    from metalmatrix.running.results import Store
    from metalmatrix.verdicts.evidence import Evidence
    from metalmatrix.verdicts.report import Report


NOT_RUN = "no run has it yet: `nox -s matrix`"


def current_report(cell: Cell | None = None, store: Store | None = None) -> Report:
    """The report of what is stored now, here or in *store*, of the whole matrix or of one cell."""
    store, matrix = store or default_results(), load()
    only = None
    if cell is not None:
        only = {other.id for other in matrix.beside(cell)}
        matrix = replace(matrix, cells=(cell,))
    hosts = [store.load(host, only) for host in store.hosts()]
    pasts = load_breaks()
    made = build(
        matrix, hosts, load_repairs(), check_catalog(), store.lock, _linked, reported=_reported, pasts=pasts
    )
    told = "" if cell else score(load_reports(), hosts, load_facts()).line
    return replace(_with_shipped(made), score=told)


def _with_shipped(report: Report) -> Report:
    """The report; what no run has resolved is told by the answers that ship, if those are of its day."""
    unresolved = [item for item in report.cells if not any(e.kind == "resolved" for e in item.evidence)]
    if not unresolved or report.as_of != answered_as_of():
        return report
    known = Explainer(report.as_of, channels=False).reports(item.cell for item in unresolved)
    told = {
        old.cell.id: replace(
            new,
            untested=NOTHING_TO_INSTALL if new.verdict.word == "not-installable" else NOT_RUN,
            expect=old.expect,
        )
        for old, new in zip(unresolved, known, strict=True)
    }
    return replace(report, cells=tuple(told.get(item.cell.id, item) for item in report.cells))


def _linked(cell: Cell) -> Evidence | None:
    return from_linked(cell, load_facts(), load_kernels())


def _reported(cell: Cell, keras: KerasOf) -> Reported:
    return reported(cell, load_reports(), load_facts(), keras)


def current_score() -> Score:
    """How often `linked` was right, by the public reports and the results that are stored."""
    store = default_results()
    return score(load_reports(), [store.load(host) for host in store.hosts()], load_facts())


def accuracy_page() -> str:
    """What ``docs/accuracy.md`` is to hold."""
    return accuracy.render(current_score(), load_reports(), load_facts())


def write_accuracy() -> Path:
    """Write ``docs/accuracy.md``; the file written.

    Raises:
        UsageError: This is no clone of the repository, and so has no such page.
    """
    path = default_results().root.parent / PAGE
    if not path.is_file():  # the docs/ of another project is not ours to write into
        raise UsageError(f"there is no {PAGE} here", "run it in a clone, or without --write")
    write_atomic(path, accuracy_page())
    return path
