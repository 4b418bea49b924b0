"""What is known of any cells, in the matrix or not: the resolver is asked where nothing is stored.

The same for one cell and for the whole history: what costs is worked out once for each distinct question
to the resolver, pair of wheels and set of versions, and not for each cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.errors import IndexUnreachableError
from metalmatrix.kernels.kernel_facts import load_kernels
from metalmatrix.reported.about import is_near
from metalmatrix.reported.neighbours import reported
from metalmatrix.reported.reports import load_reports
from metalmatrix.resolving.floor import macos_floor
from metalmatrix.resolving.repairs import load_repairs
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.running.supervise import check_catalog
from metalmatrix.searching.breaks import dated, held_back, load_breaks, upload_days
from metalmatrix.verdicts.evidence import SETS
from metalmatrix.verdicts.observe import from_linked, from_resolved, from_results, with_repairs
from metalmatrix.verdicts.report import CellReport, cell_report
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from metalmatrix.cells.cell import Cell
    from metalmatrix.cells.matrix import Expect
    from metalmatrix.reported.reports import Report
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.running.results import Store
    from metalmatrix.verdicts.evidence import Evidence


class Explainer:
    """Gives the report of any cell as of a day, its `as_of`.

    Args:
        as_of: The day as of which everything is resolved.
        store: What runs left behind.
        expectation: What is expected of a cell, if anything is.
        fresh: Ask the resolver again what is known already.
        channels: Whether to ask conda channels.
    """

    def __init__(
        self,
        as_of: dt.date,
        store: Store | None = None,
        expectation: Callable[[Cell], Expect | None] = lambda _: None,
        *,
        fresh: bool = False,
        channels: bool = True,
    ) -> None:
        self.as_of = as_of.isoformat()
        self._resolver = Resolver(as_of, fresh=fresh, channels=channels)
        self._hosts = [store.load(host) for host in store.hosts()] if store else []
        self._expectation = expectation
        self._days = upload_days(load_breaks())
        self._near_pair: dict[tuple[str, ...], tuple[Report, ...]] = {}

    @property
    def unreachable(self) -> str:
        """Why the index could not be asked; empty where it could, or was not needed."""
        return self._resolver.unreachable

    def reached(self) -> None:
        """Nothing, where the index answered or was not needed.

        Raises:
            IndexUnreachableError: It did not: what needed it is *unknown*.
        """
        if self.unreachable:
            hint = "the same command again, once the index can be reached"
            raise IndexUnreachableError(self.unreachable, hint)

    def reports(self, cells: Iterable[Cell], tell: Callable[[str], None] | None = None) -> list[CellReport]:
        """What is known of each cell; *tell* gets the progress."""
        cells = tuple(cells)
        self._resolver.resolve(cells, tell)
        return [self._report(cell) for cell in cells]

    def lock(self, cell: Cell) -> Lock | None:
        """The pinned set of a cell; None where there is none."""
        return self._resolver.answer(cell, "pinned").lock

    def _report(self, cell: Cell) -> CellReport:
        answers = {which: self._resolver.answer(cell, which) for which in SETS}
        evidence: list[Evidence] = [
            from_resolved(answer, which, self.as_of, cell.target, cell.route)
            for which, answer in answers.items()
        ]
        if linked := from_linked(cell, load_facts(), load_kernels()):
            evidence.append(linked)
        keras = {which: answer.lock.versions.get("keras") for which, answer in answers.items() if answer.lock}
        told = reported(cell, self._near(cell), load_facts(), keras.get)
        evidence += told.evidence
        records = [(r, r.records[cell.id]) for r in self._hosts if cell.id in r.records]
        if records:
            current = {which: a.lock.digest if a.lock else None for which, a in answers.items()}
            for results, record in records:
                evidence += from_results(record, results, fresh=False, current=current)
        repairs = dated(load_repairs(), cell, load_breaks())
        evidence = with_repairs(cell, answers["plain"].lock, repairs, check_catalog(), evidence)
        pinned = answers["pinned"]
        floor = None
        if pinned.lock and pinned.outcome == "ok":
            floor = macos_floor(pinned.lock, load_facts(), cell.target)
        expect = self._expectation(cell)
        holds = held_back(cell, pinned.lock, answers["plain"].lock, repairs, self._days)
        return cell_report(
            cell,
            evidence,
            floor=floor,
            expect=expect,
            neighbours=told.neighbours,
            holds=holds,
            locks={which: answer.lock for which, answer in answers.items()},
        )

    def _near(self, cell: Cell) -> tuple[Report, ...]:
        """The reports that may be about a cell, or near it: the same for every Python."""
        pair = (cell.framework, cell.plugin_distribution, cell.plugin, cell.target, cell.route)
        if pair not in self._near_pair:
            self._near_pair[pair] = tuple(report for report in load_reports() if is_near(report, cell))
        return self._near_pair[pair]
