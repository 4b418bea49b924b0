"""The nearest cells that are good: what changes least comes first, and no more is asked than it takes."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from metalmatrix.asking.nearest import AT_ONCE, LIMIT, MOST_ASKED, change, nearest
from metalmatrix.cells import history
from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.published import releases
from metalmatrix.reported.neighbours import Neighbour
from tests.asking.test_words import OtherCell
from tests.universe import Asked, report, universe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metalmatrix.verdicts.report import CellReport

CELLS = universe()
BY_ID = {cell.id: cell for cell in CELLS}
ASKED = BY_ID["py3.11-tf2.18.0-metal1.1.0"]
BAD = Neighbour("the same plugin", "fails", "it fails", "2024", "https://example.com", counts=True)


def near(cell: Cell, rule: Callable[[Cell], str], cells: Sequence[Cell] = CELLS) -> list[str]:
    """The ids of the nearest under a rule of verdicts."""
    return [found.cell.id for found in nearest(cell, cells, Asked(rule))]


def good(*names: str) -> Callable[[Cell], str]:
    """A rule by which only these cells are likely."""
    return lambda cell: "likely" if cell.id in names else "broken"


def with_bad_neighbours(
    counts: dict[str, int], names: Sequence[str], words: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Sequence[Cell]], list[CellReport]]:
    """Gives reports by which only cells of these names are good, with so many bad neighbours each."""

    def reports_of(cells: Sequence[Cell]) -> list[CellReport]:
        return [
            replace(
                report(cell, words.get(cell.id, "likely") if cell.id in names else "broken"),
                neighbours=(BAD,) * counts.get(cell.id, 0),
            )
            for cell in cells
        ]

    return reports_of


class TestOrder:
    def test_the_plugin_changes_before_the_framework_before_the_python(self) -> None:
        """Of cells that differ in one axis."""
        names = ("py3.10-tf2.18.0-metal1.1.0", "py3.11-tf2.17.1-metal1.1.0", "py3.11-tf2.18.0-metal1.2.0")
        assert near(ASKED, good(*names)) == list(reversed(names))

    def test_one_axis_comes_before_two(self) -> None:
        """However far away on the one, and two before three."""
        names = ("py3.11-tf2.9.0-metal1.1.0", "py3.11-tf2.17.1-metal1.2.0", "py3.10-tf2.17.1-metal1.2.0")
        assert near(ASKED, good(*names)) == list(names)

    def test_the_fewer_releases_between_the_nearer(self) -> None:
        """By how many published versions lie between, and not by their numbers."""
        rule = good(*(f"py3.11-tf{v}-metal1.1.0" for v in ("2.9.0", "2.15.1", "2.17.0", "2.17.1")))
        assert near(ASKED, rule) == [f"py3.11-tf{v}-metal1.1.0" for v in ("2.17.1", "2.17.0", "2.15.1")]

    def test_at_the_same_distance_the_newer_comes_first(self) -> None:
        """2.18.1 and 2.17.1 are both next to 2.18.0."""
        rule = good("py3.11-tf2.17.1-metal1.1.0", "py3.11-tf2.18.1-metal1.1.0")
        assert near(ASKED, rule) == ["py3.11-tf2.18.1-metal1.1.0", "py3.11-tf2.17.1-metal1.1.0"]

    def test_at_the_same_distance_works_comes_first(self) -> None:
        """What ran on a Mac is better than what is newer."""
        verdicts = {"py3.11-tf2.17.1-metal1.1.0": "works", "py3.11-tf2.18.1-metal1.1.0": "likely"}
        assert near(ASKED, lambda cell: verdicts.get(cell.id, "broken")) == list(verdicts)

    def test_final_releases_come_before_pre_releases(self) -> None:
        """A pre-release is offered when no final release of the axis is good, or fewer than wanted."""
        rule = good(*(f"py3.11-tf{v}-metal1.1.0" for v in ("2.18.0rc0", "2.9.0")))
        assert near(ASKED, rule) == ["py3.11-tf2.9.0-metal1.1.0", "py3.11-tf2.18.0rc0-metal1.1.0"]

    def test_doing_without_the_plugin_is_the_last_resort(self) -> None:
        """A cell without the GPU comes after those that change all three axes."""
        names = ("py3.9-tf2.9.0-metal0.8.0", "py3.11-tf2.18.0-nometal")
        assert near(ASKED, good(*names)) == list(names)

    def test_who_asks_without_a_plugin_is_offered_none(self) -> None:
        """Only the framework and the Python change."""
        rule = good("py3.11-tf2.18.0-metal1.1.0", "py3.11-tf2.17.1-nometal")
        assert near(BY_ID["py3.11-tf2.18.0-nometal"], rule) == ["py3.11-tf2.17.1-nometal"]

    def test_fewer_bad_neighbours_come_first(self) -> None:
        """Of two at the same distance, the one that reports nearby count less against."""
        older, newer = BY_ID["py3.11-tf2.17.1-metal1.1.0"], BY_ID["py3.11-tf2.18.1-metal1.1.0"]

        def reports_of(cells: Sequence[Cell]) -> list[CellReport]:
            made = [report(cell, "likely" if cell in {older, newer} else "broken") for cell in cells]
            return [replace(item, neighbours=(BAD,)) if item.cell == newer else item for item in made]

        assert [found.cell for found in nearest(ASKED, CELLS, reports_of)] == [older, newer]

    def test_fewer_bad_neighbours_come_before_fewer_steps(self) -> None:
        """Of what moves one axis, whichever it is and how far; the numbers are told, and JSON is as ever."""
        counts = {"py3.11-tf2.18.0-metal1.2.0": 2, "py3.11-tf2.17.1-metal1.1.0": 1}
        names = ["py3.11-tf2.9.0-metal1.1.0", "py3.11-tf2.17.1-metal1.1.0", "py3.11-tf2.18.0-metal1.2.0"]
        found = nearest(ASKED, CELLS, with_bad_neighbours(counts, names))
        assert [one.cell.id for one in found] == names
        assert [one.against for one in found] == [0, 1, 2]
        assert found[0].told == found[0].change
        assert found[1].told.endswith("of 2.18.0; 1 public report of a neighbour speaks against it")
        assert found[2].told.endswith("of 1.1.0; 2 public reports of neighbours speak against it")
        assert set(found[2].to_json()) == {"cell", "verdict", "change"}

    def test_bad_neighbours_move_nothing_across_axes_or_to_a_pre_release(self) -> None:
        """One axis before two, and final releases before others, however much is reported."""
        names = ["py3.11-tf2.18.0-metal1.2.0", "py3.11-tf2.18.0rc0-metal1.1.0", "py3.11-tf2.17.1-metal1.2.0"]
        found = nearest(ASKED, CELLS, with_bad_neighbours({names[0]: 9, names[1]: 3}, names))
        assert [one.cell.id for one in found] == names

    def test_what_ran_comes_before_fewer_bad_neighbours(self) -> None:
        """A run on a Mac says more than reports of something near."""
        ran, told = "py3.11-tf2.9.0-metal1.1.0", "py3.11-tf2.17.1-metal1.1.0"
        reports_of = with_bad_neighbours({ran: 3}, [ran, told], {ran: "works"})
        assert [one.cell.id for one in nearest(ASKED, CELLS, reports_of)] == [ran, told]


class TestOtherPlugin:
    """Versions of two plugins have nothing in common."""

    PUBLISHED = tuple(history.cells())

    @pytest.mark.parametrize("python", ["3.10", "3.12"])
    def test_another_plugin_counts_from_its_newest_release(self, python: str) -> None:
        """0.4.1 of one is no nearer to 0.7.0 of another than to its newest."""
        asked = Cell.parse(f"py{python}-tf2.21.0-tensorflow_metal_plugin-0.4.1")
        newest = max(releases.published("tensorflow-metal"), key=Version)
        found = near(asked, lambda cell: "likely" if "-metal" in cell.id else "broken", self.PUBLISHED)
        assert found[0] == f"py{python}-tf2.21.0-metal{newest}"
        plugins = [Version(name.rpartition("-metal")[2]) for name in found]
        assert plugins == sorted(plugins, reverse=True)
        assert len(set(plugins)) == LIMIT

    def test_of_the_same_plugin_the_versions_count(self) -> None:
        """Its next release is nearer than any of another plugin that is as new."""
        asked = Cell.parse("py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1")
        rule = good("py3.12-tf2.21.0-tensorflow_metal_plugin-0.2.0", "py3.12-tf2.21.0-metal0.7.0")
        assert near(asked, rule, self.PUBLISHED)[0] == "py3.12-tf2.21.0-tensorflow_metal_plugin-0.2.0"


class TestCost:
    def test_no_more_is_asked_than_it_takes(self) -> None:
        """Where the next plugins are good, no other framework is asked for beyond one batch."""
        asked = Asked(lambda _: "likely")
        assert len(nearest(ASKED, CELLS, asked)) == LIMIT
        assert len(asked.cells) <= 32

    def test_nothing_is_asked_twice_and_the_cell_itself_never(self) -> None:
        """When nothing is good, each other cell is asked for once."""
        asked = Asked(lambda _: "broken")
        assert nearest(ASKED, CELLS, asked) == ()
        assert sorted(c.id for c in asked.cells) == sorted(c.id for c in CELLS if c != ASKED)

    def test_no_batch_is_large(self) -> None:
        """Where hundreds are as many axes away, they are asked for in turn, the fewest steps first."""
        cells = universe(frameworks=[f"2.{minor}.{micro}" for minor in range(20) for micro in range(20)])
        rule = Asked(lambda cell: "likely" if cell.plugin == "0.8.0" else "broken")
        batches: list[int] = []

        def reports_of(wanted: Sequence[Cell]) -> list[CellReport]:
            batches.append(len(wanted))
            return rule(wanted)

        asked = next(cell for cell in cells if cell.id == "py3.9-tf2.0.0-metal1.2.0")
        assert len(nearest(asked, cells, reports_of)) == LIMIT
        assert max(batches) == AT_ONCE
        assert sum(batches) < MOST_ASKED

    def test_it_gives_up(self) -> None:
        """In a large universe of bad cells, only so many are asked for."""
        cells = universe(frameworks=[f"2.{minor}.{micro}" for minor in range(20) for micro in range(20)])
        asked = Asked(lambda _: "broken")
        nearest(cells[0], cells, asked)
        assert len(asked.cells) < MOST_ASKED + 100 < len(cells)

    def test_unknown_and_degraded_are_not_offered(self) -> None:
        """Only *works* and *likely* are."""
        for word in ("unknown", "degraded", "not-installable"):
            assert near(ASKED, lambda _, word=word: word) == []  # type: ignore[misc]

    def test_a_cell_that_gets_no_report_is_passed_over(self) -> None:
        """Where nobody can be asked, there is nothing near."""
        assert nearest(ASKED, CELLS, lambda _: []) == ()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"plugin": "1.2.0"}, "the same Python and TensorFlow, tensorflow-metal 1.2.0 instead of 1.1.0"),
        (
            {"framework": "2.17.1"},
            "the same Python and tensorflow-metal, TensorFlow 2.17.1 instead of 2.18.0",
        ),
        ({"python": "3.10"}, "the same TensorFlow and tensorflow-metal, Python 3.10 instead of 3.11"),
        (
            {"python": "3.10", "plugin": "1.2.0"},
            "the same TensorFlow, Python 3.10 instead of 3.11, tensorflow-metal 1.2.0 instead of 1.1.0",
        ),
        (
            {"plugin": NO_PLUGIN},
            "the same Python and TensorFlow, without tensorflow-metal, and so without the GPU",
        ),
    ],
)
def test_a_change_is_told_in_words(other: dict[str, Any], said: str) -> None:
    """What stays, and what is instead of what."""
    assert change(ASKED, replace(ASKED, **other)) == said


def test_a_plugin_where_there_was_none_is_told_as_such() -> None:
    """Nothing is replaced by it."""
    said = "the same Python and TensorFlow, tensorflow-metal 1.1.0 instead of none"
    assert change(replace(ASKED, plugin=NO_PLUGIN), ASKED) == said


def test_a_change_between_plugins_names_both() -> None:
    """Another distribution is another plugin, whatever its version."""
    other = OtherCell("3.11", "2.18.0", "1.1.0", "tensorflow")
    said = "the same Python and TensorFlow, tensorflow-metal-plugin 1.1.0 instead of tensorflow-metal 1.1.0"
    assert change(ASKED, other) == said
