"""Which cells are asked about: each final framework of the time, on the newest Python that is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import UsageError
from metalmatrix.searching import subjects
from metalmatrix.searching.subjects import bench, newest_here, released
from tests.fake_lab import day


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Pythons of this machine, made up."""
    pythons = ["3.9", "3.11"]
    monkeypatch.setattr(
        subjects, "find_python", lambda version: Path("python") if version in pythons else None
    )
    return pythons


def test_each_final_framework_stands_once_with_its_newest_python(here: list[str]) -> None:
    """2.13 has two names and one cell; a release candidate has none, nor has what no Python here can run."""
    cells = [cell.id for cell in newest_here(day("2026-11-20"))]
    assert len(set(cells)) == len(cells)
    assert [cell for cell in cells if "tf2.13.0" in cell] == ["py3.11-tf2.13.0-nometal"]
    assert "py3.9-tf2.10.0-nometal" in cells
    assert not any("rc" in cell for cell in cells)
    here.clear()
    assert list(newest_here(day("2026-11-20"))) == []


@pytest.mark.usefixtures("here")
def test_a_framework_that_was_not_there_yet_is_not_asked_about() -> None:
    """2.21.0 is of 2026-03-06."""
    assert "py3.11-tf2.21.0-nometal" not in {cell.id for cell in newest_here(day("2026-03-05"))}
    assert "py3.11-tf2.21.0-nometal" in {cell.id for cell in newest_here(day("2026-03-06"))}
    cell = Cell.parse("py3.11-tf2.21.0-nometal")
    assert released(cell, day("2026-03-06")) == day("2026-03-06")
    with pytest.raises(UsageError, match="is of 2026-03-06, and not there as of 2026-03-05"):
        released(cell, day("2026-03-05"))


def test_framework_and_plugin_have_to_be_there() -> None:
    """The later of the two is the first day of the pair."""
    pair = Cell.parse("py3.11-tf2.12.0-metal1.1.0")
    alone = Cell.parse("py3.11-tf2.12.0-nometal")
    assert released(pair, day("2026-11-20")) > released(alone, day("2026-11-20"))


@pytest.mark.parametrize("name", ["py3.9-tf2.12.0-metal0.8.0-x86_64", "py3.9-tf2.12.0-metal0.8.0-conda"])
def test_what_would_be_another_cells_answer_is_refused(name: str) -> None:
    """The search installs for Apple silicon into a virtual environment, and says which cell that is."""
    with pytest.raises(UsageError, match="alone") as refused:
        bench(Cell.parse(name), day("2026-11-20"))
    assert refused.value.hint == "nox -s when -- py3.9-tf2.12.0-metal0.8.0"
