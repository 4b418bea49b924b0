from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix import Rehearse
from metalmatrix.errors import ResultError
from metalmatrix.resolving.question import Answer, Question
from metalmatrix.resolving.standin import Moved
from metalmatrix.running import plan, routes
from metalmatrix.running.limits import Limits
from metalmatrix.running.plan import NOTHING_TO_INSTALL, Options, Planned, Planner, dump_plan, load_planned
from metalmatrix.running.results import Results
from tests.samples import LINUX, MAC, PASSED, QUIET, lock, matrix, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metalmatrix.cells.matrix import Per
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.running.conditions import Conditions
    from metalmatrix.running.host import Host

# In the order of a matrix: frameworks ascending, newest Python first.
IDS = (
    "py3.11-tf2.15.1-nometal",
    "py3.11-tf2.15.1-metal1.1.0",
    "py3.10-tf2.15.1-nometal",
    "py3.12-tf2.17.1-nometal",
    "py3.11-tf2.17.1-nometal",
)
CELLS = tuple(map(Cell.parse, IDS))
BOTH = ("pinned", "plain")


@dataclass
class FakeResolver:
    """Answers from a table; by default every set resolves, and every stand-in to its wanted versions."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    stand_in: Callable[[Question], Answer] | None = None
    asked: list[Question] = field(default_factory=list)

    def resolve(self, cells: Iterable[Cell], _progress: object = None) -> None:
        """Nothing is asked before `answer`."""

    def answer(self, cell: Cell, which: str) -> Answer:
        """The table's answer, or a lock of the framework, of NumPy by the set, and of the plugin."""
        numpy = "numpy==1.26.4" if which == "pinned" else "numpy==2.0.0"
        plugin = [] if cell.plugin == "none" else [f"tensorflow-metal=={cell.plugin}"]
        made = lock(f"tensorflow=={cell.framework}", numpy, *plugin, f"python=={cell.python}")
        return self.answers.get((cell.id, which), Answer("ok", made))

    def ask_all(self, questions: Iterable[Question], _progress: object = None) -> list[Answer]:
        """What would be installed here: the stand-in and all that the question prefers."""
        asked = list(questions)
        self.asked += asked
        return [self.stand_in(q) if self.stand_in else Answer("ok", _lock_of(q)) for q in asked]


def _lock_of(question: Question) -> Lock:
    return lock(*question.requirements, *question.preferred)


@dataclass
class Trial:
    """One planning: what is changed, and what comes of it."""

    resolver: FakeResolver = field(default_factory=FakeResolver)
    per: Per = "framework"
    host: Host = LINUX
    options: Options = field(default_factory=Options)
    results: Results = field(default_factory=lambda: Results("h", {}))
    cells: tuple[Cell, ...] = CELLS
    stand_in: dict[str, str] | None = None
    limits: Limits = field(default_factory=Limits)
    moment: Conditions | None = None
    told: list[str] = field(default_factory=list)

    def planner(self) -> Planner:
        """The planner of this trial."""
        made = replace(matrix(self.cells, self.per), limits=self.limits)
        if self.stand_in is not None:
            made = replace(made, rehearse=Rehearse(self.per, self.stand_in))
        resolver: Any = self.resolver
        return Planner(made, self.host, resolver, self.results, self.options, self.moment)

    def plan(self) -> dict[str, Planned]:
        """The plan by cell id."""
        return self.planner().plan(self.cells, self.told.append)

    def runs(self) -> dict[str, tuple[str, ...]]:
        """Which sets each cell runs, cells without any left out."""
        return {name: planned.run for name, planned in self.plan().items() if planned.run}

    def why_not(self, cell: str, which: str = "pinned") -> str:
        """Why a set is not run."""
        return self.plan()[cell].record.sets[which].untested  # type: ignore[index]


@pytest.fixture(autouse=True)
def pythons(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The Pythons that are on this machine; a test may take some away."""
    found = {"3.9", "3.10", "3.11", "3.12"}
    monkeypatch.setattr(routes, "find_python", lambda version: Path("python") if version in found else None)
    monkeypatch.setattr(routes, "how_to_install", lambda version: f"uv python install {version}")
    return found


class TestPer:
    def test_each_framework_is_rehearsed_once_on_the_newest_python(self) -> None:
        """By default: the first cell of each framework, both sets; the plugin's cell shares its run."""
        trial = Trial()
        assert trial.runs() == {IDS[0]: BOTH, IDS[3]: BOTH}
        assert "each framework is rehearsed on one Python" in trial.why_not(IDS[2])
        assert trial.why_not(IDS[0]) == ""

    def test_the_newest_python_that_resolves_is_taken(self) -> None:
        """Where the newest Python has no wheels the next one is rehearsed."""
        answers = {(IDS[3], which): Answer("fails", message="no wheels") for which in BOTH}
        assert Trial(FakeResolver(answers)).runs() == {IDS[0]: BOTH, IDS[4]: BOTH}

    def test_the_newest_python_that_is_here_is_taken(self, pythons: set[str]) -> None:
        """Where the newest Python is not on this machine the next one is rehearsed."""
        pythons.discard("3.12")
        trial = Trial()
        assert trial.runs() == {IDS[0]: BOTH, IDS[4]: BOTH}
        assert (
            trial.why_not(IDS[3]) == "no Python 3.12 on this machine; to install one: uv python install 3.12"
        )

    def test_every_environment_is_rehearsed_if_that_is_asked(self) -> None:
        """`per = "environment"`: each distinct one, once."""
        assert Trial(per="environment").runs() == {name: BOTH for name in IDS if name != IDS[1]}

    def test_nothing_is_rehearsed_if_that_is_asked(self) -> None:
        """`per = "none"`: nothing is asked of the resolver for this platform, and the reason is told."""
        trial = Trial(per="none")
        assert trial.runs() == {}
        assert trial.resolver.asked == []
        assert trial.why_not(IDS[0]) == 'rehearsals are switched off (per = "none" in matrix.toml)'

    def test_a_platform_without_a_stand_in_says_so(self) -> None:
        """Where nothing can stand in, the reason names the platform and the place to add one."""
        trial = Trial(stand_in={"linux-aarch64": "tensorflow"})
        assert trial.runs() == {}
        assert trial.why_not(IDS[0]) == (
            "no stand-in is declared for linux-x86_64; add one under [rehearse.stand-in] in matrix.toml"
        )


class TestCompiled:
    CELL = Cell.parse("py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1")

    def test_a_mac_does_not_run_a_plugin_that_would_be_compiled(self) -> None:
        """The lock lacks the plugin, so a run of it would be one of the bare framework: none is made."""
        trial = Trial(host=MAC, cells=(self.CELL,), options=Options(fresh=True))
        assert trial.runs() == {}
        assert trial.plan()[self.CELL.id].record.sets["pinned"].environment is None
        assert trial.why_not(self.CELL.id) == (
            "tensorflow-metal-plugin 0.4.1 is an sdist, and nothing is compiled here: install it yourself, "
            "then `python -m metalmatrix check --python PATH` runs the checks"
        )

    def test_elsewhere_its_framework_is_rehearsed(self) -> None:
        """A rehearsal has no plugin anyway, and raises no verdict."""
        assert Trial(cells=(self.CELL,)).runs() == {self.CELL.id: BOTH}

    def test_what_may_be_declared_otherwise_is_nothing_to_install(self) -> None:
        """The resolver was asked, and there is no set: that is told once, as the verdict's message."""
        doubt = Answer("unknown", None, "it may declare otherwise", "tensorflow")
        trial = Trial(FakeResolver({(self.CELL.id, which): doubt for which in BOTH}), cells=(self.CELL,))
        assert trial.why_not(self.CELL.id) == NOTHING_TO_INSTALL

    def test_a_python_that_is_missing_is_told_first(self, pythons: set[str]) -> None:
        """Where there is no interpreter that is what stands in the way."""
        pythons.discard("3.12")
        assert "no Python 3.12" in Trial(host=MAC, cells=(self.CELL,)).why_not(self.CELL.id)


class TestSharing:
    def test_cells_of_one_environment_share_one_run(self) -> None:
        """The plugin has no build for this platform, so its cell would install what the other one does."""
        made = Trial().plan()
        plain, plugin = made[IDS[0]], made[IDS[1]]
        assert plain.record.sets["pinned"].environment == plugin.record.sets["pinned"].environment
        assert plain.record.sets["pinned"].resolved.lock != plugin.record.sets["pinned"].resolved.lock
        assert (plain.run, plugin.run) == (BOTH, ())

    def test_two_sets_that_are_one_environment_run_once(self) -> None:
        """Where the pins change nothing, one run speaks for both sets."""
        same = Answer("ok", lock("tensorflow==2.15.1", "numpy==1.26.4"))
        made = Trial(FakeResolver({(IDS[0], which): same for which in BOTH}), cells=CELLS[:1])
        assert made.runs() == {IDS[0]: ("pinned",)}

    def test_each_question_is_asked_once(self) -> None:
        """The resolver sees the same question for cells that share, which it answers once."""
        trial = Trial()
        trial.plan()
        assert len(set(trial.resolver.asked)) < len(trial.resolver.asked)

    def test_every_lock_is_kept(self) -> None:
        """Whatever a record names by its digest can be looked up."""
        trial = Trial()
        planner = trial.planner()
        made = planner.plan(trial.cells, trial.told.append)
        named = {
            digest
            for planned in made.values()
            for entry in planned.record.sets.values()
            for digest in (entry.resolved.lock, entry.environment)
            if digest
        }
        assert named == set(planner.locks)


class TestAgain:
    def known(self, trial: Trial, which: tuple[str, ...] = BOTH) -> Results:
        """The results of a run that did what the trial plans."""
        records = {}
        for name, planned in trial.plan().items():
            sets = {
                key: replace(entry, run=run(*PASSED, inputs=planned.inputs[key]))
                if key in planned.run and key in which
                else entry
                for key, entry in planned.record.sets.items()
            }
            records[name] = replace(planned.record, sets=sets)
        return Results("h", records)

    def test_what_did_not_change_is_not_run_again(self) -> None:
        """A second run with nothing changed runs nothing, and its records have the same inputs."""
        first = Trial()
        again = Trial(results=self.known(first))
        assert again.runs() == {}
        inputs = [{name: p.record.inputs for name, p in trial.plan().items()} for trial in (first, again)]
        assert inputs[0] == inputs[1]

    def test_a_run_that_was_cut_off_goes_on(self) -> None:
        """Of two sets the one that has its run is not run again."""
        assert Trial(results=self.known(Trial(), ("pinned",))).runs() == {
            IDS[0]: ("plain",),
            IDS[3]: ("plain",),
        }

    def test_fresh_runs_it_again(self) -> None:
        """`--fresh`: as if nothing were known."""
        trial = Trial(results=self.known(Trial()), options=Options(fresh=True))
        assert trial.runs() == Trial().runs()

    @pytest.mark.parametrize("what", ["limits", "host", "checks", "lock"])
    def test_what_a_run_depends_on_makes_it_run_again(
        self, what: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Other limits, another machine, other checks or other versions: it is another run."""
        trial = Trial(results=self.known(Trial()), cells=CELLS[:1])
        assert trial.runs() == {}
        if what == "limits":
            trial.limits = Limits(seconds=1)
        elif what == "host":
            trial.host = replace(LINUX, chip="another")
        elif what == "checks":
            monkeypatch.setattr(plan, "checks_digest", lambda: "other")
        else:
            trial.resolver.stand_in = lambda _: Answer("ok", lock("tensorflow-cpu==2.15.1", "six==1"))
        assert trial.runs()[IDS[0]][0] == "pinned"

    def test_what_only_another_day_resolved_keeps_its_run(self) -> None:
        """A later day with the same versions is a new record about the same run."""
        trial = Trial(results=self.known(Trial()))
        planner = trial.planner()
        planner._matrix = replace(planner._matrix, as_of=planner._matrix.as_of.replace(year=2027))
        made = planner.plan(trial.cells, trial.told.append)
        assert not any(planned.run for planned in made.values())
        assert made[IDS[0]].record.inputs != trial.plan()[IDS[0]].record.inputs


class TestOutcomes:
    def test_what_does_not_resolve_has_nothing_to_install(self) -> None:
        """The resolver's answer is recorded with its sentence and whom it blames; nothing is run."""
        answers = {(IDS[0], which): Answer("fails", message="no wheels", blame="numpy") for which in BOTH}
        made = Trial(FakeResolver(answers)).plan()[IDS[0]]
        assert made.record.sets["pinned"].untested == NOTHING_TO_INSTALL
        told = made.record.sets["pinned"].resolved
        assert (told.outcome, told.message, told.blame, told.lock) == ("fails", "no wheels", "numpy", None)

    def test_an_empty_wheel_is_a_failure_without_a_lock(self) -> None:
        """A set that resolves without a TensorFlow in it is not recorded as one."""
        empty = Answer("fails", lock("tensorflow-macos==2.15.1"), "an empty wheel", "tensorflow-macos")
        made = Trial(FakeResolver({(IDS[0], which): empty for which in BOTH})).plan()[IDS[0]]
        assert made.record.sets["pinned"].resolved.lock is None

    def test_an_index_out_of_reach_is_told_as_such(self) -> None:
        """What could not be asked is not run, for that reason."""
        down = Answer("unknown", message="the package index could not be asked", unreachable=True)
        trial = Trial(FakeResolver({(IDS[0], which): down for which in BOTH}))
        assert trial.why_not(IDS[0]) == "the package index could not be asked"
        assert trial.plan()[IDS[0]].record.sets["pinned"].resolved.outcome == "unknown"

    def test_a_plain_set_that_does_not_resolve_leaves_the_pinned_one(self) -> None:
        """Each set on its own."""
        resolver = FakeResolver({(IDS[0], "plain"): Answer("fails", message="no")})
        assert Trial(resolver, cells=CELLS[:1]).runs() == {IDS[0]: ("pinned",)}

    def test_a_stand_in_that_cannot_be_had_says_why(self) -> None:
        """The resolver's sentence for this platform is the reason."""
        resolver = FakeResolver(stand_in=lambda _: Answer("fails", message="no wheel for linux"))
        trial = Trial(resolver)
        assert trial.runs() == {}
        assert trial.why_not(IDS[0]) == "the stand-in cannot be installed here: no wheel for linux"

    def test_a_pin_that_had_to_move_is_recorded(self) -> None:
        """Wanted and got, for the packages that both have; the framework itself is another one."""

        def moved(_: Question) -> Answer:
            return Answer("ok", lock("tensorflow-cpu==2.15.1", "numpy==1.26.3"))

        made = Trial(FakeResolver(stand_in=moved), cells=CELLS[:1]).plan()[IDS[0]]
        assert made.moved["pinned"] == (Moved("numpy", "1.26.4", "1.26.3"),)

    def test_what_is_asked_for_is_the_stand_in_under_the_macs_versions(self) -> None:
        """The framework in the version of the lock, the repairs of the pinned set, and every shared pin."""
        trial = Trial(cells=CELLS[1:2])
        trial.plan()
        pinned, plain = trial.resolver.asked
        assert pinned.requirements == plain.requirements == ("tensorflow-cpu==2.15.1",)
        assert (pinned.bounds, plain.bounds) == (("setuptools<82",), ())
        assert pinned.preferred == ("numpy==1.26.4", "python==3.11")
        assert (pinned.python, pinned.platform) == ("3.11", "linux-x86_64")

    def test_the_floor_is_that_of_the_macs_wheels(self) -> None:
        """The record names the macOS that the pinned set asks for."""
        made = Answer("ok", lock("tensorflow==2.15.1", tag="cp311-cp311-macosx_12_0_arm64"))
        entry = Trial(FakeResolver({(IDS[0], "pinned"): made})).plan()[IDS[0]].record.sets["pinned"]
        assert (entry.resolved.macos, entry.resolved.macos_by) == (
            "12.0",
            "tensorflow 2.15.1 (tagged 12.0)",
        )


class TestMac:
    def test_every_cell_runs_its_pinned_set(self) -> None:
        """On Apple silicon nothing stands in: each cell's own pinned lock; the plain one only if asked."""
        trial = Trial(host=MAC)
        assert trial.runs() == dict.fromkeys(IDS, ("pinned",))
        assert trial.resolver.asked == []
        assert trial.why_not(IDS[0], "plain") == "the plain set runs with --plain"
        entry = trial.plan()[IDS[1]].record.sets["pinned"]
        assert entry.environment == entry.resolved.lock

    def test_the_plain_set_runs_if_that_is_asked(self) -> None:
        """`--plain`: the other set of each cell, and not the pinned one."""
        trial = Trial(host=MAC, options=Options(plain=True))
        assert trial.runs() == dict.fromkeys(IDS, ("plain",))
        assert trial.why_not(IDS[0]) == "the pinned set runs without --plain"

    def test_a_missing_python_is_untested(self, pythons: set[str]) -> None:
        """A Python that is not on the Mac costs its cells the run, with the command that installs it."""
        pythons.discard("3.12")
        trial = Trial(host=MAC)
        assert IDS[3] not in trial.runs()
        for which in BOTH:
            assert trial.why_not(IDS[3], which) == (
                "no Python 3.12 on this machine; to install one: uv python install 3.12"
            )

    @pytest.mark.parametrize(
        ("then", "moment", "again"),
        [
            (replace(QUIET, session="Background"), QUIET, True),
            (replace(QUIET, session="Background"), replace(QUIET, session="Background"), False),
            (replace(QUIET, memory_pressure="warning"), QUIET, True),
            (replace(QUIET, virtual=True), QUIET, False),
            (QUIET, replace(QUIET, session="Background"), False),
        ],
    )
    def test_a_run_that_could_not_vote_is_made_again_once_it_can(
        self, then: Conditions, moment: Conditions, *, again: bool
    ) -> None:
        """What the moment spoiled is run again in a better one, and never in the same or a worse one."""
        records = {}
        for name, planned in Trial(host=MAC).plan().items():
            made = run(*PASSED, kind="ran", inputs=planned.inputs["pinned"], conditions=then)
            pinned = replace(planned.record.sets["pinned"], run=made)
            records[name] = replace(planned.record, sets={**planned.record.sets, "pinned": pinned})
        trial = Trial(host=MAC, results=Results("mac", records), moment=moment)
        assert trial.runs() == (dict.fromkeys(IDS, ("pinned",)) if again else {})

    def test_the_rule_of_rehearsals_is_none_of_its_business(self) -> None:
        """A Mac runs every cell, however few are rehearsed elsewhere."""
        assert Trial(host=MAC, per="none").runs() == Trial(host=MAC).runs()


class TestText:
    def test_a_plan_survives_its_file(self) -> None:
        """What one process plans is what the others read."""
        made = Trial(
            FakeResolver(stand_in=lambda _: Answer("ok", lock("tensorflow-cpu==2.15.1", "numpy==1")))
        ).plan()
        text = dump_plan(made)
        assert {name: load_planned(text, name) for name in IDS} == made

    def test_a_cell_that_was_not_selected_is_not_in_it(self) -> None:
        """A cell of another selection has no plan."""
        assert load_planned(dump_plan(Trial(cells=CELLS[:1]).plan()), IDS[3]) is None
        assert load_planned(dump_plan({}), IDS[3]) is None

    def test_a_cell_reads_its_own_line_alone(self) -> None:
        """What is planned for the others is not read for it: else a thousand cells would cost a million."""
        made = Trial().plan()
        first, *others = dump_plan(made).splitlines()
        damaged = "\n".join([first, *(line.partition(" ")[0] + " {" for line in others)])
        assert load_planned(damaged, IDS[0]) == made[IDS[0]]
        with pytest.raises(ResultError, match="damaged"):
            load_planned(damaged, IDS[1])

    @pytest.mark.parametrize(
        "text", ["[]", "5", json.dumps({IDS[0]: {}}), f"{IDS[0]}", f"{IDS[0]} {{}}", f"{IDS[0]} []"]
    )
    def test_a_damaged_plan_is_told(self, text: str) -> None:
        """A text that is no plan is refused, with what to do."""
        with pytest.raises(ResultError, match="the plan of this run is damaged"):
            load_planned(text, IDS[0])


def test_planning_tells_what_it_waits_for() -> None:
    """Whoever waits sees how much is asked, and as of which day."""
    trial = Trial()
    trial.plan()
    assert trial.told[0] == "resolving 5 cells for macOS arm64, pinned and plain, as of 2026-11-20"
    assert trial.told[1] == "resolving 4 stand-ins for linux-x86_64"


def test_a_record_that_is_planned_has_no_run_yet() -> None:
    """The record of a plan is what is known without installing anything."""
    made = Trial().plan()[IDS[0]].record
    assert made.cell == IDS[0]
    assert all(entry.run is None for entry in made.sets.values())
