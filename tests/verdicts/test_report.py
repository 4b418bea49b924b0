from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix import Expect
from metalmatrix.running.record import Record, Resolved, SetRecord
from metalmatrix.running.results import Results
from metalmatrix.verdicts.report import CellReport, Report, build, cell_report, counts
from metalmatrix.verdicts.verdict import Verdict
from tests.samples import (
    CATALOG,
    DIGEST,
    NUMPY,
    PASSED,
    cell_of,
    evidence,
    lock,
    matrix,
    ok,
    realistic,
    record,
    run,
)

if TYPE_CHECKING:
    from metalmatrix.resolving.lock import Lock

CELL = Cell.parse("py3.11-tf2.14.0-nometal")
ROTTEN = lock("numpy==2.3.5")


def of(*hosts: Results, expect: Expect | None = None, locks: tuple[Lock, ...] = ()) -> CellReport:
    """The report of one cell from what these hosts know."""
    made = matrix([CELL], "framework", *([expect] if expect else []))
    known = {made.digest: made for made in locks}
    (item,) = build(made, hosts, (NUMPY,), CATALOG, lambda _, digest: known.get(digest), lambda _: None).cells
    return item


def host(name: str, made: Record) -> Results:
    """A host that knows one record."""
    return Results(name, {made.cell: made})


class TestBuild:
    def test_a_cell_that_nobody_looked_at_is_there(self) -> None:
        """A table is whole: what is not known is unknown, with the command that changes it."""
        item = of()
        assert (item.verdict.word, item.plain.word, item.evidence) == ("unknown", "unknown", ())
        assert item.untested == "it has not been resolved as of this day: run `nox -s matrix`"
        assert item.macos is None

    def test_a_record_gives_both_verdicts(self) -> None:
        """The pinned set's verdict and the plain set's, and the macOS that the pinned one needs."""
        item = of(
            host("linux", record(CELL.id, SetRecord(ok(), DIGEST, run=run(*PASSED)), SetRecord(ok(ROTTEN)))),
            locks=(ROTTEN,),
        )
        assert (item.verdict.word, item.plain.word) == ("likely", "broken")
        assert (item.macos, item.macos_by) == ("12.0", "tensorflow")
        assert item.untested == ""

    def test_a_plain_set_whose_lock_is_lost_is_not_judged(self) -> None:
        """Without the lock it is not known whether it keeps the bounds."""
        assert of(host("linux", record(CELL.id, SetRecord(ok(ROTTEN))))).plain.word == "likely"

    def test_the_newest_resolution_of_the_day_counts(self) -> None:
        """Two hosts that resolved differently: the later one is believed, whichever comes first."""
        early = host("b", record(CELL.id, SetRecord(Resolved("fails", "no")), date="2026-11-20T01:00:00Z"))
        late = host("a", record(CELL.id, SetRecord(ok()), date="2026-11-20T02:00:00Z"))
        assert of(early, late).verdict.word == of(late, early).verdict.word == "likely"

    def test_a_resolution_of_another_day_does_not(self) -> None:
        """The table is of one day: neither the lock of another day counts, nor what ran under it."""
        old = record(CELL.id, SetRecord(ok(), DIGEST, run=run(*PASSED, kind="ran")), as_of="2026-01-01")
        item = of(host("mac", old))
        assert item.evidence == ()
        assert item.verdict.word == "unknown"

    def test_a_run_of_another_lock_does_not_count(self) -> None:
        """Two hosts resolved the same day to other locks: only what ran under the newest one's counts."""
        ran = SetRecord(replace(ok(), lock="f" * 16), DIGEST, run=run(*PASSED, kind="ran"))
        mac = host("mac", record(CELL.id, ran, date="2026-11-20T01:00:00Z"))
        linux = host("linux", record(CELL.id, SetRecord(ok()), date="2026-11-20T02:00:00Z"))
        assert of(linux, mac).verdict.word == "likely"

    def test_what_ran_on_one_host_is_not_untested_because_of_another(self) -> None:
        """Why it was not run is told where no host ran it."""
        skipped = SetRecord(ok(), untested="no Python 3.11 on this machine")
        linux = host("linux", record(CELL.id, skipped, date="2026-11-20T02:00:00Z"))
        mac = host("mac", record(CELL.id, SetRecord(ok(), DIGEST, run=run(*PASSED, kind="ran"))))
        assert of(linux).untested == "no Python 3.11 on this machine"
        assert of(linux, mac).untested == ""

    def test_a_lock_that_is_gone_is_a_problem(self) -> None:
        """Without the plain lock nothing can be said of the repairs: that is told, and not taken for well."""
        made = host("linux", record(CELL.id, SetRecord(ok())))
        found = build(matrix([CELL]), [made], (NUMPY,), CATALOG, lambda *_: None, lambda _: None)
        assert any("it is missing or damaged" in problem for problem in found.problems)

    def test_what_hosts_could_not_read_or_finish_is_told(self) -> None:
        """Problems and missing cells of every host are in the report, by host."""
        found = build(
            matrix([]),
            [
                Results("a", {}, ("a/x.json: damaged",), ("py3.11-tf2.14.0-nometal",)),
                Results("b", {}, ("b/y",)),
            ],
            (),
            CATALOG,
            lambda *_: None,
            lambda _: None,
        )
        assert found.problems == ("a/x.json: damaged", "b/y")
        assert found.missing == ("a/py3.11-tf2.14.0-nometal",)
        assert found.hosts == ()

    def test_evidence_stands_in_the_order_of_its_kinds(self) -> None:
        """From the weakest claim to the strongest, the pinned set's first."""
        kinds = ("ran", "reported", "resolved", "rehearsed", "linked")
        found = [evidence(kind, "ok", set=which) for kind in kinds for which in ("plain", "pinned")]
        item = cell_report(CELL, found, floor=None)
        assert [e.kind for e in item.evidence[::2]] == ["resolved", "linked", "reported", "rehearsed", "ran"]
        assert [e.set for e in item.evidence[:2]] == ["pinned", "plain"]


class TestPlainIsWorse:
    @pytest.mark.parametrize(
        ("pinned", "plain"),
        [
            ("likely", "broken"),
            ("works", "degraded"),
            ("likely", "not-installable"),
            ("degraded", "broken"),
            ("broken", "not-installable"),
            ("unknown", "broken"),
        ],
    )
    def test_it_is_where_it_is_known_to_be(self, pinned: str, plain: str) -> None:
        """A failure that the pinned set is not known to have."""
        assert self.told(pinned, plain)

    @pytest.mark.parametrize(
        ("pinned", "plain"),
        [
            ("broken", "broken"),
            ("broken", "degraded"),
            ("not-installable", "broken"),
            ("not-installable", "likely"),
            ("works", "likely"),
            ("likely", "unknown"),
            ("works", "unknown"),
            ("broken", "works"),
        ],
    )
    def test_it_is_not_where_it_fares_as_well_or_is_not_known(self, pinned: str, plain: str) -> None:
        """What is as bad, better or unknown is not called worse."""
        assert not self.told(pinned, plain)

    def told(self, pinned: str, plain: str) -> bool:
        """Whether a report of these two verdicts calls the plain set worse."""
        item = CellReport(CELL, Verdict(pinned, "", ""), Verdict(plain, "", ""), None, "", ())
        return item.plain_is_worse

    def test_the_headline_says_so(self) -> None:
        """The line that nox prints for a cell has both verdicts where they differ."""
        item = cell_of(realistic(), "py3.11-tf2.14.0-nometal")
        assert item.headline == "py3.11-tf2.14.0-nometal: + likely (a plain install: ✗ broken)"
        item = cell_of(realistic(), "py3.11-tf2.15.1-metal1.1.0")
        assert item.headline == "py3.11-tf2.15.1-metal1.1.0: ✓ works"


def test_a_surprise_is_what_contradicts_the_expectation() -> None:
    """A cell without an expectation surprises nobody."""
    known = host("linux", record(CELL.id, SetRecord(ok())))
    assert of(known, expect=Expect("*", "broken", "n")).surprise
    assert not of(known, expect=Expect("*", "likely", "n")).surprise
    assert not of(known).surprise


def test_the_machine_interface_has_the_keys_it_promises() -> None:
    """`explain --json`: exactly the promised keys, and those of each observation."""
    told = cell_of(realistic(), "py3.11-tf2.14.0-nometal").to_json()
    promised = {"cell", "target", "route", "verdict", "stage", "message", "macos", "plain", "evidence"}
    assert set(told) == promised | {"neighbours", "holds_back"}
    assert told["plain"] == "broken"
    assert {"kind", "set", "outcome", "message", "date", "source"} == set(told["evidence"][0])
    assert {item["outcome"] for item in told["evidence"]} <= {"ok", "fails", "skipped", "unknown"}


def test_every_cell_is_counted_once() -> None:
    """The numbers of the legend add up to the cells of the table."""
    found: Report = realistic()
    assert counts(found.cells) == {
        "likely": 4, "not-installable": 1, "degraded": 1, "works": 1, "broken": 2, "unknown": 2,
    }  # fmt: skip
    assert sum(counts(replace(found, cells=found.cells[:3]).cells).values()) == 3
