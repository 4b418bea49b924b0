"""What is shown where nothing has run: the answers that ship, and no claim beyond them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import CONDA_FORGE
from metalmatrix.running.plan import NOTHING_TO_INSTALL
from metalmatrix.running.results import Store
from metalmatrix.table import show

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone in which nothing has run, on a machine without an index."""
    monkeypatch.setattr(show, "default_results", lambda: Store(tmp_path / "results"))

    def ask(*_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr("metalmatrix.resolving.resolve.ask", ask)


@pytest.mark.usefixtures("fresh")
class TestFreshClone:
    def test_every_cell_has_a_verdict_and_none_has_run(self) -> None:
        """The table of a fresh clone is that of the data: none works, all say not run.

        Unknown is only what a conda channel would have to be asked for, which none was.
        """
        report = show.current_report()
        unknown = [item for item in report.cells if item.verdict.word == "unknown"]
        assert {item.cell.route for item in unknown} == {CONDA_FORGE}
        assert all("no conda channel has been asked" in item.verdict.message for item in unknown)
        assert {item.verdict.word for item in report.cells if item not in unknown} <= {
            "likely",
            "degraded",
            "broken",
            "not-installable",
        }
        assert not any(e.run for item in report.cells for e in item.evidence)
        told = {item.untested for item in report.cells}
        assert told == {show.NOT_RUN, NOTHING_TO_INSTALL}
        assert report.problems == ()

    def test_it_ends_with_the_score(self) -> None:
        """How often what was foreseen was right stands on the page."""
        assert show.current_report().score == show.current_score().line

    def test_what_ships_is_of_its_own_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """For another day nothing is taken from it: the cells stay unknown."""
        monkeypatch.setattr(show, "answered_as_of", lambda: dt.date(2020, 1, 1))
        assert {item.verdict.word for item in show.current_report().cells} == {"unknown"}

    def test_expectations_stay(self) -> None:
        """A cell that matrix.toml expects otherwise is a surprise without a run, too."""
        assert any(item.expect for item in show.current_report().cells)
        assert not any(item.surprise for item in show.current_report().cells)
