from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.running.conditions import Conditions
from metalmatrix.verdicts.evidence import STAGES
from metalmatrix.verdicts.observe import from_run, with_repairs
from metalmatrix.verdicts.verdict import VERDICTS, Verdict, verdict
from metalmatrix.verdicts.votes import GPU_STAGES, may_not_vote, uncounted, worth_repeating
from tests.running.test_host import RUNNER
from tests.samples import CATALOG, LINUX, MAC, NUMPY, PASSED, QUIET, check, evidence, lock, run

if TYPE_CHECKING:
    from metalmatrix.running.host import Host
    from metalmatrix.running.supervise import CheckResult
    from metalmatrix.verdicts.evidence import Evidence

BARE = Cell.parse("py3.11-tf2.14.0-nometal")
PLUGIN = Cell.parse("py3.11-tf2.15.1-metal1.1.0")
KNOWN = (evidence("resolved", "ok"), evidence("linked", "ok"))
GUEST = replace(QUIET, virtual=True)
SSH = replace(QUIET, session="Background")
FULL = replace(QUIET, memory_pressure="critical")
INTEL = replace(QUIET, interpreter="x86_64")
TRANSLATED = replace(MAC, arch="x86_64", translated=True)
WHY = {
    "interpreter": "an x86_64 Python ran the checks, under Rosetta 2: another wheel than this cell's",
    "rosetta": "Rosetta 2 ran metalmatrix, and what ran the checks is not known",
    "virtual": "a virtual machine, whose GPU is paravirtual",
    "session": "a Background session, without the graphical login",
    "memory": "the memory pressure was at critical before the checks began",
}
PARTIAL = [(GUEST, "virtual"), (SSH, "session"), (FULL, "memory")]


def names(host: Host | None, *checks: CheckResult, **more: Any) -> list[str]:  # noqa: ANN401
    """The names of the reasons against a run on a Mac, whose sentences are the known ones."""
    found = may_not_vote(host, run(*checks, **{"kind": "ran", **more}))
    assert [reason.sentence for reason in found] == [WHY[reason.name] for reason in found]
    return [reason.name for reason in found]


def imported(machine: object) -> CheckResult:
    """An import check that says what its interpreter ran as."""
    return replace(PASSED[0], facts={"machine": machine})


def told(*checks: CheckResult, conditions: Conditions, host: Host | None = MAC) -> Evidence:
    """What a run on a Mac says of the pinned set."""
    made = run(*checks, kind="ran", conditions=conditions)
    return from_run(made, "pinned", "mac", may_not_vote(host, made))


class TestReasons:
    def test_a_mac_at_ease_may_vote(self) -> None:
        """Somebody is logged in, there is memory, and an arm64 Python runs on the machine itself."""
        assert names(MAC, conditions=QUIET) == []

    @pytest.mark.parametrize(("conditions", "name"), [*PARTIAL, (INTEL, "interpreter")])
    def test_each_is_recognised_alone(self, conditions: Conditions, name: str) -> None:
        """One thing out of order is one reason."""
        assert names(MAC, conditions=conditions) == [name]

    def test_they_add_up(self) -> None:
        """All that is wrong is told."""
        worst = Conditions("Background", "critical", virtual=True, interpreter="x86_64")
        assert names(MAC, conditions=worst) == ["interpreter", "virtual", "session", "memory"]

    @pytest.mark.parametrize("session", ["LoginWindow", "StandardIO", "System"])
    def test_every_other_session_is_without_the_login(self, session: str) -> None:
        """Whatever launchd calls it: only Aqua has the screen."""
        (found,) = may_not_vote(MAC, run(kind="ran", conditions=replace(QUIET, session=session)))
        assert found.sentence == f"a {session} session, without the graphical login"

    def test_what_is_not_known_is_no_reason(self) -> None:
        """A fact that could not be had speaks neither for a run nor against it."""
        assert names(MAC, conditions=Conditions()) == names(None, conditions=Conditions()) == []

    @pytest.mark.parametrize("conditions", [None, QUIET, Conditions()])
    @pytest.mark.parametrize("host", [LINUX, MAC, TRANSLATED, None])
    def test_a_rehearsal_has_no_vote_to_lose(self, host: Host | None, conditions: Conditions | None) -> None:
        """What it may claim is a rule of its own."""
        assert names(host, kind="rehearsed", conditions=conditions) == []


class TestOldRecords:
    """Runs of before conditions were recorded: the host's facts and the checks' own are what there is."""

    def test_a_virtual_machine_is_known_by_its_chip_and_its_gpu(self) -> None:
        """A GitHub-hosted runner, from its recorded facts."""
        from metalmatrix.running.host import parse_system_profiler

        assert names(replace(MAC, chip="Apple M1 (Virtual)")) == ["virtual"]
        assert names(replace(MAC, gpu=parse_system_profiler(RUNNER))) == ["virtual"]

    @pytest.mark.parametrize(
        ("machine", "expected"),
        [("x86_64", ["interpreter"]), ("arm64", []), (None, []), ("<b>", []), (["x"], []), ("", [])],
    )
    def test_the_interpreter_is_known_by_the_import_check(self, machine: object, expected: list[str]) -> None:
        """It says what it runs as; what is no architecture says nothing."""
        assert names(MAC, imported(machine)) == expected

    def test_rosetta_counts_where_the_interpreter_is_not_known(self) -> None:
        """What ran the checks decides; that metalmatrix was translated is the next best."""
        assert names(TRANSLATED) == ["rosetta"]
        assert names(TRANSLATED, imported("arm64")) == []
        assert names(TRANSLATED, imported("x86_64")) == ["interpreter"]
        assert names(TRANSLATED, conditions=QUIET) == []

    def test_without_any_facts_it_counts(self) -> None:
        """As it always did."""
        assert names(None) == names(MAC, *PASSED) == []


class TestWhatCounts:
    @pytest.mark.parametrize(("conditions", "name"), [*PARTIAL, (INTEL, "interpreter")])
    def test_a_success_does_not_say_works(self, conditions: Conditions, name: str) -> None:
        """All checks passed, and the cell is as it was without the run; the line says why."""
        seen = told(*PASSED, conditions=conditions)
        assert (seen.outcome, seen.uncounted) == ("ok", WHY[name])
        assert seen.told == f"passed: import, device, fit, save (recorded, not counted: {WHY[name]})"
        assert verdict(PLUGIN, [*KNOWN, seen]) == Verdict(
            "likely",
            "",
            f"installs, nothing is known against it; ran on a Mac, recorded, not counted: {WHY[name]}",
        )

    @pytest.mark.parametrize("stage", GPU_STAGES)
    @pytest.mark.parametrize("weight", ["breaks", "degrades"])
    @pytest.mark.parametrize("how", ["exception", "mismatch", "signal", "hang"])
    @pytest.mark.parametrize("conditions", [GUEST, SSH, FULL, INTEL])
    def test_a_failure_at_a_stage_of_the_gpu_breaks_nothing(
        self,
        stage: str,
        weight: str,
        how: Any,  # noqa: ANN401
        conditions: Conditions,
    ) -> None:
        """It is recorded with its message, and the cell stays what the other evidence says."""
        failed = replace(check("failed", how=how, message="off"), stage=stage, weight=weight)
        seen = told(PASSED[0], failed, conditions=conditions)
        assert (seen.outcome, seen.stage) == ("fails", stage)
        assert seen.told.startswith("import: off (recorded, not counted: ")
        assert verdict(PLUGIN, [*KNOWN, seen]).word == "likely"
        assert verdict(PLUGIN, [*KNOWN, replace(seen, uncounted="")]).word in {"broken", "degraded"}

    def test_the_stages_of_the_gpu_are_the_last_ones(self) -> None:
        """Whatever comes after the import; what comes before is about wheels."""
        assert STAGES[STAGES.index("import") + 1 :] == GPU_STAGES

    @pytest.mark.parametrize("how", ["exception", "mismatch"])
    @pytest.mark.parametrize("conditions", [GUEST, SSH, FULL])
    def test_an_import_that_says_what_failed_counts(self, how: Any, conditions: Conditions) -> None:  # noqa: ANN401
        """A symbol that is not found is not found on every Mac."""
        seen = told(check("failed", how=how, message="Symbol not found"), conditions=conditions)
        assert (seen.uncounted, seen.told) == ("", "import: Symbol not found")
        assert verdict(PLUGIN, [*KNOWN, seen]) == Verdict("broken", "import", "import: Symbol not found")

    @pytest.mark.parametrize("how", ["signal", "hang", "memory", "output", "exit"])
    @pytest.mark.parametrize("conditions", [GUEST, SSH, FULL])
    def test_an_import_that_crashes_does_not(self, how: Any, conditions: Conditions) -> None:  # noqa: ANN401
        """Loading the plugin asks Metal for its devices: the crash may be this GPU's."""
        seen = told(check("failed", how=how, message="SIGSEGV", signal="SIGSEGV"), conditions=conditions)
        assert verdict(PLUGIN, [*KNOWN, seen]).word == "likely"
        assert verdict(PLUGIN, [*KNOWN, told(check("failed", how=how), conditions=QUIET)]).word == "broken"

    @pytest.mark.parametrize("how", ["exception", "mismatch", "signal"])
    def test_nothing_of_another_wheel_counts(self, how: Any) -> None:  # noqa: ANN401
        """Under Rosetta 2 it was the x86-64 wheel that failed, not this cell's."""
        seen = told(check("failed", how=how, message="illegal hardware instruction"), conditions=INTEL)
        assert verdict(PLUGIN, [*KNOWN, seen]).word == "likely"

    def test_what_counts_does_not_hide_behind_what_does_not(self) -> None:
        """A plain failure of the packages is told before a wrong number of a virtual GPU."""
        packages = replace(
            check("failed", how="mismatch", message="mixed"), check="packages", weight="degrades"
        )
        wrong = check("failed", CATALOG[2], how="mismatch", message="wrong")
        seen = told(wrong, packages, conditions=GUEST)
        assert (seen.told, seen.degrades) == ("packages: mixed; failed too: fit", True)
        assert verdict(PLUGIN, [*KNOWN, seen]).word == "degraded"

    def test_a_run_that_votes_is_not_outvoted(self) -> None:
        """One Mac that may vote decides, beside any number that may not."""
        good, bad = told(*PASSED, conditions=QUIET), told(check("failed", CATALOG[2]), conditions=GUEST)
        assert verdict(PLUGIN, [*KNOWN, bad, good]).word == "works"
        good, bad = told(*PASSED, conditions=GUEST), told(check("failed", CATALOG[2]), conditions=QUIET)
        assert verdict(PLUGIN, [*KNOWN, good, bad]).word == "broken"

    def test_a_cell_that_nothing_is_known_of_stays_unknown(self) -> None:
        """A run that does not count is no evidence that it installs, nor that it links."""
        seen = told(*PASSED, conditions=GUEST)
        assert verdict(PLUGIN, [seen]).word == "unknown"
        assert verdict(PLUGIN, [KNOWN[0], seen]) == Verdict(
            "unknown",
            "link",
            "installs; not yet known is whether the plugin loads; "
            f"ran on a Mac, recorded, not counted: {WHY['virtual']}",
        )

    def test_without_a_reason_a_likely_cell_was_not_run(self) -> None:
        """The usual words stay where no run is held back."""
        assert verdict(BARE, KNOWN).message == VERDICTS["likely"]

    def test_it_does_not_answer_for_the_repairs(self) -> None:
        """A plain set that ran where it does not count is still known to break a bound."""
        seen = replace(told(*PASSED, conditions=GUEST), set="plain")
        rotten = lock("numpy==2.3.5", "tensorflow-macos==2.14.0")
        assert len(with_repairs(BARE, rotten, (NUMPY,), CATALOG, [seen])) == 2
        assert with_repairs(BARE, rotten, (NUMPY,), CATALOG, [replace(seen, uncounted="")]) == [
            replace(seen, uncounted="")
        ]

    def test_a_run_that_votes_has_nothing_added(self) -> None:
        """Where there is no reason there is no text."""
        assert uncounted(()) == uncounted((), PASSED[0]) == ""
        assert told(*PASSED, conditions=QUIET).told == "passed: import, device, fit, save"


class TestWorthRepeating:
    @pytest.mark.parametrize("conditions", [SSH, FULL])
    def test_a_reason_of_the_moment_that_is_gone_is_worth_it(self, conditions: Conditions) -> None:
        """Somebody has logged in, the memory is free again."""
        made = run(*PASSED, kind="ran", conditions=conditions)
        assert worth_repeating(made, QUIET)

    @pytest.mark.parametrize("conditions", [SSH, FULL])
    def test_one_that_is_still_there_is_not(self, conditions: Conditions) -> None:
        """The same session would give the same again, every time."""
        assert not worth_repeating(run(*PASSED, kind="ran", conditions=conditions), conditions)

    @pytest.mark.parametrize("conditions", [GUEST, INTEL, QUIET, None])
    def test_a_reason_that_stays_is_not(self, conditions: Conditions | None) -> None:
        """A virtual machine is one tomorrow; a run that counts needs no other."""
        assert not worth_repeating(run(*PASSED, kind="ran", conditions=conditions), QUIET)

    def test_a_rehearsal_or_an_unknown_moment_is_not(self) -> None:
        """Where nothing is known of now, nothing is better now."""
        assert not worth_repeating(run(*PASSED, conditions=SSH), QUIET)
        assert not worth_repeating(run(*PASSED, kind="ran", conditions=SSH), None)
