from __future__ import annotations

from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.cells.cell import Cell
from metalmatrix.verdicts.evidence import STAGES, Evidence, Kind, Outcome
from metalmatrix.verdicts.verdict import SIGNS, VERDICTS, Verdict, surprise, verdict
from tests.samples import evidence

BARE = Cell.parse("py3.11-tf2.15.1-nometal")
PLUGIN = Cell.parse("py3.11-tf2.15.1-metal1.1.0")
RESOLVED = evidence("resolved", "ok")
LINKED = evidence("linked", "ok")
RAN = evidence("ran", "ok")


def word(cell: Cell, *found: Evidence) -> str:
    """The verdict's word."""
    return verdict(cell, found).word


@st.composite
def observations(draw: st.DrawFn) -> Evidence:
    """Any observation that can be made."""
    outcome = draw(st.sampled_from(get_args(Outcome)))
    more: dict[str, Any] = {
        "set": draw(st.sampled_from(["pinned", "plain", ""])),
        "degrades": draw(st.booleans()),
        "portable": draw(st.booleans()),
    }
    stage = draw(st.sampled_from(STAGES)) if outcome == "fails" else ""
    return evidence(draw(st.sampled_from(get_args(Kind))), outcome, stage, **more)


class TestLadder:
    """From no evidence to a run on a Mac: what each step adds."""

    def test_nothing_known_is_unknown(self) -> None:
        """Without evidence there is no verdict, and the reason says so."""
        assert verdict(BARE, ()) == Verdict("unknown", "resolve", "it has not been resolved")

    def test_an_index_out_of_reach_is_unknown_and_never_broken(self) -> None:
        """What could not be asked is told in its own words."""
        asked = evidence("resolved", "unknown", message="the package index could not be asked")
        assert verdict(BARE, [asked]) == Verdict("unknown", "resolve", "the package index could not be asked")

    def test_what_resolves_without_a_plugin_is_likely(self) -> None:
        """Nothing more than wheels is asked of a cell without a plugin, as long as nobody ran it."""
        assert word(BARE, RESOLVED) == "likely"

    def test_what_resolves_with_a_plugin_is_unknown_until_it_links(self) -> None:
        """Whether the plugin loads is not told by the resolver."""
        assert word(PLUGIN, RESOLVED) == "unknown"
        assert verdict(PLUGIN, [RESOLVED]).stage == "link"
        assert word(PLUGIN, RESOLVED, LINKED) == "likely"

    def test_what_does_not_resolve_is_not_installable(self) -> None:
        """The resolver's sentence is the message."""
        refused = evidence("resolved", "fails", "resolve", message="no wheels for it")
        assert verdict(BARE, [refused]) == Verdict("not-installable", "resolve", "no wheels for it")

    def test_a_run_on_a_mac_works(self) -> None:
        """Only a run on a Mac says works, and it needs nothing else."""
        assert word(PLUGIN, RAN) == "works"
        assert verdict(PLUGIN, [RESOLVED, RAN]).stage == ""

    def test_a_run_on_a_mac_that_fails_is_broken_at_its_stage(self) -> None:
        """What was seen on a Mac outweighs all that was concluded elsewhere."""
        crash = evidence("ran", "fails", "device", message="SIGSEGV")
        assert verdict(PLUGIN, [RESOLVED, LINKED, crash]) == Verdict("broken", "device", "SIGSEGV")

    def test_a_failure_that_leaves_the_rest_usable_is_degraded(self) -> None:
        """It runs, with a note."""
        slow = evidence("ran", "fails", "fit", degrades=True, message="slow")
        assert verdict(PLUGIN, [RESOLVED, slow]) == Verdict("degraded", "fit", "slow")

    def test_one_mac_on_which_it_fails_is_enough(self) -> None:
        """Two Macs that disagree: the one on which it fails counts, whichever comes first."""
        crash = evidence("ran", "fails", "device")
        assert word(PLUGIN, RAN, crash) == word(PLUGIN, crash, RAN) == "broken"


class TestRehearsals:
    def test_a_rehearsal_never_raises_a_verdict(self) -> None:
        """A rehearsal that passes leaves everything as it was."""
        passed = evidence("rehearsed", "ok")
        assert word(BARE, passed) == "unknown"
        assert word(BARE, RESOLVED, passed) == "likely"
        assert word(PLUGIN, RESOLVED, passed) == "unknown"

    def test_a_portable_failure_lowers_it(self) -> None:
        """What Python code does here it does on a Mac."""
        failed = evidence("rehearsed", "fails", "import", message="no numpy")
        assert verdict(PLUGIN, [RESOLVED, LINKED, failed]) == Verdict("broken", "import", "no numpy")

    def test_a_failure_of_compiled_code_does_not(self) -> None:
        """A crash of another platform's build says nothing of a Mac's."""
        crash = evidence("rehearsed", "fails", "import", portable=False)
        assert word(BARE, RESOLVED, crash) == "likely"

    def test_a_run_on_a_mac_outweighs_a_rehearsal(self) -> None:
        """Where a Mac was asked, no rehearsal is."""
        failed = evidence("rehearsed", "fails", "import")
        assert word(BARE, RESOLVED, failed, RAN) == "works"

    @pytest.mark.parametrize("outcome", ["skipped", "unknown"])
    def test_one_that_was_not_made_says_nothing(self, outcome: str) -> None:
        """Skipped and unknown rehearsals change nothing."""
        assert word(BARE, RESOLVED, evidence("rehearsed", outcome)) == "likely"


class TestOrder:
    def test_the_first_stage_that_fails_is_told(self) -> None:
        """Of two failures the earlier stage is told."""
        late, early = (evidence("ran", "fails", stage) for stage in ("fit", "import"))
        assert verdict(BARE, [late, early]).stage == "import"

    def test_what_breaks_is_told_before_what_degrades(self) -> None:
        """A later stage that breaks outweighs an earlier one that only degrades."""
        degrades, breaks = evidence("ran", "fails", "import", degrades=True), evidence("ran", "fails", "fit")
        assert verdict(BARE, [degrades, breaks]) == Verdict("broken", "fit", "ran fails")

    @pytest.mark.parametrize(("one", "other"), list(product(STAGES, repeat=2)))
    def test_every_stage_has_its_place(self, one: str, other: str) -> None:
        """The list of stages is the order, for each pair of them."""
        found = verdict(BARE, [evidence("ran", "fails", one), evidence("ran", "fails", other)])
        assert found.stage == min(one, other, key=STAGES.index)


class TestSets:
    def test_each_set_has_its_own_verdict(self) -> None:
        """A plain set that breaks does not spoil the pinned one, and the other way round."""
        plain = evidence("rehearsed", "fails", "import", set="plain")
        found = [RESOLVED, evidence("resolved", "ok", set="plain"), plain]
        assert verdict(BARE, found, "pinned").word == "likely"
        assert verdict(BARE, found, "plain").word == "broken"

    def test_what_is_about_no_set_is_about_both(self) -> None:
        """The link of the framework with the plugin is the same under both sets."""
        linked = evidence("linked", "fails", "link", set="")
        found = [RESOLVED, evidence("resolved", "ok", set="plain"), linked]
        broken = Verdict("broken", "link", "linked fails")
        assert verdict(PLUGIN, found, "pinned") == verdict(PLUGIN, found, "plain") == broken


class TestClosedList:
    @given(st.lists(observations(), max_size=6))
    def test_a_verdict_is_one_of_the_list(self, found: list[Evidence]) -> None:
        """Whatever the evidence: a word of the list, a stage for a failure, and always a message."""
        told = verdict(PLUGIN, found)
        assert told.word in VERDICTS
        assert told.message
        assert bool(told.stage) == (told.word not in {"works", "likely"})
        assert told.stage in {"", *STAGES}

    @given(st.lists(observations(), max_size=6))
    def test_only_a_run_says_works(self, found: list[Evidence]) -> None:
        """Without a run on a Mac that passed there is no works."""
        if verdict(PLUGIN, found).word == "works":
            assert any(item.kind == "ran" and item.outcome == "ok" for item in found)

    @given(st.lists(observations(), max_size=6))
    def test_what_could_not_be_had_breaks_nothing(self, found: list[Evidence]) -> None:
        """Observations that failed to be made leave the verdict as it is without them."""
        had = [item for item in found if item.outcome in {"ok", "fails"}]
        assert verdict(PLUGIN, found).word == verdict(PLUGIN, had).word

    @given(
        st.permutations(
            [RESOLVED, LINKED, evidence("rehearsed", "fails", "fit"), evidence("linked", "fails", "link")]
        )
    )
    def test_the_order_of_the_evidence_does_not_matter(self, found: list[Evidence]) -> None:
        """A verdict is a function of what is known, and not of when it was learned."""
        assert verdict(PLUGIN, found).stage == "link"

    def test_each_word_has_its_own_sign(self) -> None:
        """No verdict is told by colour alone, and no two look alike."""
        assert set(SIGNS) == set(VERDICTS)
        assert len(set(SIGNS.values())) == len(SIGNS)


class TestSurprise:
    @pytest.mark.parametrize("word", VERDICTS)
    def test_what_is_expected_is_none(self, word: str) -> None:
        """A verdict that is the expected one surprises nobody."""
        assert not surprise(word, word)

    @pytest.mark.parametrize("expected", VERDICTS)
    def test_unknown_contradicts_nothing(self, expected: str) -> None:
        """Without evidence there is nothing to be surprised at."""
        assert not surprise(expected, "unknown")

    def test_without_a_mac_likely_is_as_much_as_works(self) -> None:
        """Likely and works do not contradict each other."""
        assert not surprise("works", "likely")
        assert not surprise("likely", "works")

    @pytest.mark.parametrize(
        ("expected", "actual"),
        [
            ("works", "broken"),
            ("broken", "works"),
            ("broken", "likely"),
            ("likely", "degraded"),
            ("degraded", "broken"),
            ("not-installable", "likely"),
            ("broken", "not-installable"),
        ],
    )
    def test_anything_else_is_one_in_either_direction(self, expected: str, actual: str) -> None:
        """Worse than expected is a surprise, and better is one too."""
        assert surprise(expected, actual)


class TestReportsAndRuns:
    """Neither a report nor a rehearsal says more, or less, than it saw."""

    WRONG = evidence("reported", "fails", "numerics", degrades=True, set="", source="https://example.com/1")

    def test_a_green_run_does_not_take_a_report_back(self) -> None:
        """The checks need not hold what was reported: the cell is degraded, with the report's address."""
        found = verdict(PLUGIN, [RESOLVED, LINKED, RAN, self.WRONG])
        assert (found.word, found.stage, found.source) == ("degraded", "numerics", "https://example.com/1")
        assert found.message.startswith("the checks passed on a Mac; ")
        broken = evidence("reported", "fails", "fit", set="", source="https://example.com/2")
        assert word(PLUGIN, RESOLVED, LINKED, RAN, broken) == "degraded"
        assert word(PLUGIN, RESOLVED, LINKED, RAN, evidence("reported", "ok", set="")) == "works"

    def test_a_failure_on_a_mac_comes_before_a_report(self) -> None:
        """What was seen here is told first."""
        failed = evidence("ran", "fails", "import")
        assert verdict(PLUGIN, [RESOLVED, LINKED, failed, self.WRONG]) == Verdict(
            "broken", "import", failed.message
        )

    def test_a_rehearsal_cannot_say_that_a_plugin_loads(self) -> None:
        """A rehearsed failure that leaves the rest usable tells nothing of a plugin that may not load."""
        tensorboard = evidence("rehearsed", "fails", "fit", degrades=True)
        assert word(PLUGIN, RESOLVED, tensorboard) == "unknown"
        assert verdict(PLUGIN, [RESOLVED, tensorboard]).stage == "link"
        assert word(PLUGIN, RESOLVED, LINKED, tensorboard) == "degraded"
        assert word(BARE, RESOLVED, tensorboard) == "degraded"

    def test_what_breaks_breaks_whether_the_plugin_loads_or_not(self) -> None:
        """A package that cannot be imported keeps TensorFlow from being imported, plugin or none."""
        assert word(PLUGIN, RESOLVED, evidence("rehearsed", "fails", "import")) == "broken"

    def test_somebody_who_ran_it_says_that_it_runs(self) -> None:
        """A report of wrong numbers tells that the plugin was loaded."""
        assert word(PLUGIN, RESOLVED, self.WRONG) == "degraded"
