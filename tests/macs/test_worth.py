"""What a Mac should run first, and what there is no use in running."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import Cell
from metalmatrix.macs.worth import WHY, worth
from metalmatrix.pins.pins import ordered
from metalmatrix.reported.neighbours import Neighbour
from tests.samples import evidence
from tests.universe import report

if TYPE_CHECKING:
    from metalmatrix.verdicts.report import CellReport

MAC, OTHER = "macos-15.2-apple-m2-16gb", "macos-26.1-apple-m4-32gb"


def item(name: str, word: str = "likely", *seen: str, stage: str = "", uncounted: str = "") -> CellReport:
    """A report of a cell that ran on the hosts *seen*."""
    ran = tuple(evidence("ran", "ok", source=host, uncounted=uncounted) for host in seen)
    return replace(report(Cell.parse(name), word, stage=stage), evidence=ran)


def order(*reports: CellReport) -> list[tuple[str, str]]:
    """Which tier and which cell, in order."""
    return [(why, found.cell.id) for why, found in worth(reports, {MAC})]


def ids(*reports: CellReport) -> list[str]:
    """The cells in order."""
    return [name for _, name in order(*reports)]


def test_what_is_handed_out_unproven_comes_first() -> None:
    """Then what is in doubt, then what another Mac has seen, then what is foreseen to fail."""
    found = order(
        item("py3.11-tf2.16.2-metal1.1.0", "broken", stage="link"),
        item("py3.11-tf2.17.1-metal1.2.0", "works", OTHER),
        item("py3.11-tf2.16.2-metal1.2.0", "degraded", stage="numerics"),
        item("py3.11-tf2.12.0-metal0.8.0"),
    )
    assert found == [
        (WHY[0], "py3.11-tf2.12.0-metal0.8.0"),
        (WHY[1], "py3.11-tf2.16.2-metal1.2.0"),
        (WHY[2], "py3.11-tf2.17.1-metal1.2.0"),
        (WHY[3], "py3.11-tf2.16.2-metal1.1.0"),
    ]


def test_within_it_is_the_order_of_the_pins() -> None:
    """What somebody reports to work first, with a plugin, fewer failing neighbours, then the newest."""
    told = item("py3.11-tf2.12.0-metal0.8.0")
    told = replace(told, evidence=(evidence("reported", "ok", set=""),))
    neighbour = Neighbour("x", "fails", "m", "2024", "https://example.org", counts=True)
    near = replace(item("py3.11-tf2.17.1-metal1.2.0"), neighbours=(neighbour,))
    names = ["py3.11-tf2.19.1-nometal", "py3.11-tf2.15.1-metal1.1.0", "py3.11-tf2.16.2-metal1.1.0"]
    reports = (near, told, *map(item, names))
    assert ids(*reports) == [told.cell.id, names[2], names[1], near.cell.id, names[0]]
    assert ids(*reports) == [found.cell.id for found in ordered(reports)]


def test_another_python_of_a_pair_waits_for_the_other_pairs() -> None:
    """It has the same libraries, so it tells least that is new; the newest Python stands for the pair."""
    names = [f"py3.{minor}-tf2.{framework}.1-metal1.1.0" for framework in (17, 13) for minor in (11, 10, 9)]
    assert ids(*map(item, names)) == [names[0], names[3], names[1], names[4], names[2], names[5]]


def test_what_ran_on_such_a_mac_is_not_missing() -> None:
    """A run that did not count leaves the cell missing, and proves nothing elsewhere."""
    name = "py3.11-tf2.17.1-metal1.1.0"
    assert order(item(name, "works", MAC)) == []
    assert order(item(name, "works", OTHER, MAC)) == []
    assert order(item(name, "likely", MAC, uncounted="a virtual machine")) == [(WHY[0], name)]


def test_a_run_that_saw_no_gpu_proves_nothing_and_is_not_asked_for_again() -> None:
    """On another Mac the cell is as unproven as before; on this one the same would come out."""
    name = "py3.11-tf2.17.1-metal1.1.0"
    for host, wanted in ((OTHER, [(WHY[0], name)]), (MAC, [])):
        blind = replace(item(name), evidence=(evidence("ran", "ok", source=host, unseen="no GPU"),))
        assert order(blind) == wanted


def test_what_cannot_be_run_is_not_wanted() -> None:
    """Nothing to install, a plugin that would be compiled, a set that nobody could resolve."""
    assert (
        ids(
            item("py3.12-tf2.12.0-metal0.8.0", "not-installable", stage="resolve"),
            item("py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1", "unknown", stage="link"),
            item("py3.12-tf2.20.0-nometal", "unknown", stage="resolve"),
        )
        == []
    )


def test_a_run_of_the_plain_set_is_none_of_the_pinned() -> None:
    """What is handed out is the pinned set."""
    found = item("py3.11-tf2.17.1-metal1.1.0")
    plain = replace(found, evidence=(evidence("ran", "ok", source=MAC, set="plain"),))
    assert ids(plain) == [found.cell.id]
