"""Which cells a report is about: exactly those of which it can mean nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.published.releases import PLUGIN
from metalmatrix.reported.about import decides, is_near, leads_to, matches, meant, sets_meant
from metalmatrix.reported.reports import CIRCUMSTANCES, OF_THE_PAIR
from metalmatrix.wheels.wheel_facts import Facts
from tests.public import CELL, FACTS, SOUND, no_keras, public


class TestMeant:
    @pytest.mark.parametrize(
        ("distribution", "version", "date", "releases"),
        [
            ("tensorflow", "2.14.0", "2024-01-01", ("2.14.0",)),
            ("tensorflow", "2.20.0rc0", "2025-08-08", ("2.20.0rc0",)),
            ("tensorflow", "2.14", "2023-11-28", ("2.14.0", "2.14.1")),
            ("tensorflow", "2.14", "2023-10-01", ("2.14.0",)),
            ("tensorflow", "2.14", "2023-11", ("2.14.0", "2.14.1")),
            ("tensorflow", "2.14", "", ("2.14.0", "2.14.1")),
            ("tensorflow", "2.14", "2021-01-01", ()),
            ("tensorflow-macos", "2.11", "2022-12-13", ("2.11.0",)),
            ("tensorflow", "2.15", "2024-01", ("2.15.0", "2.15.0.post1")),
            (PLUGIN, "0.1.x", "2021-06-30", ("0.1.0", "0.1.1")),
            ("tensorflow", "2.1", "", ()),  # not 2.10 to 2.19
            ("tensorflow", "2.14.0-dev20230612", "2023-06-13", ()),
            ("tensorflow-macos", "<2.16", "2024-03-19", ()),
            ("tensorflow", "", "", ()),
            ("", "2.14.0", "", ()),
            ("nobody", "1.0", "", ()),
        ],
    )
    def test_a_version_means_releases_of_its_day(
        self, distribution: str, version: str, date: str, releases: tuple[str, ...]
    ) -> None:
        """A release means itself, a series its final releases so far; a bound and a nightly mean none."""
        assert meant(distribution, version, date) == releases


class TestMatches:
    def test_the_very_pair_matches(self) -> None:
        """Framework, plugin and Python are those of the cell."""
        assert matches(SOUND, CELL, FACTS)

    @pytest.mark.parametrize(
        "changes",
        [
            {"tf": "2.14.1"},
            {"tf": "2.14"},  # two releases by then
            {"tf": ""},
            {"tf": "<2.15"},
            {"tf": "2.14.0-dev20230612"},
            {"metal": "1.0.1"},
            {"metal": ""},
            {"metal": "1.0.x"},
            {"plugin": "tensorflow-metal-plugin"},
            {"apple_silicon": False},
            {"tf_dist": ""},
        ],
    )
    def test_another_or_a_vague_one_does_not(self, changes: dict[str, Any]) -> None:
        """What is missing, vague or another release is not this cell."""
        assert not matches(public(**changes), CELL, FACTS)

    @pytest.mark.parametrize(
        "changes", [{"tf": "2.14", "date": "2023-10-01"}, {"metal": "1.1"}, {"python": ()}]
    )
    def test_what_can_mean_only_one_does(self, changes: dict[str, Any]) -> None:
        """A series of which one release was published by then is that release; no Python is any."""
        assert matches(public(**changes), CELL, FACTS)

    def test_a_cell_without_a_plugin_is_nobodys(self) -> None:
        """That no plugin is named does not mean that there was none."""
        bare = Cell.parse("py3.11-tf2.14.0-nometal")
        assert not matches(public(metal=""), bare, FACTS)
        assert not matches(SOUND, bare, FACTS)

    @pytest.mark.parametrize(
        ("cell", "distribution", "leads"),
        [
            ("py3.11-tf2.14.0-metal1.1.0", "tensorflow-macos", True),
            ("py3.11-tf2.14.0-metal1.1.0", "tensorflow", True),  # a stub that requires the other
            ("py3.11-tf2.16.2-metal1.1.0", "tensorflow-macos", True),
            ("py3.10-tf2.11.0-metal0.7.0", "tensorflow", False),  # x86-64 wheels alone
            ("py3.10-tf2.11.0-metal0.7.0", "nobody", False),
        ],
    )
    def test_a_name_must_lead_to_the_cells_binaries(
        self, cell: str, distribution: str, *, leads: bool
    ) -> None:
        """`tensorflow` until 2.12 installs nothing on Apple silicon: a report of it is of another build."""
        assert leads_to(distribution, Cell.parse(cell)) == leads
        found = Cell.parse(cell)
        report = public(tf_dist=distribution, tf=found.framework, metal=found.plugin, python=())
        assert matches(report, found, FACTS) == leads


class TestAnotherPlugin:
    """Both plugins have a release 0.1.0; it is not the same."""

    METAL = Cell("3.11", "2.14.0", "0.1.0", "tensorflow-macos")
    OTHER = Cell("3.11", "2.14.0", "0.1.0", "tensorflow-macos", "tensorflow-metal-plugin")

    def test_a_report_is_about_the_plugin_that_it_names(self) -> None:
        """A version that both plugins have is one of the plugin that is named."""
        metal = public(metal="0.1.0")
        other = public(metal="0.1.0", plugin="tensorflow-metal-plugin", date="2026-09-01")
        assert [matches(metal, cell, FACTS) for cell in (self.METAL, self.OTHER)] == [True, False]
        assert [matches(other, cell, FACTS) for cell in (self.METAL, self.OTHER)] == [False, True]

    def test_the_plugin_of_another_name_is_no_neighbour(self) -> None:
        """With another framework, what shares only a version's text shares nothing."""
        report = public(metal="0.1.0", tf="2.13.0")
        assert [is_near(report, cell) for cell in (self.METAL, self.OTHER)] == [True, False]


class TestPython:
    def test_the_same_file_of_the_plugin_is_the_same_plugin(self) -> None:
        """The library of 1.1.0 is one file for all Pythons: what it computes does not depend on them."""
        assert matches(SOUND, Cell.parse("py3.9-tf2.14.0-metal1.1.0"), FACTS)

    def test_another_file_may_be_another_plugin(self) -> None:
        """The library of 0.8.0 is another file for each Python: a report of one says nothing of another."""
        report = public(tf="2.12.0", metal="0.8.0", python=("3.10.1",))
        assert matches(report, Cell.parse("py3.10-tf2.12.0-metal0.8.0"), FACTS)
        assert not matches(report, Cell.parse("py3.11-tf2.12.0-metal0.8.0"), FACTS)

    def test_one_of_several_is_enough(self) -> None:
        """A report that names two Pythons is about both."""
        report = public(tf="2.12.0", metal="0.8.0", python=("3.8", "3.10.1"))
        assert matches(report, Cell.parse("py3.8-tf2.12.0-metal0.8.0"), FACTS)
        assert not matches(report, Cell.parse("py3.9-tf2.12.0-metal0.8.0"), FACTS)

    def test_files_that_nobody_knows_are_not_the_same(self) -> None:
        """Without facts, or where a Python has no wheel, nothing follows for it."""
        assert not matches(SOUND, Cell.parse("py3.9-tf2.14.0-metal1.1.0"), Facts())
        assert not matches(SOUND, Cell.parse("py3.12-tf2.14.0-metal1.1.0"), FACTS)
        assert matches(SOUND, CELL, Facts())


class TestKeras:
    @pytest.mark.parametrize(
        ("wanted", "pinned", "plain", "sets"),
        [
            ("", None, None, ("",)),
            (">=3.7", "3.12.0", "3.12.0", ("",)),
            (">=3.7", "3.6.0", "3.12.0", ("plain",)),
            (">=3.7", "3.7.0", "3.6.0", ("pinned",)),
            (">=3.7", "2.14.0", "3.6.0", ()),
            (">=3.7", None, None, ()),
            (">=3.7", None, "3.8.0", ("plain",)),
            ("<=3.6", "3.6.0rc0", "3.6.1", ("pinned",)),
        ],
    )
    def test_it_is_about_the_sets_that_have_it(
        self, wanted: str, pinned: str | None, plain: str | None, sets: tuple[str, ...]
    ) -> None:
        """A Keras that is reported counts for the sets whose lock has such a one, each by itself."""
        have = {"pinned": pinned, "plain": plain}
        assert sets_meant(public(keras=wanted), have.get) == sets

    def test_it_is_not_asked_for_without_need(self) -> None:
        """A lock is read only where a report is about the cell and names a Keras."""

        def never(_: str) -> str:
            raise AssertionError

        assert decides(SOUND, CELL, FACTS, never) == ("",)
        assert decides(public(keras=">=3", tf="2.13.0"), CELL, FACTS, never) == ()


class TestDecides:
    @pytest.mark.parametrize("subtype", CIRCUMSTANCES)
    def test_a_circumstance_decides_nothing(self, subtype: str) -> None:
        """What is not the pair's changes no verdict, whatever it did."""
        for outcome in ("import-fails", "hangs", "works"):
            assert decides(public(subtype=subtype, outcome=outcome), CELL, FACTS, no_keras) == ()

    @pytest.mark.parametrize("subtype", OF_THE_PAIR)
    def test_the_other_subtypes_do(self, subtype: str) -> None:
        """A missing operation or a leak is the pair's."""
        assert decides(public(subtype=subtype), CELL, FACTS, no_keras) == ("",)

    def test_what_can_be_installed_is_the_resolvers(self) -> None:
        """A report that it cannot be installed is of its day, and the resolver answers for the matrix's."""
        assert decides(public(outcome="not-installable"), CELL, FACTS, no_keras) == ()


class TestNear:
    @pytest.mark.parametrize(
        ("changes", "near"),
        [
            ({}, True),
            ({"tf": "2.18.0"}, True),  # the plugin, with another framework
            ({"metal": "1.0.1"}, True),  # the framework, with another plugin
            ({"metal": ""}, True),
            ({"tf": ""}, True),
            ({"tf": "2.14", "metal": ""}, True),  # a series that it is of
            ({"plugin": "other", "metal": ""}, True),
            ({"tf": "2.13.0", "metal": "1.0.1"}, False),
            ({"tf": "<2.15", "metal": ""}, False),
            ({"tf": "", "metal": ""}, False),
            ({"outcome": "not-installable"}, False),
            ({"apple_silicon": False}, False),
            ({"subtype": "rosetta-avx"}, True),
        ],
    )
    def test_it_shares_the_framework_or_the_plugin(self, changes: dict[str, Any], *, near: bool) -> None:
        """One of both is the cell's, by a release or a series, on Apple silicon."""
        assert is_near(public(**changes), CELL) == near

    def test_a_cell_without_a_plugin_is_near_what_names_none(self) -> None:
        """What a plugin does is nothing to a cell that has none."""
        bare = Cell.parse("py3.11-tf2.14.0-nometal")
        assert is_near(public(metal="", outcome="works"), bare)
        assert is_near(public(metal="", outcome="import-fails"), bare)
        assert not is_near(SOUND, bare)
        assert not is_near(public(metal="", plugin="other", outcome="works"), bare)
        assert not is_near(public(metal="", tf="2.13.0", outcome="works"), bare)

    @pytest.mark.parametrize("outcome", ["no-gpu-detected", "hangs", "fit-fails", "slow", "wrong-results"])
    def test_a_failure_past_the_import_is_near_it_only_where_no_plugin_was(self, outcome: str) -> None:
        """Who names no plugin may have had one: what fails on a GPU is nothing to a CPU."""
        bare = Cell.parse("py3.11-tf2.14.0-nometal")
        assert not is_near(public(metal="", outcome=outcome), bare)
        assert is_near(public(metal="", outcome=outcome, without_plugin=True), bare)
        assert is_near(public(metal="", outcome=outcome), CELL)
