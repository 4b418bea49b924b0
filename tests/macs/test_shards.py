"""Cells split among machines: whole, evenly, the same every time."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix import cli
from metalmatrix.cells import matrix_file
from metalmatrix.cells.cell import Cell
from metalmatrix.errors import UsageError
from metalmatrix.macs.shards import (
    GUESS,
    MAX_SHARDS,
    Runner,
    expected,
    how_many,
    jobs,
    parse_shard,
    split,
)
from metalmatrix.running.record import SetRecord
from metalmatrix.running.results import Results
from tests.samples import LINUX, MAC, PASSED, ok, record, run

MACS = "self-hosted,macOS,ARM64,m2 self-hosted,macOS,ARM64,m4"
CELLS = matrix_file.load().cells
SOME = st.lists(st.sampled_from(CELLS), unique=True, min_size=1, max_size=60)


@st.composite
def timed(draw: st.DrawFn) -> dict[Cell, float]:
    """Some cells, in any order, each with a time."""
    return {cell: draw(st.floats(0, 1000)) for cell in draw(SOME)}


class TestSplit:
    @given(timed(), st.integers(1, 12), st.booleans(), st.sampled_from(["framework", "environment"]))
    def test_each_cell_is_in_one_shard_and_those_that_share_stay_together(
        self,
        seconds: dict[Cell, float],
        of: int,
        mac: bool,  # noqa: FBT001
        per: str,
    ) -> None:
        """Nothing is lost or run twice; what may be one environment is on one machine."""
        shards = split(seconds, of, per, mac=mac)  # type: ignore[arg-type]
        assert len(shards) == of
        assert sorted(cell.id for shard in shards for cell in shard) == sorted(cell.id for cell in seconds)
        where = {cell: number for number, shard in enumerate(shards) for cell in shard}
        for one in seconds:
            for other in seconds:
                alone = one.python == other.python or (not mac and per == "framework")
                if one.framework == other.framework and alone:
                    assert where[one] == where[other]

    @given(timed(), st.integers(1, 12))
    def test_no_machine_has_more_than_the_mean_and_one_group(
        self, seconds: dict[Cell, float], of: int
    ) -> None:
        """The bound of taking the longest first."""
        groups: dict[tuple[str, str], float] = {}
        for cell, taken in seconds.items():
            groups[cell.framework, cell.python] = groups.get((cell.framework, cell.python), 0.0) + taken
        loads = [sum(seconds[cell] for cell in shard) for shard in split(seconds, of, "framework", mac=True)]
        assert max(loads) <= sum(loads) / of + max(groups.values()) + 1e-6

    @given(timed(), st.randoms(use_true_random=False))
    def test_the_order_of_the_list_changes_nothing(self, seconds: dict[Cell, float], random: object) -> None:
        """Every machine of a run works out the same split for itself."""
        shuffled = list(seconds)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        again = split({cell: seconds[cell] for cell in shuffled}, 4, "framework", mac=True)
        first = split(seconds, 4, "framework", mac=True)
        assert [set(shard) for shard in again] == [set(shard) for shard in first]

    def test_cells_keep_their_order(self) -> None:
        """The first cell of a framework that resolves is rehearsed: the newest Python comes first."""
        for shard in split(dict.fromkeys(CELLS, 1.0), 3, "framework", mac=False):
            assert all(CELLS.index(one) < CELLS.index(other) for one, other in pairwise(shard))

    def test_the_matrix_is_split_evenly(self) -> None:
        """227 cells of one time each on four Macs: none has more than its quarter and one group of five."""
        assert {len(shard) for shard in split(dict.fromkeys(CELLS, 1.0), 4, "framework", mac=True)} == {
            56,
            57,
        }


class TestHowMany:
    @given(timed(), st.floats(0.1, 100))
    def test_it_is_the_fewest_that_are_done_in_time(self, seconds: dict[Cell, float], minutes: float) -> None:
        """With one fewer, a machine would take longer; where none is enough, it is the most there may be."""

        def longest(of: int) -> float:
            shards = split(seconds, of, "framework", mac=True)
            return max(sum(seconds[cell] for cell in shard) for shard in shards)

        of = how_many(seconds, minutes, "framework", mac=True)
        assert of == MAX_SHARDS or longest(of) <= minutes * 60
        assert of == 1 or longest(of - 1) > minutes * 60


class TestExpected:
    NAME = "py3.11-tf2.17.1-metal1.1.0"

    def results(self, *, mac: bool, seconds: float, ran: bool = True) -> Results:
        """What one machine recorded of one cell."""
        made = replace(run(*PASSED), seconds=seconds) if ran else None
        found = record(self.NAME, SetRecord(ok(), "a" * 16, run=made), SetRecord(ok()))
        machine = MAC if mac else LINUX
        return Results(machine.slug, {self.NAME: found}, machine=machine)

    def test_what_was_recorded_counts_for_its_kind_of_machine(self) -> None:
        """Of several machines alike the median; a rehearsal is no measure for a Mac, nor the reverse."""
        cell = Cell.parse(self.NAME)
        macs = [self.results(mac=True, seconds=taken) for taken in (50.0, 70.0, 600.0)]
        hosts = [*macs, self.results(mac=False, seconds=9.0)]
        assert expected([cell], hosts, [], mac=True) == {cell: 70.0}
        assert expected([cell], hosts, [], mac=False) == {cell: 9.0}
        assert expected([cell], hosts[3:], [], mac=True) == {cell: GUESS}

    def test_what_another_cells_run_covers_takes_nothing(self) -> None:
        """A record without a run of its own, and a cell that cannot be installed, cost no time."""
        cell = Cell.parse(self.NAME)
        assert expected([cell], [self.results(mac=True, seconds=1, ran=False)], [], mac=True) == {cell: 0.0}
        assert expected([cell], [], [cell], mac=True) == {cell: 0.0}


class TestRunners:
    @pytest.mark.parametrize(
        ("text", "name", "mac"),
        [
            ("macos-15", "macos-15", True),
            ("ubuntu-24.04", "ubuntu-24.04", False),
            ("self-hosted,macOS,ARM64,m2-max", "m2-max", True),
            ("self-hosted,macOS", "self-hosted-macOS", True),
        ],
    )
    def test_a_runner_is_known_by_its_labels(self, text: str, name: str, mac: bool) -> None:  # noqa: FBT001
        """What it is called in a job, and whether it is a Mac."""
        runner = Runner.parse(text)
        assert (runner.name, runner.is_mac) == (name, mac)

    @pytest.mark.parametrize("text", ["", "a b", "a,,b", "$(x)", "a\nb", "-x", "a" * 200])
    def test_what_are_no_labels_is_refused(self, text: str) -> None:
        """They go into a job's name and into what a runner is asked for with."""
        with pytest.raises(UsageError):
            Runner.parse(text)

    @pytest.mark.parametrize("text", ["", "0/1", "2/1", "1/0", "1", "a/b", "1/41", "-1/2", "1/2/3"])
    def test_what_is_no_shard_is_refused(self, text: str) -> None:
        """A shard is one of how many."""
        with pytest.raises(UsageError):
            parse_shard(text)

    def test_a_machine_with_nothing_to_do_is_not_asked_for(self) -> None:
        """A job has cells, its sessions by nox's names, and the minutes it is expected to take."""
        cell = Cell.parse("py3.11-tf2.17.1-nometal")
        (job,) = jobs(Runner(("macos-15",)), [[cell], []], {cell: 90.0})
        assert job == {
            "name": "macos-15-1-of-1",
            "labels": ["macos-15"],
            "pythons": "3.11",
            "sessions": "matrix(py3.11-tf2.17.1-nometal)",
            "cells": 1,
            "minutes": 2,
        }


class TestCommand:
    @pytest.fixture
    def listed(self, tmp_path: Path) -> str:
        """A list as nox prints it, another session among the cells."""
        names = [cell.id for cell in CELLS]
        sessions = [{"name": "matrix", "call_spec": {"cell_id": name}} for name in names]
        path = tmp_path / "cells.json"
        path.write_text(json.dumps([*sessions, {"name": "table", "call_spec": {}}]), encoding="utf-8")
        return str(path)

    def test_the_jobs_have_every_cell_once_for_each_kind_of_runner(
        self, listed: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """JSON for a job matrix; its names are distinct, since files are named by them."""
        assert cli.main(["shards", listed, "--runners", "macos-15 ubuntu-24.04", MACS]) == 0
        found = json.loads(capsys.readouterr().out)["include"]
        assert len({job["name"] for job in found}) == len(found)
        assert {job["labels"][-1] for job in found} == {"macos-15", "ubuntu-24.04", "m2", "m4"}
        for label in ("macos-15", "ubuntu-24.04", "m2", "m4"):
            sessions = [
                name for job in found if job["labels"][-1] == label for name in job["sessions"].split()
            ]
            assert sorted(sessions) == sorted(f"matrix({cell.id})" for cell in CELLS)

    def test_the_shards_of_a_list_are_the_list(
        self, listed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each machine asks for its own; together they have every cell once. `-` is standard input."""
        lines = []
        text = Path(listed).read_text(encoding="utf-8")
        for number in range(1, 4):
            monkeypatch.setattr("sys.stdin", io.StringIO(text))
            assert cli.main(["shards", "-", "--shard", f"{number}/3"]) == 0
            lines += capsys.readouterr().out.splitlines()
        assert sorted(lines) == sorted(f"matrix({cell.id})" for cell in CELLS)

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", "[1]", '[{"name": "matrix"}]', "\x80", '[{"name": "table"}]']
    )
    def test_what_is_no_list_of_nox_is_refused(
        self, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The command that makes one is told."""
        path = tmp_path / "x.json"
        path.write_bytes(text.encode("latin-1"))
        assert cli.main(["shards", str(path), "--runners", "macos-15"]) == 2
        assert "nox -s matrix --list --json" in capsys.readouterr().err

    def test_a_list_that_is_not_there_is_a_typo(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Code 2, what the system says of it, and the command that makes a list; a folder is none either."""
        for path, why in ((tmp_path / "nope.json", "No such file"), (tmp_path, "Is a directory")):
            assert cli.main(["shards", str(path), "--runners", "macos-15"]) == 2
            told = capsys.readouterr().err
            assert f"{path} cannot be read: {why}" in told
            assert "hint: nox -s matrix --list --json > cells.json" in told

    def test_more_jobs_than_there_may_be_are_refused(
        self, listed: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What to type instead is told."""
        macs = [f"self-hosted,macOS,m{number}" for number in range(10)]
        assert cli.main(["shards", listed, "--minutes", "1", "--runners", *macs]) == 2
        assert "more --minutes" in capsys.readouterr().err

    def test_no_machine_is_no_answer(self, listed: str, capsys: pytest.CaptureFixture[str]) -> None:
        """An empty job matrix is an error of the CI system that nobody understands."""
        assert cli.main(["shards", listed, "--runners", " "]) == 2
        assert "no machine" in capsys.readouterr().err
