"""The real lab, its effects replaced one by one: what is run, how often, and what of it is believed."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import (
    IndexUnreachableError,
    RehearsalError,
    ResultError,
    ToolMissingError,
    UsageError,
)
from metalmatrix.resolving.question import Answer
from metalmatrix.running.environment import InstallError
from metalmatrix.running.limits import Limits
from metalmatrix.running.record import SIMULATED
from metalmatrix.running.supervise import CheckResult, check_catalog
from metalmatrix.searching import lab, probe
from metalmatrix.searching.lab import Bench, checks_asked, differing, with_versions
from tests.clone import HERE
from tests.samples import LINUX, lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.question import Question

CELL = Cell.parse(f"py{HERE}-tf2.20.0-nometal")
DAY = dt.date(2026, 1, 1)
SET = lock("tensorflow==2.20.0", "numpy==2.3.5")
HERE_SET = lock("tensorflow-cpu==2.20.0", "numpy==2.3.5")


@dataclass
class World:
    """What stands for uv, the environment and the checks.

    Attributes:
        fails: How each check that fails does so.
        asked: The questions to the resolver.
        runs: The checks of each run.
        answers: What the resolver says of macOS, and of here.
        broken: What installing raises.
    """

    fails: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    runs: list[list[str]] = field(default_factory=list)
    answers: tuple[Answer, Answer] = (Answer("ok", SET), Answer("ok", HERE_SET))
    broken: Exception | None = None

    def ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        """The resolver."""
        self.asked += questions
        return [self.answers[question.platform == LINUX.platform_key] for question in questions]

    def sync(self, _: Lock) -> None:
        """The environment."""
        if self.broken:
            raise self.broken

    def run_checks(self, _: Path, __: Limits, only: list[str], *, sealed: bool) -> tuple[CheckResult, ...]:
        """The checks; each failure is used up, the last stays; a failing import skips the others."""
        assert sealed, "what is kept must not depend on the shell"
        self.runs.append(list(only))
        found: list[CheckResult] = []
        for info in check_catalog():
            if info.id in only:
                how = self.fails.get(info.id, [])
                more: dict[str, Any] = how.pop(0) if len(how) > 1 else how[0] if how else {}
                behind = bool(found) and (found[0].check, found[0].outcome) == ("import", "failed")
                outcome: Any = "skipped" if behind else "failed" if more else "passed"
                more = {} if behind else more
                found.append(CheckResult(info.id, info.title, info.stage, info.weight, outcome, **more))
        return tuple(found)

    def bench(self) -> Bench:
        """A lab of this world."""
        resolver: Any = self
        return Bench(CELL, LINUX, "tensorflow-cpu", Limits(), resolver)


RAISED = {"how": "exception", "message": "no", "exception": "TypeError"}
HANG = {"how": "hang", "message": "too long"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which all is well."""
    made = World()

    @contextlib.contextmanager
    def environment(_: str, python: Path) -> Iterator[Any]:
        place: Any = type("Place", (), {"sync": staticmethod(made.sync), "python": python})
        yield place

    monkeypatch.setattr(probe, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(lab, "environment", environment)
    monkeypatch.setattr(lab, "run_checks", made.run_checks)
    monkeypatch.setattr(lab, "find_python", lambda _: Path("python"))
    return made


def test_nothing_is_run_twice(world: World) -> None:
    """Asked again, by this search or by a later one, a set costs nothing; one check of it neither."""
    with world.bench() as first:
        assert first.on(DAY).failures == {}
        assert first.on(DAY, check="fit").failures == {}
    with world.bench() as second:
        assert second.on(DAY).lock == HERE_SET
    assert world.runs == [list(checks_asked())]
    assert (first.made, second.made, second.known) == (1, 0, 1)


def test_a_single_check_is_all_that_is_run_and_the_rest_follows_when_asked(world: World) -> None:
    """Days are bisected by the one check that fails; what was run once is not run again for the others.

    The import is run with it: what keeps TensorFlow from being imported is no failure of the check.
    """
    with world.bench() as bench:
        bench.on(DAY, check="fit")
        bench.on(DAY)
    rest = [check for check in checks_asked() if check not in {"import", "fit"}]
    assert world.runs == [["import", "fit"], rest]


def test_a_check_behind_an_import_that_fails_has_not_failed(world: World) -> None:
    """Of itself nothing is known: a search for it goes around such a day."""
    world.fails |= {"import": [RAISED], "fit": [RAISED]}
    with world.bench() as bench:
        seen = bench.on(DAY, check="fit")
    assert (list(seen.failures), seen.passes("fit")) == (["import"], None)


def test_behind_an_import_that_fails_nothing_is_run(world: World) -> None:
    """The other checks would each say the same."""
    world.fails["import"] = [RAISED]
    with world.bench() as bench:
        assert list(bench.on(DAY, check="import").failures) == ["import"]
        assert list(bench.on(DAY).failures) == ["import"]
        assert bench.on(DAY, check="fit").passes("fit") is None
    assert world.runs == [["import"]]


def test_a_hang_counts_when_it_comes_twice_and_is_never_kept(world: World) -> None:
    """One on a busy machine is looked at again; two are a failure, of this search only."""
    world.fails["fit"] = [HANG, {}]
    with world.bench() as bench:
        assert bench.on(DAY, check="fit").passes("fit") is True
    world.fails["fit"] = [HANG]
    with world.bench() as bench:
        assert bench.on(DAY, check="save").passes("save") is True
        assert bench.under(SET, "fit").passes("fit") is False
    with world.bench() as bench:
        bench.under(SET, "fit")
    assert world.runs[-2:] == [["fit"], ["fit"]]


def test_what_hangs_behind_it_is_run_once_it_imports(world: World) -> None:
    """The next search, on a quiet day, finds nothing skipped that it would take for seen."""
    world.fails["import"] = [HANG]
    with world.bench() as bench:
        assert bench.on(DAY).passes("import") is False
    world.fails = {"fit": [RAISED]}
    with world.bench() as bench:
        assert list(bench.on(DAY).failures) == ["fit"]


def test_a_full_disk_is_no_failure_of_the_set(world: World) -> None:
    """Neither while installing nor in the middle of a check; and nothing of it is kept."""
    world.broken = InstallError("it could not be installed: No space left on device (os error 28)")
    with world.bench() as bench, pytest.raises(RehearsalError, match="No space left") as caught:
        bench.on(DAY)
    assert "goes on where it stopped" in caught.value.hint
    world.broken = ToolMissingError("no environment could be made: No space left on device")
    with world.bench() as bench, pytest.raises(RehearsalError, match="no environment could be made"):
        bench.on(DAY)
    world.broken = None
    world.fails["save"] = [
        {**RAISED, "message": "[Errno 28] No space left on device", "exception": "OSError"}
    ]
    with world.bench() as bench, pytest.raises(RehearsalError, match="save could not be run here"):
        bench.on(DAY)
    world.fails = {}
    with world.bench() as bench:
        assert bench.on(DAY).failures == {}
        assert bench.known == 0


def test_the_simulated_gpu_is_refused(world: World) -> None:
    """However it came in: what was seen with it is evidence of nothing, and is not kept."""
    world.fails["fit"] = [
        {"how": "signal", "signal": "SIGABRT", "tail": f"at {SIMULATED.replace('-', '_')}.c"}
    ]
    with world.bench() as bench, pytest.raises(ResultError, match="simulated GPU"):
        bench.on(DAY)
    world.fails = {}
    with world.bench() as bench:
        assert bench.on(DAY).failures == {}
        assert bench.known == 0


def test_a_failure_under_other_versions_tells_nothing_of_a_mac(world: World) -> None:
    """Where a pin had to move here, the Mac would have another set."""
    world.fails["fit"] = [RAISED]
    with world.bench() as bench:
        assert bench.on(DAY).failures["fit"].portable
    world.answers = (Answer("ok", lock("tensorflow==2.20.0", "numpy==2.3.6")), Answer("ok", HERE_SET))
    with world.bench() as bench:
        assert not bench.on(DAY).failures["fit"].portable


def test_the_stand_in_keeps_the_versions_of_the_mac_and_waits_for_its_own_upload(world: World) -> None:
    """Pins are preferences, bounds are bounds, and what had no wheel at first is taken from its own day."""
    with world.bench() as bench:
        bench.late["numpy"] = dt.date(2026, 2, 1)
        bench.resolved(dt.date(2025, 1, 1), ["six<2", "numpy<3"])
    for_mac, here = world.asked
    assert for_mac.requirements == ("tensorflow==2.20.0",)
    assert for_mac.as_of == dt.date(2025, 1, 1)
    assert here.requirements == ("tensorflow-cpu==2.20.0",)
    assert here.as_of == dt.date(2025, 8, 13)
    assert here.preferred == ("numpy==2.3.5",)
    assert for_mac.bounds == here.bounds == ("numpy<3", "six<2")
    assert for_mac.late == here.late == ("numpy=2026-02-01",)


def test_where_no_set_can_be_had_the_resolver_is_the_check_that_fails(world: World) -> None:
    """With its sentence and the package that it blames; what fails only here is no failure of a Mac's."""
    world.answers = (Answer("fails", None, "h5py has no wheels", "h5py"), world.answers[1])
    with world.bench() as bench:
        failure = bench.on(DAY).failures["resolve"]
    assert (failure.message, failure.blame) == ("h5py has no wheels", "h5py")
    world.answers = (Answer("ok", SET), Answer("fails", None, "not on Linux", "six"))
    with world.bench() as bench:
        seen = bench.on(DAY)
    assert (seen.lock, seen.failures) == (None, {})
    assert seen.untested == "the stand-in cannot be installed here: not on Linux"


def test_a_set_without_tensorflow_is_none(world: World) -> None:
    """It resolves to an empty wheel: that is a failure at resolve."""
    world.answers = (Answer("ok", lock("numpy==2.3.5")), world.answers[1])
    with world.bench() as bench:
        assert "empty wheel" in bench.on(DAY).failures["resolve"].message


def test_an_index_out_of_reach_is_no_answer(world: World) -> None:
    """Neither when asked for versions nor when installing; and no other trouble is taken for it."""
    world.answers = (Answer("unknown", message="down", unreachable=True), world.answers[1])
    with world.bench() as bench, pytest.raises(IndexUnreachableError, match="goes on where it stopped"):
        bench.on(DAY)
    world.answers = (Answer("unknown", message="odd"), world.answers[1])
    with world.bench() as bench, pytest.raises(RehearsalError, match="odd"):
        bench.on(DAY)
    world.answers = (Answer("ok", SET), Answer("ok", HERE_SET))
    world.broken = InstallError("down", unreachable=True)
    with world.bench() as bench, pytest.raises(IndexUnreachableError):
        bench.on(DAY)


def test_what_cannot_be_asked_here_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stand-in for the machine, none of that release, no such Python: each in a sentence."""
    resolver: Any = world
    with pytest.raises(UsageError, match="no stand-in is declared for linux-x86_64"):
        Bench(CELL, LINUX, "", Limits(), resolver)
    with pytest.raises(RehearsalError, match=r"no release 2\.20\.0 of tensorflow-metal is known"):
        Bench(CELL, LINUX, "tensorflow-metal", Limits(), resolver)
    monkeypatch.setattr(lab, "find_python", lambda _: None)
    with pytest.raises(ToolMissingError, match=f"no Python {HERE} on this machine"):
        world.bench()


def test_sets_are_mixed_package_by_package() -> None:
    """A named package is as in the other set: newer, new, or gone."""
    old, new = lock("a==1", "b==1", "c==1"), lock("a==2", "b==1", "d==1")
    assert differing(old, new) == ["a", "c", "d"]
    assert with_versions(old, new, []) == old
    assert with_versions(old, new, ["a", "c", "d"]) == new
    assert with_versions(old, new, ["a"]).versions == {"a": "2", "b": "1", "c": "1"}
    assert with_versions(old, new, ["c", "d"]).versions == {"a": "1", "b": "1", "d": "1"}
