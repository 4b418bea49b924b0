"""What reports say of a cell: evidence where they are about it, neighbours where they are near."""

from __future__ import annotations

import io
import json
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.asking.explanation import Explained, lines
from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.published.releases import distribution_of
from metalmatrix.reported import neighbours as near
from metalmatrix.reported.about import frameworks_meant, is_near, is_past_import
from metalmatrix.reported.neighbours import Neighbour, Reported, rank, reported, summary
from metalmatrix.reported.reports import OUTCOMES, load_reports
from metalmatrix.running.record import SetRecord
from metalmatrix.running.results import Results
from metalmatrix.table.terminal import print_lines
from metalmatrix.verdicts.evidence import Evidence
from metalmatrix.verdicts.report import build, cell_report
from metalmatrix.verdicts.verdict import Verdict, verdict
from metalmatrix.wheels.wheel_facts import load_facts
from tests.public import CELL, FACTS, SOUND, no_keras, public
from tests.samples import HOSTILE, evidence, lock, matrix, ok, record

if TYPE_CHECKING:
    from metalmatrix.reported.about import KerasOf
    from metalmatrix.reported.reports import Report
    from metalmatrix.resolving.lock import Lock

KNOWN = (evidence("resolved", "ok", set=""), evidence("linked", "ok", set=""))


def said(*reports: Report) -> Reported:
    """What reports say of the cell."""
    return reported(CELL, reports, FACTS, no_keras)


def word(*reports: Report) -> str:
    """The verdict of a cell that installs and links, with the stage where it is broken."""
    found = verdict(CELL, [*KNOWN, *said(*reports).evidence])
    return f"{found.word} at {found.stage}" if found.word == "broken" else found.word


class TestEvidence:
    def test_it_says_what_was_reported_and_where(self) -> None:
        """The kind, the outcome, the words, the day and the link."""
        assert said(SOUND).evidence == (
            Evidence(
                "reported",
                "",
                "fails",
                SOUND.message,
                "2024-01-04",
                "https://example.com/issues/1",
                "numerics",
                degrades=True,
            ),
        )

    @pytest.mark.parametrize(
        ("outcome", "verdict_of_it"),
        [
            ("wrong-results", "degraded"),
            ("slow", "degraded"),
            ("fit-fails", "broken at fit"),
            ("hangs", "broken at fit"),
            ("no-gpu-detected", "broken at device"),
            ("import-fails", "broken at import"),
            ("works", "likely"),
            ("not-installable", "likely"),
        ],
    )
    def test_each_outcome_has_its_verdict(self, outcome: str, verdict_of_it: str) -> None:
        """What a report makes of a cell that installs and links; nobody's word makes it work."""
        assert word(public(outcome=outcome)) == verdict_of_it

    def test_every_outcome_is_tried(self) -> None:
        """The list above is the closed list."""
        ((mark,),) = [TestEvidence.test_each_outcome_has_its_verdict.pytestmark]  # type: ignore[attr-defined]
        assert {outcome for outcome, _ in mark.args[1]} == set(OUTCOMES)

    def test_the_worst_report_counts(self) -> None:
        """One who says that it works does not outweigh one for whom it fails, in any order."""
        works, wrong, fails = public(outcome="works"), SOUND, public(outcome="fit-fails")
        assert word(works, wrong, fails) == word(fails, wrong, works) == "broken at fit"

    def test_a_keras_condition_holds_for_a_set(self) -> None:
        """Only the set whose Keras is reported is degraded."""
        have = {"pinned": "3.6.0", "plain": "3.12.0"}
        found = reported(CELL, (public(keras=">=3.7"),), FACTS, have.get)
        assert [item.set for item in found.evidence] == ["plain"]
        known = [*KNOWN, *found.evidence]
        assert verdict(CELL, known).word == "likely"
        assert verdict(CELL, known, "plain").word == "degraded"
        assert found.neighbours == ()


class TestVerdict:
    def test_a_report_names_its_source(self) -> None:
        """A verdict that a report makes carries its link; another carries none."""
        found = verdict(CELL, [*KNOWN, *said(SOUND).evidence])
        assert found == Verdict("degraded", "numerics", SOUND.message, SOUND.source_url)
        assert verdict(CELL, [*KNOWN, evidence("linked", "fails", "link")]).source == ""

    def test_the_earlier_stage_counts_among_all_that_is_known(self) -> None:
        """A link that fails comes before a report of training, and a report before a later rehearsal."""
        fails = said(public(outcome="import-fails")).evidence
        assert verdict(CELL, [*KNOWN, evidence("linked", "fails", "link"), *fails]).stage == "link"
        assert verdict(CELL, [*KNOWN, evidence("rehearsed", "fails", "fit"), *fails]).stage == "import"

    def test_a_run_on_a_mac_does_not_take_a_report_back(self) -> None:
        """The checks need not hold what was reported: its link stays, and the cell is degraded."""
        found = verdict(CELL, [*KNOWN, evidence("ran", "ok"), *said(SOUND).evidence])
        assert (found.word, found.source) == ("degraded", SOUND.source_url)

    def test_a_report_never_raises_a_verdict(self) -> None:
        """That it works for somebody says neither that it installs here nor that it loads."""
        works = said(public(outcome="works")).evidence
        assert [item.outcome for item in works] == ["ok"]
        assert verdict(CELL, works).word == "unknown"
        assert verdict(CELL, [KNOWN[0], *works]).word == "unknown"
        assert verdict(CELL, [KNOWN[0], evidence("linked", "fails", "link"), *works]).word == "broken"


class TestNeighbours:
    def test_one_changes_no_verdict_and_is_told(self) -> None:
        """A report of the plugin with another framework stands beside the cell."""
        found = said(public(tf="2.16.2"))
        assert found.evidence == ()
        (neighbour,) = found.neighbours
        assert neighbour.to_json() == {
            "about": "tensorflow-macos 2.16.2 with tensorflow-metal 1.1.0",
            "outcome": "fails",
            "message": SOUND.message,
            "date": "2024-01-04",
            "source": "https://example.com/issues/1",
            "counts": True,
        }

    def test_what_is_evidence_is_no_neighbour(self) -> None:
        """A report stands in one place."""
        found = said(SOUND, public(id="x", tf="2.13.0", metal="0.8.0"))
        assert (len(found.evidence), found.neighbours) == (1, ())

    @pytest.mark.parametrize(
        ("report", "counts"),
        [
            (public(tf="2.16.2"), True),
            (public(metal=""), True),
            (public(tf="2.16.2", outcome="fit-fails"), True),
            (public(tf="2.16.2", outcome="no-gpu-detected"), True),
            (public(tf="2.18.0", outcome="import-fails"), False),  # linked answers for each pair
            (public(tf="2.16.2", outcome="works"), False),
            (public(tf="2.16.2", subtype="cross-library", outcome="hangs"), False),
            (public(subtype="cross-library", outcome="hangs"), False),  # of this very cell
            (public(keras=">=9"), False),  # of this very pair, with a Keras that no set has
        ],
    )
    def test_one_counts_where_the_pair_fails_beyond_the_import(self, report: Report, *, counts: bool) -> None:
        """What ranks a cell lower is what its own evidence cannot tell."""
        (neighbour,) = said(report).neighbours
        assert neighbour.counts == counts
        assert rank(said(report).neighbours) == counts

    def test_none_counts_against_a_cell_without_a_plugin(self) -> None:
        """A cell without a plugin is no pair: what is shown beside it does not rank it."""
        bare = replace(CELL, plugin=NO_PLUGIN)
        seen = public(metal="", without_plugin=True)
        (neighbour,) = reported(bare, (seen, public(metal="")), FACTS, no_keras).neighbours
        assert (neighbour.outcome, neighbour.counts) == ("fails", False)
        assert [found.counts for found in said(public(metal="")).neighbours] == [True]

    def test_the_data_tells_cells_without_a_plugin_nothing_of_a_gpu(self) -> None:
        """Of all that is published, none counts there, and what fails past the import says none was there."""
        frameworks = {framework for report in load_reports() for framework in frameworks_meant(report)}
        shown = []
        for framework in sorted(frameworks):
            bare = Cell("3.11", framework, NO_PLUGIN, distribution_of(framework))
            assert rank(reported(bare, load_reports(), FACTS, no_keras).neighbours) == 0
            shown += [found for found in load_reports() if is_near(found, bare)]
        assert {found.id for found in shown if is_past_import(found)} == {"osl-247-a", "sun-20"}
        slow = "py3.11-tf2.13.0-nometal"
        found = reported(Cell.parse(slow), load_reports(), FACTS, no_keras).neighbours
        assert found
        assert not any("SimpleRNN" in neighbour.message for neighbour in found)

    def test_a_report_of_another_python_is_one(self) -> None:
        """Where the plugin's file differs by Python, the same pair is near, and no evidence."""
        report = public(tf="2.12.0", metal="0.8.0", python=("3.10",))
        other = replace(CELL, python="3.9", framework="2.12.0", plugin="0.8.0")
        found = reported(other, (report,), FACTS, no_keras)
        assert found.evidence == ()
        assert [neighbour.counts for neighbour in found.neighbours] == [True]

    def test_those_that_count_come_first_then_the_newest(self) -> None:
        """A person who reads the first lines reads what matters."""
        found = said(
            public(tf="2.16.2", date="2024-09", outcome="works"),
            public(tf="2.16.2", date=""),
            public(tf="2.16.2", date="2024-08-01"),
            public(tf="2.16.2", date="2025-01-01"),
        ).neighbours
        assert [neighbour.date for neighbour in found] == ["2025-01-01", "2024-08-01", "", "2024-09"]

    def test_a_person_is_shown_a_few(self) -> None:
        """More than five are counted; what is not dated has only its address."""
        many = said(*(public(tf="2.16.2", date="") for _ in range(near.SHOWN + 2))).neighbours
        lines = list(summary(many))
        assert len(lines) == near.SHOWN + 1
        assert lines[0] == (f"{many[0].about}: {SOUND.message}", "https://example.com/issues/1")
        assert lines[-1] == ("and 2 more: --json", "")
        assert list(summary(many[: near.SHOWN])) == lines[:-1]


class TestReport:
    def test_a_cell_tells_its_neighbours_and_its_rank(self) -> None:
        """They are in the machine interface, and are counted where pins are chosen."""
        found = said(public(tf="2.16.2"), public(tf="2.16.2", outcome="works"))
        item = cell_report(CELL, KNOWN, floor=None, neighbours=found.neighbours)
        assert item.rank == 1
        assert [told["outcome"] for told in json.loads(json.dumps(item.to_json()))["neighbours"]] == [
            "fails",
            "ok",
        ]
        assert cell_report(CELL, KNOWN, floor=None).rank == 0

    def test_the_table_asks_for_the_keras_of_each_lock(self) -> None:
        """Each set's Keras is read from the stored lock, and only when it is asked for."""
        locks = {made.digest: made for made in (lock("keras==3.6.0"), lock("keras==3.12.0"), lock("six==1"))}
        pinned, plain, bare = locks
        read: list[str] = []
        asked: list[tuple[str | None, ...]] = []

        def held(_: str, digest: str) -> Lock | None:
            read.append(digest)
            return locks.get(digest)

        def told(_: Cell, keras: KerasOf) -> Reported:
            before = len(read)
            asked.append((keras("pinned"), keras("plain")))
            assert len(read) == before + 2
            return said(SOUND)

        made = record(CELL.id, SetRecord(ok(locks[pinned])), SetRecord(ok(locks[plain])))
        hosts = [Results("linux", {CELL.id: made})]
        found = build(matrix([CELL]), hosts, (), (), held, lambda _: KNOWN[1], reported=told)
        assert asked == [("3.6.0", "3.12.0")]
        assert found.cells[0].verdict.source == SOUND.source_url
        gone = record(CELL.id, SetRecord(ok(locks[bare])), SetRecord(ok(lock("gone==1"))))
        assert locks[bare].versions.get("keras") is None
        asked.clear()
        build(matrix([CELL]), [Results("a", {CELL.id: gone})], (), (), held, lambda _: None, reported=told)
        assert asked == [(None, None)]

    def test_a_cell_that_nobody_resolved_has_no_keras(self) -> None:
        """Without a lock a Keras condition does not hold, and nothing is read."""
        seen: list[str | None] = []

        def told(_: Cell, keras: KerasOf) -> Reported:
            seen.append(keras("pinned"))
            return Reported()

        build(matrix([CELL]), (), (), (), lambda *_: None, lambda _: None, reported=told)
        assert seen == [None]


@pytest.mark.parametrize("message", HOSTILE)
def test_what_others_wrote_is_text(message: str) -> None:
    """A report with escapes, markup or reordering characters prints as text, in every place it has."""
    hostile = public(error=message, chip=message, fix=message, source_url=message)
    found = said(hostile, replace(hostile, tf="2.16.2"))
    item = cell_report(CELL, [*KNOWN, *found.evidence], floor=None, neighbours=found.neighbours)
    stream = io.StringIO()
    print_lines(lines(Explained(item), load_facts()), stream)
    text = stream.getvalue()
    assert "Reported near it" in text
    assert not {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"}} - {"\n"}
    assert max(map(len, text.splitlines())) <= 100


def test_an_explanation_shows_neighbours_with_their_links() -> None:
    """What was said near the cell stands below its evidence, with the day and the address."""
    beside = Neighbour(
        "tensorflow 2.18.0 with tensorflow-metal 1.1.0", "fails", "no", "2024", "https://a/", counts=True
    )
    stream = io.StringIO()
    found = cell_report(CELL, [*KNOWN, *said(SOUND).evidence], floor=None, neighbours=(beside,))
    print_lines(lines(Explained(found), load_facts()), stream)
    told = [line.strip() for line in stream.getvalue().splitlines()]
    at = told.index("tensorflow 2.18.0 with tensorflow-metal 1.1.0: no")
    assert told[at + 1] == "2024, https://a/"
    assert f"reported at {SOUND.source_url}" in told
