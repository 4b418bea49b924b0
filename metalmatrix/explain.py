"""Explaining cells, in the matrix or not: the resolver is asked where nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.evidence import SETS
from metalmatrix.observe import from_linked, from_resolved, from_results, with_repairs
from metalmatrix.plan import resolved
from metalmatrix.repairs import load_repairs
from metalmatrix.report import CellReport, cell_report
from metalmatrix.resolve import Resolver
from metalmatrix.supervise import check_catalog
from metalmatrix.wheel_facts import load_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metalmatrix.cell import Cell
    from metalmatrix.evidence import Evidence
    from metalmatrix.matrix import Matrix
    from metalmatrix.results import Store


def explain(
    cells: Iterable[Cell], matrix: Matrix, store: Store, tell: Callable[[str], None]
) -> tuple[list[CellReport], str]:
    """What is known of each cell, and why the index could not be asked (empty where it could)."""
    cells = tuple(cells)
    hosts = [store.load(host) for host in store.hosts()]
    resolver = Resolver(matrix.as_of)
    resolver.resolve(cells, tell)
    reports = []
    for cell in cells:
        answers = {which: resolver.answer(cell, which) for which in SETS}
        evidence: list[Evidence] = [
            from_resolved(resolved(answer), which, matrix.as_of.isoformat())
            for which, answer in answers.items()
        ]
        current = {which: answer.lock.digest if answer.lock else None for which, answer in answers.items()}
        if linked := from_linked(cell, load_facts()):
            evidence.append(linked)
        for results in hosts:
            if record := results.records.get(cell.id):
                evidence += from_results(record, results, fresh=False, current=current)
        evidence = with_repairs(cell, answers["plain"].lock, load_repairs(), check_catalog(), evidence)
        pinned = answers["pinned"].lock
        floor = pinned.macos_floor() if pinned and answers["pinned"].outcome == "ok" else None
        reports.append(cell_report(cell, evidence, floor=floor, expect=matrix.expectation(cell)))
    return reports, resolver.unreachable
