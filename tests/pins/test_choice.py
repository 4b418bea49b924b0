"""Which cells may be handed out for a machine: its Python first, its macOS always, the CPU only knowingly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import UsageError
from metalmatrix.pins.choice import choice, pythons_alike
from metalmatrix.pins.machine import Machine
from tests.pins.made import item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalmatrix.pins.choice import Choice
    from metalmatrix.verdicts.report import CellReport

PYTHONS = ("3.11", "3.12", "3.13")
REPORTS = {
    report.cell.id: report
    for report in (
        item("py3.11-tf2.15.1-metal1.1.0", "likely", macos="12.0"),
        item("py3.11-tf2.17.1-metal1.1.0", "likely", macos="14.0"),
        item("py3.11-tf2.17.1-nometal", "works"),
        item("py3.12-tf2.19.1-metal1.2.0", "likely", macos="13.0"),
        item("py3.12-tf2.16.2-metal1.2.0", "degraded", macos="12.1"),
        item("py3.13-tf2.21.0-nometal", "likely"),
        item("py3.13-tf2.20.0-metal1.2.0", "broken"),
    )
}


def machine(python: str = "", running: str = "", macos: tuple[int, int] = (13, 0)) -> Machine:
    """A Mac."""
    return Machine(python, running, macos, "")


class Reports:
    """Gives reports, and remembers of which cells."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, cells: Sequence[Cell]) -> list[CellReport]:
        self.asked += [cell.id for cell in cells]
        return [REPORTS[cell.id] for cell in cells]


def choose(found: Machine, *names: str, degraded: bool = False, every: bool = False) -> Choice:
    """What may be handed out of these cells, or of all."""
    cells = [Cell.parse(name) for name in names or REPORTS]
    return choice(cells, PYTHONS, found, Reports(), degraded=degraded, every=every)


def ids(found: Choice) -> list[str]:
    """The cells, the best first."""
    return [report.cell.id for report in found.good]


class TestMacos:
    def test_a_set_is_handed_to_a_macos_that_it_runs_on(self) -> None:
        """What needs macOS 14 is for 14, however much newer it is."""
        names = ("py3.11-tf2.15.1-metal1.1.0", "py3.11-tf2.17.1-metal1.1.0")
        assert ids(choose(machine(), *names)) == [names[0]]
        assert ids(choose(machine(macos=(14, 0)), *names)) == [names[1], names[0]]

    def test_where_nothing_is_left_it_says_what_would_be(self) -> None:
        """Which set asks for the least, how much that is, and by whom."""
        with pytest.raises(
            UsageError, match=r"macOS 11\.7.*py3\.11-tf2\.15\.1-metal1\.1\.0.*macOS 12\.0.*by x 1"
        ):
            choose(machine("3.11", macos=(11, 7)), "py3.11-tf2.15.1-metal1.1.0", "py3.11-tf2.17.1-metal1.1.0")

    def test_what_is_broken_is_told_as_broken(self) -> None:
        """And not as one for another macOS."""
        with pytest.raises(UsageError, match="broken"):
            choose(machine(macos=(11, 0)), "py3.13-tf2.20.0-metal1.2.0")


class TestPython:
    def test_the_one_that_is_named_is_the_only_one(self) -> None:
        """Even where another has a better set."""
        assert ids(choose(machine("3.12"))) == ["py3.12-tf2.19.1-metal1.2.0"]
        with pytest.raises(UsageError, match=re.escape("no cell that is meant is of Python 3.7")):
            choose(machine("3.7"))

    def test_the_one_that_runs_on_the_mac_comes_first(self) -> None:
        """Others are not even looked at."""
        reports = Reports()
        found = choice([Cell.parse(name) for name in REPORTS], PYTHONS, machine(running="3.12"), reports)
        assert ids(found) == ["py3.12-tf2.19.1-metal1.2.0"]
        assert found.note == ""
        assert all(name.startswith("py3.12") for name in reports.asked)

    def test_a_running_python_without_a_plugin_gives_way(self) -> None:
        """Whoever wants the GPU is told that uv brings another Python."""
        found = choose(machine(running="3.13"))
        assert ids(found)[0] == "py3.12-tf2.19.1-metal1.2.0"
        assert "Python 3.13 runs here" in found.note
        assert found.bare == ""

    def test_a_running_python_that_nothing_is_published_for_gives_way(self) -> None:
        """A Mac with Python 3.15 gets an answer too."""
        assert choose(machine(running="3.15")).note.startswith("Python 3.15 runs here")

    def test_words_that_name_a_python_name_it(self) -> None:
        """The one that runs is no demand then."""
        found = choose(machine(running="3.13"), "py3.12-tf2.19.1-metal1.2.0")
        assert ids(found) == ["py3.12-tf2.19.1-metal1.2.0"]
        assert not found.any_python
        assert found.note == ""

    def test_who_wants_all_gets_those_of_every_python(self) -> None:
        """And a list needs no Python to run it."""
        found = choose(machine(running="3.12"), every=True)
        assert {report.cell.python for report in found.good} == set(PYTHONS)


class TestPlugin:
    def test_no_gpu_is_told(self) -> None:
        """Where a plugin was meant and none is good."""
        assert "CPU" in choose(machine("3.13")).bare
        assert choose(machine("3.13"), "py3.13-tf2.21.0-nometal").bare == ""
        assert choose(machine("3.12")).bare == ""

    def test_degraded_is_for_who_says_so(self) -> None:
        """The last of all, and only then."""
        assert ids(choose(machine("3.12"), degraded=True))[-1] == "py3.12-tf2.16.2-metal1.2.0"


class TestPythonsAlike:
    GOOD = tuple(
        item(f"py3.{minor}-tf2.15.1-metal1.1.0", word)
        for minor, word in ((8, "likely"), (10, "likely"), (11, "likely"), (12, "works"), (13, "likely"))
    )

    def test_they_follow_each_other_around_the_chosen_one(self) -> None:
        """A gap ends it, and so does a Python where it is another verdict."""
        assert pythons_alike(self.GOOD[2], self.GOOD, lambda _: "same") == ("3.10", "3.11")
        assert pythons_alike(self.GOOD[3], self.GOOD, lambda _: "same") == ("3.12",)

    def test_they_ask_for_the_same(self) -> None:
        """A bound that only one of them needs ends it."""
        assert pythons_alike(self.GOOD[2], self.GOOD, lambda cell: cell.python) == ("3.11",)

    def test_another_pair_is_another(self) -> None:
        """Whatever Python it is for."""
        other = item("py3.10-tf2.17.1-metal1.1.0", "likely")
        assert pythons_alike(self.GOOD[2], (self.GOOD[2], other), lambda _: "same") == ("3.11",)
