"""The report as files: loaded from the results, written under ``site/``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from metalmatrix import accuracy, feed, markdown
from metalmatrix.errors import UsageError
from metalmatrix.files import write_atomic
from metalmatrix.matrix_file import load
from metalmatrix.neighbours import reported
from metalmatrix.observe import from_linked
from metalmatrix.repairs import load_repairs
from metalmatrix.report import build
from metalmatrix.reports import load_reports
from metalmatrix.run import default_results
from metalmatrix.score import PAGE, score
from metalmatrix.supervise import check_catalog
from metalmatrix.wheel_facts import load_facts

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.about import KerasOf
    from metalmatrix.cell import Cell
    from metalmatrix.evidence import Evidence
    from metalmatrix.neighbours import Reported
    from metalmatrix.report import Report
    from metalmatrix.score import Score


def current_report(cell: Cell | None = None) -> Report:
    """The report of what is stored now, of the whole matrix or of one cell."""
    store, matrix = default_results(), load()
    only = None
    if cell is not None:
        # Only cells of the same Python and framework can share an environment, and so a run.
        only = {c.id for c in matrix.cells if (c.python, c.framework) == (cell.python, cell.framework)}
        matrix = replace(matrix, cells=(cell,))
    hosts = [store.load(host, only) for host in store.hosts()]
    return build(matrix, hosts, load_repairs(), check_catalog(), store.lock, _linked, reported=_reported)


def _linked(cell: Cell) -> Evidence | None:
    return from_linked(cell, load_facts())


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


def write_site(report: Report) -> list[Path]:
    """Write ``site/compat.json`` and ``site/compat.md``; the files written."""
    site = default_results().root.parent / "site"
    files = {
        site / "compat.json": json.dumps(feed.render(report), indent=1) + "\n",
        site / "compat.md": markdown.render(report),
    }
    for path, text in files.items():
        write_atomic(path, text)
    return list(files)
