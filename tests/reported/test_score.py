"""Keeping score: the same rules for every observation, whatever comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.reported.reports import CIRCUMSTANCES, OUTCOMES, load_reports
from metalmatrix.reported.score import Comparison, compare_report, compare_runs, score
from metalmatrix.running.record import SetRecord
from metalmatrix.running.results import Results
from metalmatrix.wheels.link import link_release
from metalmatrix.wheels.wheel_facts import Facts
from tests.public import FACTS, SOUND, WORKS, public
from tests.samples import CATALOG, LINUX, MAC, PASSED, check, ok, record, run

if TYPE_CHECKING:
    from metalmatrix.running.host import Host

LOADS, REFUSED = "py3.11-tf2.14.0-metal1.1.0", "py3.11-tf2.18.1-metal1.1.0"
FAILED = check("failed", how="exception", message="Symbol not found", exception="x.NotFoundError")
OTHER_PLAIN = SetRecord(ok(), "b" * 16)


def result(**changes: Any) -> tuple[str, str]:  # noqa: ANN401
    """What comes of the sound report but for these changes, and why."""
    found = compare_report(public(**changes), FACTS)
    return found.result, found.reason


class TestReports:
    def test_the_samples_are_what_they_are_taken_for(self) -> None:
        """`linked` lets one pair load and refuses the other."""
        for name, outcome in ((LOADS, "ok"), (REFUSED, "fails")):
            cell = Cell.parse(name)
            assert link_release(FACTS, cell.python, cell.framework, cell.plugin).outcome == outcome

    @pytest.mark.parametrize("outcome", ["works", "wrong-results", "slow", "fit-fails"])
    def test_what_ran_was_imported(self, outcome: str) -> None:
        """Training, wrong numbers and slowness come after an import that went well."""
        assert result(outcome=outcome) == ("agreement", "")
        assert result(outcome=outcome, tf_dist="tensorflow", tf="2.18.1", date="2025-05") == (
            "disagreement",
            "",
        )

    def test_an_import_that_failed_is_one(self) -> None:
        """It agrees where dyld refuses, and disagrees where it does not."""
        assert result(outcome="import-fails") == ("disagreement", "")
        refused = {"tf_dist": "tensorflow", "tf": "2.18.1", "date": "2025-05"}
        assert result(outcome="import-fails", **refused) == ("agreement", "")

    @pytest.mark.parametrize(
        "outcome", [name for name, effect in OUTCOMES.items() if effect.imported is None]
    )
    def test_what_does_not_tell_of_the_import_is_not_compared(self, outcome: str) -> None:
        """A hang, a GPU that is not found, what cannot be installed."""
        assert result(outcome=outcome) == ("not comparable", "it does not tell of the import")

    @pytest.mark.parametrize("subtype", CIRCUMSTANCES)
    def test_a_circumstance_is_not_compared_whatever_linked_says(self, subtype: str) -> None:
        """The rule does not look at the outcome: neither agreements nor disagreements come of it."""
        for outcome in ("works", "import-fails"):
            assert result(subtype=subtype, outcome=outcome) == ("not comparable", CIRCUMSTANCES[subtype])

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"apple_silicon": False}, "the Mac is no Apple silicon one"),
            ({"metal": ""}, "it names no plugin release"),
            ({"metal": "", "plugin": "other"}, "it is about other"),
            ({"tf": ""}, "it names no release that is known"),
            ({"tf": "<2.15"}, "it names no release that is known"),
            ({"metal": "9.9.9"}, "it names no release that is known"),
            ({"tf": "2.11.0", "tf_dist": "tensorflow"}, "no wheels for Apple silicon have these names"),
            ({"python": (), "tf": "2.21.0", "tf_dist": "tensorflow", "metal": "0.1.0"},
             "no wheels for Apple silicon have these names"),
            ({"python": ("3.12",)}, "linked has no answer: a wheel is missing or not read"),
            ({"metal": "1.1", "tf": "2.18", "tf_dist": "tensorflow", "python": ("3.12",), "date": ""},
             "linked has no answer: a wheel is missing or not read"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_compared_says_why(self, changes: dict[str, Any], reason: str) -> None:
        """Each reason why nothing follows is told."""
        assert result(**changes) == ("not comparable", reason)

    def test_a_series_counts_where_all_it_may_mean_agree(self) -> None:
        """2.14 may be two releases, of which the same is foreseen under every Python."""
        found = compare_report(public(tf="2.14", python=()), FACTS)
        assert (found.linked, found.result) == ("ok", "agreement")

    def test_a_series_over_a_break_is_not_compared(self) -> None:
        """Where one release of a series loads and the other does not, nothing follows."""
        changes = {"metal": "1.0.x", "tf_dist": "tensorflow-macos", "tf": "2.13", "python": (), "date": ""}
        before = compare_report(public(**changes), FACTS)
        frameworks = [
            wheel
            if wheel.version != "2.13.1"
            else replace(wheel, libraries=_without_exports(wheel.libraries))
            for wheel in FACTS.wheels
        ]
        after = compare_report(public(**changes), Facts(FACTS.symbols, tuple(frameworks)))
        assert (before.result, before.linked) == ("agreement", "ok")
        assert (after.result, after.linked) == ("not comparable", "fails or ok")
        assert after.reason == "linked does not say the same of all the cells it may mean"

    def test_what_is_inferred_stands_beside_it(self) -> None:
        """A reader sees that the plugin was not named in so many words."""
        found = compare_report(public(inferred_fields=("metal",)), FACTS)
        assert found.about == "tensorflow-macos 2.14.0 with tensorflow-metal 1.1.0 (inferred: metal)"


def _without_exports(libraries: Any) -> Any:  # noqa: ANN401
    return tuple(replace(library, exports=frozenset()) for library in libraries)


def host(name: str, *entries: SetRecord, machine: Host = MAC) -> Results:
    """A Mac that knows one cell: its pinned set, and its plain one."""
    pinned, plain = (*entries, OTHER_PLAIN)[:2]
    return Results("mac", {name: record(name, pinned, plain)}, machine=machine)


def ran(*checks: Any, **more: Any) -> SetRecord:  # noqa: ANN401
    """A set that ran on a Mac."""
    return SetRecord(ok(), "a" * 16, run=run(*checks, kind="ran", **more))


def compared(results: Results) -> list[tuple[str, str]]:
    """Result and reason of each run."""
    return [(found.result, found.reason) for found in compare_runs(results, FACTS)]


class TestRuns:
    def test_a_host_that_may_not_vote_keeps_no_score(self) -> None:
        """Under Rosetta 2 another wheel ran; on a virtual Mac an import that passes tells of the loader."""
        translated = replace(MAC, arch="x86_64", translated=True)
        ((result, reason),) = compared(host(LOADS, ran(*PASSED), machine=translated))
        assert result == "not comparable"
        assert "Rosetta 2" in reason
        virtual = replace(MAC, chip="Apple M1 (Virtual)")
        assert compared(host(LOADS, ran(*PASSED), machine=virtual)) == [("agreement", "")]

    def test_an_import_is_compared_with_what_was_foreseen(self) -> None:
        """Passed and failed, against what loads and what is refused: four cases, none of them special."""
        assert compared(host(LOADS, ran(*PASSED))) == [("agreement", "")]
        assert compared(host(REFUSED, ran(*PASSED))) == [("disagreement", "")]
        assert compared(host(REFUSED, ran(FAILED))) == [("agreement", "")]
        assert compared(host(LOADS, ran(FAILED))) == [("disagreement", "")]

    def test_a_run_with_another_plugin_is_held_against_that_plugins_wheel(self) -> None:
        """Where there is none, a version that the other plugin has as well is no answer."""
        metal, other = (f"py3.9-tf2.8.0-{plugin}0.2.0" for plugin in ("metal", "tensorflow_metal_plugin-"))
        assert compared(host(metal, ran(*PASSED)))[0][0] != "not comparable"
        assert compared(host(other, ran(*PASSED))) == [
            ("not comparable", "linked has no answer: a wheel is missing or not read")
        ]

    def test_a_plain_set_that_fails_may_fail_for_another_reason(self) -> None:
        """An import that passes shows that the plugin loads; one that fails does not show the reverse."""
        why = "the plain set may fail for its other packages"
        bare = SetRecord(ok(), "c" * 16)
        assert compared(host(LOADS, bare, ran(FAILED))) == [("not comparable", why)]
        assert compared(host(REFUSED, bare, ran(*PASSED))) == [("disagreement", "")]

    def test_a_run_of_two_equal_sets_is_one_observation(self) -> None:
        """Where plain is pinned, the run is found by both, and counts once."""
        entry = ran(*PASSED)
        assert len(compared(host(LOADS, entry, entry))) == 1
        assert len(compared(host(LOADS, entry, replace(entry, run=None)))) == 1

    @pytest.mark.parametrize(
        "entry",
        [
            ran(failure="disk full"),
            ran(check("skipped", message="x")),
            ran(check("passed", CATALOG[1])),
        ],
    )
    def test_an_import_that_was_not_tried_is_not_compared(self, entry: SetRecord) -> None:
        """A full disk, a check that was skipped or left out: nothing was seen."""
        assert compared(host(LOADS, entry)) == [("not comparable", "the import was not tried")]

    def test_only_runs_with_a_plugin_on_apple_silicon_count(self) -> None:
        """A rehearsal, a machine that is no Mac, a cell without a plugin: dyld was not asked."""
        assert compared(host(LOADS, SetRecord(ok(), "a" * 16, run=run(*PASSED)))) == []
        assert compared(host(LOADS, ran(*PASSED), machine=LINUX)) == []
        assert compared(host("py3.11-tf2.14.0-nometal", ran(*PASSED))) == []

    def test_a_release_that_is_newer_than_the_data_is_not_compared(self) -> None:
        """A result from a newer clone: there is no prediction, and no error."""
        found = compared(host("py3.11-tf9.9.9-metal9.9.9", ran(*PASSED)))
        assert found == [("not comparable", "linked has no answer: a wheel is missing or not read")]

    def test_it_is_named_by_host_set_and_cell(self) -> None:
        """A reader finds the file in results/."""
        (found,) = compare_runs(host(REFUSED, ran(FAILED)), FACTS)
        assert found == Comparison(
            "mac, pinned", REFUSED, "import failed: Symbol not found", "fails", "agreement", "", "2026-11-20",
            pairs=("tf2.18.1-metal1.1.0",),
        )  # fmt: skip


class TestScore:
    def test_the_line_counts_what_can_be_compared(self) -> None:
        """Agreements of all observations that can be compared; a disagreement is in the number."""
        found = score([WORKS, public(outcome="import-fails"), public(metal="")], [], FACTS)
        line = (
            "linked agreed with 1 of 2 observations of imports (0 failed, 1 went well; {}): docs/accuracy.md"
        )
        assert found.line == line.format("1 pair")
        found = score([WORKS], [host(REFUSED, ran(*PASSED))], FACTS)
        assert found.line == line.format("2 pairs")

    def test_the_line_tells_failures_foreseen_and_inferred_plugins(self) -> None:
        """Of what agreed, what failed and what went well; of what is compared, whose plugin is a guess."""
        refused = public(
            tf_dist="tensorflow",
            tf="2.18.1",
            date="2025-05",
            outcome="import-fails",
            inferred_fields=("metal",),
        )
        assert score([refused], [], FACTS).line == (
            "linked agreed with 1 of 1 observation of imports "
            "(1 failed, 0 went well; 1 pair; the plugin of 1 is inferred): docs/accuracy.md"
        )
        more = [refused, WORKS, public(metal="", inferred_fields=("tf",))]
        assert "2 of 2 observations of imports (1 failed, 1 went well; 2 pairs; the plugin of 1 is" in (
            score(more, [], FACTS).line
        )

    @pytest.mark.parametrize(
        ("frameworks", "pairs"),
        [
            (("2.14.0", "2.14.0"), 1),
            (("2.14.0", "2.14.1"), 2),
            (("2.14.0", "2.14"), 1),  # the series may be the release
            (("2.14", "2.14"), 1),
            (("2.14", "2.13.0"), 2),
            (("2.14", "2.14.1", "2.14.0"), 2),
        ],
    )
    def test_a_pair_is_counted_once(self, frameworks: tuple[str, ...], pairs: int) -> None:
        """Several observations of one pair show no more of it; one that may be another's adds none."""
        of = [public(tf=tf, tf_dist="tensorflow", python=(), date="") for tf in frameworks]
        for reports in (of, of[::-1]):
            found = score(reports, [], FACTS)
            assert (len(found.compared), found.pairs) == (len(of), pairs)

    def test_another_plugin_is_another_pair_and_another_python_is_not(self) -> None:
        """A pair is releases of a framework and a plugin."""
        cells = ["py3.11-tf2.14.0-metal1.1.0", "py3.10-tf2.14.0-metal1.1.0", "py3.11-tf2.14.0-metal1.0.1"]
        assert score([], [host(name, ran(*PASSED)) for name in cells], FACTS).pairs == 2

    def test_without_observations_nothing_is_claimed(self) -> None:
        """No observation is no agreement."""
        line = "no observation of an import can be compared with linked yet"
        assert score([], [], FACTS).line == score([public(metal="")], [], FACTS).line == line

    def test_every_observation_is_in_one_list(self) -> None:
        """Nothing is left out, and nothing told twice."""
        found = score(load_reports(), [host(LOADS, ran(*PASSED))], FACTS)
        lists = [found.of(kind) for kind in ("agreement", "disagreement", "not comparable")]
        assert sum(map(len, lists)) == len(found.comparisons) == len(load_reports()) + 1
        assert all(bool(item.reason) == (item.result == "not comparable") for item in found.comparisons)

    def test_it_does_not_know_the_reports_by_name(self) -> None:
        """The same report under another name comes out the same."""
        for report in load_reports():
            one, other = (compare_report(made, FACTS) for made in (report, replace(report, id="x")))
            assert replace(one, observation="x") == other

    def test_it_is_plain_data(self) -> None:
        """The machine interface has every field."""
        assert set(compare_report(SOUND, FACTS).to_json()) == {
            "observation", "about", "seen", "linked", "result", "reason", "date", "source",
            "pairs", "inferred",
        }  # fmt: skip
