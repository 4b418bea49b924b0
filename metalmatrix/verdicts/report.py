"""The report: every cell with its evidence and its verdicts, from what is stored; pure.

The terminal's table, the Markdown, the JSON feed and an explanation are renderings of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metalmatrix.reported.neighbours import Neighbour, Reported, rank
from metalmatrix.searching.breaks import dated, held_back, upload_days
from metalmatrix.verdicts.observe import from_results, with_repairs
from metalmatrix.verdicts.verdict import SIGNS, Verdict, surprise, verdict

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from metalmatrix.cells.cell import Cell
    from metalmatrix.cells.matrix import Expect, Matrix
    from metalmatrix.reported.about import KerasOf
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.repairs import Repair
    from metalmatrix.running.record import Record
    from metalmatrix.running.results import Results
    from metalmatrix.running.supervise import CheckInfo
    from metalmatrix.searching.breaks import Past
    from metalmatrix.verdicts.evidence import Evidence, Which

_FAILURES = ("degraded", "broken", "not-installable")
"""Verdicts that tell of a failure, the mildest first."""


@dataclass(frozen=True)
class CellReport:
    """One cell and what is known of it.

    Attributes:
        verdict: What the evidence about the pinned set adds up to.
        plain: The same about the plain set.
        macos: The lowest macOS that the pinned set needs; None where that is unknown.
        macos_by: The wheels that ask for it, and how: by tag, or by what they were built for.
        evidence: All of it, in the order of kinds.
        untested: Why no checks ran for the pinned set on any host; empty where they did.
        expect: What ``matrix.toml`` expects, if anything.
        neighbours: Public reports near the cell, which change no verdict.
        holds: What each bound of the pinned set holds back, in a sentence each.
        pinned_lock: The pinned set itself; None where there is none, or it cannot be read.
        plain_lock: The plain set, the same way.
    """

    cell: Cell
    verdict: Verdict
    plain: Verdict
    macos: str | None
    macos_by: str
    evidence: tuple[Evidence, ...]
    untested: str = ""
    expect: Expect | None = None
    neighbours: tuple[Neighbour, ...] = ()
    holds: tuple[str, ...] = ()
    pinned_lock: Lock | None = None
    plain_lock: Lock | None = None

    @property
    def rank(self) -> int:
        """How many neighbours count against it: of cells that are as good else, the lowest comes first."""
        return rank(self.neighbours)

    @property
    def headline(self) -> str:
        """The cell in a line: ``py3.12-tf2.20.0-nometal: + likely (a plain install: ! degraded)``."""
        plain = (
            f" (a plain install: {SIGNS[self.plain.word]} {self.plain.word})" if self.plain_is_worse else ""
        )
        return f"{self.cell.id}: {SIGNS[self.verdict.word]} {self.verdict.word}{plain}"

    @property
    def surprise(self) -> bool:
        """Whether the verdict contradicts what is expected."""
        return self.expect is not None and surprise(self.expect.verdict, self.verdict.word)

    @property
    def plain_is_worse(self) -> bool:
        """Whether a plain install is known to fare worse than the pinned one."""
        mildest = _FAILURES.index(self.verdict.word) + 1 if self.verdict.word in _FAILURES else 0
        return self.plain.word in _FAILURES[mildest:]

    def to_json(self) -> dict[str, Any]:
        """The report of this cell as the machine interface tells it."""
        return {
            "cell": self.cell.id,
            "target": self.cell.target,
            "route": self.cell.route,
            "verdict": self.verdict.word,
            "stage": self.verdict.stage,
            "message": self.verdict.message,
            "macos": self.macos,
            "plain": self.plain.word,
            "evidence": [item.to_json() for item in self.evidence],
            "neighbours": [item.to_json() for item in self.neighbours],
            "holds_back": list(self.holds),
        }


@dataclass(frozen=True)
class Report:
    """The whole table.

    Attributes:
        as_of: The day as of which everything is resolved.
        cells: Every cell of the matrix, in its order.
        excluded: Cells that a rule takes out, with its reason.
        hosts: The hosts whose results are in it.
        missing: Cells that a run set out to do, and whose result is missing: it was cut off.
        problems: Result files that were set aside, with the reason.
        score: How often what was foreseen was right, in a line.
    """

    as_of: dt.date
    cells: tuple[CellReport, ...]
    excluded: tuple[tuple[Cell, str], ...] = ()
    hosts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    score: str = ""


def cell_report(  # noqa: PLR0913 - as for `build`
    cell: Cell,
    evidence: Iterable[Evidence],
    *,
    floor: tuple[str, str] | None,
    untested: str = "",
    expect: Expect | None = None,
    neighbours: tuple[Neighbour, ...] = (),
    holds: tuple[str, ...] = (),
    locks: Mapping[Which, Lock | None] = MappingProxyType({}),
) -> CellReport:
    """The report of one cell, its verdicts worked out from the evidence."""
    order = ("resolved", "linked", "reported", "rehearsed", "ran")
    found = tuple(sorted(evidence, key=lambda item: (order.index(item.kind), item.set)))
    macos, by = floor or (None, "")
    pinned, plain = verdict(cell, found), verdict(cell, found, "plain")
    return CellReport(
        cell,
        pinned,
        plain,
        macos,
        by,
        found,
        untested,
        expect,
        neighbours,
        holds,
        pinned_lock=locks.get("pinned"),
        plain_lock=locks.get("plain"),
    )


def _no_reports(cell: Cell, keras: KerasOf) -> Reported:  # noqa: ARG001
    return Reported()


def build(  # noqa: PLR0913 - what is known of a cell comes from as many places
    matrix: Matrix,
    hosts: Iterable[Results],
    repairs: Iterable[Repair],
    catalog: Iterable[CheckInfo],
    lock: Callable[[str, str], Lock | None],
    linked: Callable[[Cell], Evidence | None],
    *,
    reported: Callable[[Cell, KerasOf], Reported] = _no_reports,
    pasts: Iterable[Past] = (),
) -> Report:
    """The report of the matrix from the stored results.

    Args:
        matrix: What is declared.
        hosts: What each host knows.
        repairs: The bounds that are known to be needed.
        catalog: The checks there are.
        lock: Gives a host's lock by its digest; asked for once or more.
        linked: Gives what the loader makes of a cell's plugin.
        reported: Gives what the public reports say of a cell with these Keras in its sets.
        pasts: What became of plain installs: since when they are broken, and by what.
    """
    hosts, repairs, catalog, pasts = tuple(hosts), tuple(repairs), tuple(catalog), tuple(pasts)
    days = upload_days(pasts)
    problems = [problem for results in hosts for problem in results.problems]
    reports = []
    for cell in matrix.cells:
        evidence = [found] if (found := linked(cell)) else []
        known = _newest(cell, hosts, matrix.as_of.isoformat())
        current = {which: entry.resolved.lock for which, entry in known[1].sets.items()} if known else None
        told = reported(cell, _keras(known, lock))
        evidence += told.evidence
        for results in hosts:
            if (record := results.records.get(cell.id)) and known and current:
                evidence += from_results(record, results, fresh=record is known[1], current=current)
        holds: tuple[str, ...] = ()
        locks: dict[Which, Lock | None] = {}
        floor, untested = None, "it has not been resolved as of this day: run `nox -s matrix`"
        if known:
            host, record = known
            pinned, plain = record.sets["pinned"], record.sets["plain"].resolved.lock
            floor = (pinned.resolved.macos, pinned.resolved.macos_by) if pinned.resolved.macos else None
            ran = any(item.set == "pinned" and item.run for item in evidence)
            untested = "" if ran else pinned.untested
            held = lock(host, plain) if plain else None
            if plain and held is None:
                problems.append(f"{host}/locks/{plain}.json: it is missing or damaged: run `nox -s matrix`")
            evidence = with_repairs(cell, held, dated(repairs, cell, pasts), catalog, evidence)
            under = lock(host, pinned.resolved.lock) if pinned.resolved.lock else None
            holds = held_back(cell, under, held, repairs, days)
            locks = {"pinned": under, "plain": held}
        reports.append(
            cell_report(
                cell,
                evidence,
                floor=floor,
                untested=untested,
                expect=matrix.expectation(cell),
                neighbours=told.neighbours,
                holds=holds,
                locks=locks,
            )
        )
    return Report(
        as_of=matrix.as_of,
        cells=tuple(reports),
        excluded=matrix.excluded,
        hosts=tuple(results.host for results in hosts if results.records),
        missing=tuple(f"{results.host}/{cell}" for results in hosts for cell in results.missing),
        problems=tuple(dict.fromkeys(problems)),
    )


def _keras(known: tuple[str, Record] | None, lock: Callable[[str, str], Lock | None]) -> KerasOf:
    """The Keras in the locks of the newest record, each read when it is asked for."""

    def keras(which: Which) -> str | None:
        digest = known[1].sets[which].resolved.lock if known else None
        held = lock(known[0], digest) if known and digest else None
        return held.versions.get("keras") if held else None

    return keras


def _newest(cell: Cell, hosts: Iterable[Results], as_of: str) -> tuple[str, Record] | None:
    """The newest record whose resolution is of the matrix's day, with its host."""
    found = [
        (r.date, results.host, r)
        for results in hosts
        if (r := results.records.get(cell.id)) and r.as_of == as_of
    ]
    newest = max(found, key=lambda item: item[:2], default=None)
    return newest[1:] if newest else None


def counts(cells: Iterable[CellReport]) -> Mapping[str, int]:
    """How many cells have which verdict."""
    found: dict[str, int] = {}
    for cell in cells:
        found[cell.verdict.word] = found.get(cell.verdict.word, 0) + 1
    return found
