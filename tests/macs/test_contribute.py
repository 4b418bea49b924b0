"""A contributor's Mac, as far as it can be tried here: the machine is made believe, the rest is real."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix import cli
from metalmatrix.cells import matrix_file
from metalmatrix.cells.cell import Cell
from metalmatrix.errors import IndexUnreachableError, ToolMissingError, UsageError
from metalmatrix.macs import contribute
from metalmatrix.macs.contribute import Wanted, alike, refuse_doubtful, run_within, what_to_attach
from metalmatrix.running import routes
from metalmatrix.running.record import Record, SetRecord
from metalmatrix.running.results import Store
from tests.clone import HERE, MATRIX, SIX, entries
from tests.fake_index import FakeIndex, FakeWheel
from tests.running.test_run import OnAMac
from tests.samples import DIGEST, LINUX, MAC, PASSED, QUIET, RUNNER, ok, record, run
from tests.universe import report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CELLS = [Cell.parse(f"py3.11-tf2.1{number}.1-nometal") for number in (3, 5, 7, 8, 9)]
ITEMS = [Wanted(report(cell), "why") for cell in CELLS]


class FakeRunner:
    """Takes so many seconds for each cell, and cannot run some."""

    def __init__(self, seconds: float, *cannot: Cell) -> None:
        self.now = 1000.0
        self.seconds = seconds
        self.cannot = cannot

    def clock(self) -> float:
        """The time."""
        return self.now

    def cell(self, cell: Cell, _: str) -> Record:
        """Run one."""
        if cell in self.cannot:
            raise ToolMissingError("no uv")
        self.now += self.seconds
        return record(cell.id, SetRecord(ok(), DIGEST, run=run(*PASSED)))

    def within(self, seconds: float) -> tuple[list[Cell], list[str]]:
        """What runs within so many seconds."""
        return run_within(ITEMS, self, seconds, lambda _: None, self.clock)  # type: ignore[arg-type]


class TestTime:
    @pytest.mark.parametrize(("minutes", "count"), [(0.5, 1), (1, 1), (3, 3), (3.9, 3), (4, 4), (60, 5)])
    def test_no_cell_begins_that_would_end_too_late(self, minutes: float, count: int) -> None:
        """By what the others took; one always runs, since a contributor came for that."""
        assert FakeRunner(60.0).within(minutes * 60)[0] == CELLS[:count]

    def test_a_cell_that_cannot_run_does_not_end_it(self) -> None:
        """The others run, and why that one did not is told."""
        ran, failed = FakeRunner(60.0, CELLS[0]).within(3600)
        assert ran == CELLS[1:]
        assert failed == [f"{CELLS[0].id}: no uv"]

    @pytest.mark.parametrize(
        ("made", "why"),
        [(SetRecord(ok(), untested="no conda"), "no conda"), (SetRecord(ok(), DIGEST), contribute.ELSEWHERE)],
    )
    def test_a_cell_of_which_nothing_ran_is_not_told_as_run(self, made: SetRecord, why: str) -> None:
        """What was recorded of it is that no checks ran, with the reason; only the plain set ran."""

        class Untested(FakeRunner):
            def cell(self, cell: Cell, _: str) -> Record:
                if cell == CELLS[1]:
                    return record(cell.id, made, SetRecord(ok(), DIGEST, run=run(*PASSED)))
                return super().cell(cell, _)

        assert Untested(1.0).within(3600) == ([CELLS[0], *CELLS[2:]], [f"{CELLS[1].id}: {why}"])

    def test_an_index_that_goes_away_ends_it(self) -> None:
        """What ran is told, and why the rest did not; nothing is tried a hundred times."""

        class Offline(FakeRunner):
            def cell(self, cell: Cell, _: str) -> Record:
                if cell == CELLS[1]:
                    raise IndexUnreachableError("no route")
                return super().cell(cell, _)

        assert Offline(1.0).within(3600) == (CELLS[:1], [f"{CELLS[1].id}: no route"])

    def test_whoever_stops_it_keeps_what_is_finished(self) -> None:
        """Ctrl-C ends the run, and not the answer of what to attach."""

        class Stopped(FakeRunner):
            def cell(self, cell: Cell, _: str) -> Record:
                if cell == CELLS[2]:
                    raise KeyboardInterrupt
                return super().cell(cell, _)

        assert Stopped(1.0).within(3600) == (CELLS[:2], [])


class TestHost:
    def test_machines_are_alike_by_chip_and_macos(self, tmp_path: Path) -> None:
        """Memory, build and the macOS's second number do not make it another question."""
        others = [
            replace(MAC, memory_gb=96),
            replace(MAC, os_version="15.6", os_build="24G84"),
            replace(MAC, chip="Apple M2 Max"),
            replace(MAC, os_version="14.7"),
            LINUX,
        ]
        store = Store(tmp_path)
        for host in others:
            store.write(host, record("py3.11-tf2.15.1-nometal", SetRecord(ok())))
        assert alike(store, MAC) == {others[0].slug, others[1].slug}

    def test_a_run_that_would_not_count_is_not_begun(self) -> None:
        """An hour of somebody's time is not spent on what is set aside; the reason and the page are told."""
        refuse_doubtful(MAC, QUIET)
        for host, moment, why in (
            (RUNNER, QUIET, "virtual machine"),
            (MAC, replace(QUIET, session="Background"), "graphical login"),
            (MAC, replace(QUIET, memory_pressure="critical"), "memory pressure"),
        ):
            with pytest.raises(UsageError, match=why) as refused:
                refuse_doubtful(host, moment)
            assert "docs/hosts.md" in refused.value.hint


@pytest.fixture
def on_a_mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Store]:
    """A clone's results on a machine that takes itself for a Mac, with an index of its own."""
    axes = {
        "pythons": entries([HERE]),
        "frameworks": entries(["2.15.0"]),
        "plugins": entries(["none", "1.1.0"]),
    }
    matrix = matrix_file.parse(MATRIX.format(**axes, seconds=30, rest=""))
    store = Store(tmp_path / "results")
    for name in ("macs.commands", "table.show"):
        monkeypatch.setattr(f"metalmatrix.{name}.load", lambda: matrix)
        monkeypatch.setattr(f"metalmatrix.{name}.default_results", lambda: store)
    monkeypatch.setattr("metalmatrix.macs.commands.Runner", OnAMac)
    monkeypatch.setenv("METALMATRIX_RUN", tmp_path.name)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda: store


RAISES = {"tensorflow/__init__.py": "raise ImportError('Symbol not found: _TF_X')\n"}
WHEELS = (
    SIX,
    FakeWheel("tensorflow-macos", "2.15.0", requires=("six",), files=RAISES),
    FakeWheel("tensorflow-metal", "1.1.0", requires=("six",)),
    FakeWheel("setuptools", "81.0.0"),
)


class TestCommand:
    def test_a_mac_runs_what_is_missing_and_is_told_what_to_attach(
        self,
        on_a_mac: Callable[[], Store],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Real environments, one after the other, the plugin's first; then the folder and the commands."""
        with FakeIndex(WHEELS) as index:
            monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
            assert cli.main(["contribute", "--minutes", "10"]) == 0
            out, err = capsys.readouterr()
            store = on_a_mac()
            assert store.hosts() == [MAC.slug]
            runs = [entry.sets["pinned"].run for entry in store.load(MAC.slug).records.values()]
            assert [made.kind for made in runs if made] == ["ran", "ran"]
            assert store.load(MAC.slug).missing == ()
            assert err.index("-metal1.1.0: handed out on a prediction") < err.index("-nometal: handed out")
            assert f"git add results/{MAC.slug}" in out
            assert "git commit -m 'Results of a Mac: Apple M2, macOS 15.2'" in out
            assert "more cells" not in out
            assert cli.main(["contribute"]) == 0
            assert "nothing is missing" in capsys.readouterr().err

    def test_what_there_was_no_time_for_is_not_called_missing(
        self,
        on_a_mac: Callable[[], Store],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The table is not partial: the cell was not set out for. The same command goes on."""
        with FakeIndex(WHEELS) as index:
            monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
            assert cli.main(["contribute", "--minutes", "0.001", "--json"]) == 0
            out, err = capsys.readouterr()
        told = json.loads(out)
        assert [item["cell"] for item in told["ran"]] == [f"py{HERE}-tf2.15.0-metal1.1.0"]
        assert told["attach"] == f"results/{MAC.slug}"
        assert "1 more cells are worth a run" in err
        assert on_a_mac().load(MAC.slug).missing == ()

    def test_a_machine_that_is_no_mac_runs_nothing_and_says_what_one_would(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """No environment, no file and no claim: the list, and what can be tried here instead."""
        store = Store(tmp_path / "results")
        monkeypatch.setattr("metalmatrix.macs.commands.default_results", lambda: store)
        monkeypatch.setattr("metalmatrix.running.run.this_host", lambda: LINUX)
        assert cli.main(["contribute"]) == 0
        out, err = capsys.readouterr()
        assert "no Apple-silicon Mac" in err
        assert "nox -s matrix" in err
        assert out.startswith("py3.")
        assert "✓" not in out
        assert store.hosts() == []
        assert cli.main(["contribute", "--list", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert len(found) > 50
        assert set(found[0]) == {"cell", "verdict", "why"}

    @pytest.mark.parametrize("minutes", ["0", "-1", "nan", "x", "1e9"])
    def test_minutes_are_minutes(self, minutes: str) -> None:
        """A time that is none is a wrong command line."""
        with pytest.raises(SystemExit, match="2"):
            cli.main(["contribute", "--minutes", minutes])


def test_what_this_machine_cannot_run_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells wait, once for all of them; conda's go by conda, whatever Python is here."""
    names = ["py3.9-tf2.15.1-nometal", "py3.10-tf2.15.1-nometal", "py3.9-tf2.16.1-nometal"]
    items = [Wanted(report(Cell.parse(name)), "") for name in (*names, *(f"{one}-conda" for one in names))]
    monkeypatch.setattr(routes, "find_python", lambda python: None if python == "3.9" else python)
    monkeypatch.setattr(routes, "conda_backend", lambda: "micromamba")
    there, missing = contribute.runnable(items)
    assert there == [items[1], *items[3:]]
    assert missing == ["no Python 3.9 on this machine; to install one: uv python install 3.9"]
    monkeypatch.setattr(routes, "conda_backend", lambda: "")
    there, missing = contribute.runnable(items)
    assert there == [items[1]]
    assert len(missing) == 2
    assert "brew install micromamba" in missing[1]


def test_what_is_left_is_told(tmp_path: Path) -> None:
    """How many more there are; nothing where there are none."""
    store = Store(tmp_path)
    store.write(MAC, record("py3.11-tf2.15.1-nometal", SetRecord(ok(), run=run(*PASSED, kind="ran"))))
    assert "3 more" in what_to_attach(MAC, store.load(MAC.slug), 3)[-1]
    assert "more" not in what_to_attach(MAC, store.load(MAC.slug), 0)[-1]
