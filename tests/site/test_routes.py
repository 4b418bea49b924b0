from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells import history
from metalmatrix.cells.cell import VENV, Cell
from metalmatrix.site import page, routes
from metalmatrix.site.dossiers import shared
from tests.samples import evidence
from tests.site.pages import by_routes, whole_page, with_routes

if TYPE_CHECKING:
    from metalmatrix.verdicts.report import CellReport

PAIR = Cell.parse("py3.11-tf2.19.1-metal1.2.0")


@pytest.fixture(scope="module")
def items() -> tuple[CellReport, ...]:
    """Cells of every route, as a clone knows them."""
    return by_routes()


class TestCompared:
    def test_the_routes_of_a_cell_stand_together(self, items: tuple[CellReport, ...]) -> None:
        """With each its verdict and how that is known; a cell that has no other route is not compared."""
        (found,) = routes.compared(items, shared(items))
        assert [(way.cell, way.word, way.known) for way in found.ways] == [
            (PAIR.id, "likely", "resolved ok, linked ok"),
            (f"{PAIR.id}-conda", "likely", "resolved ok, linked ok"),
            (f"{PAIR.id}-conda-forge", "unknown", "resolved unknown, linked unknown"),
        ]

    def test_each_leads_to_its_own_evidence(self, items: tuple[CellReport, ...]) -> None:
        """The number is that of the dossier which the cell shares."""
        told = shared(items)
        (found,) = routes.compared(items, told)
        for way in found.ways:
            assert Cell.parse(way.cell) in told.cells[way.dossier]
            assert told.dossiers[way.dossier].word == way.word


class TestLite:
    def test_every_release_has_a_row_under_every_python(self, items: tuple[CellReport, ...]) -> None:
        """By each of its names; the verdicts are those of the cells."""
        words = {item.cell.id: item.verdict.word for item in items}
        shown = {
            way.cell: way.word
            for lite in routes.litert(items, shared(items))
            for _, ways in lite.rows
            for way in ways
            if way
        }
        assert shown == {cell.id: words[cell.id] for cell in history.litert()}

    def test_the_old_name_can_be_installed_nowhere(self, items: tuple[CellReport, ...]) -> None:
        """No release of tflite_runtime has a wheel for Apple silicon."""
        new, old = routes.litert(items, shared(items))
        assert (new.product, old.product) == ("LiteRT", "tflite_runtime")
        assert {way.word for _, ways in old.rows for way in ways if way} == {"not-installable"}


def test_how_it_is_known_hides_no_failure() -> None:
    """Where one machine saw it pass and another saw it fail, both are said; of the pinned set alone."""
    (item,) = (one for one in by_routes() if one.cell.id == f"{PAIR.id}-conda")
    seen = [
        evidence("rehearsed", "fails", "fit"),
        evidence("rehearsed", "ok"),
        evidence("ran", "fails", "fit", set="plain"),
    ]
    item = replace(item, evidence=(*item.evidence, *seen))
    (found,) = routes.compared((item,), shared((item,)))
    assert found.ways[0].known == "resolved ok, linked ok, rehearsed fails and ok"


def test_the_evidence_of_litert_is_of_litert(items: tuple[CellReport, ...]) -> None:
    """What is said of a run of it names it, and not TensorFlow."""
    (item,) = (one for one in items if one.cell.id == "py3.12-litert2.3.0")
    found = shared((replace(item, evidence=(*item.evidence, evidence("rehearsed", "ok"))),))
    told = [str(piece.said) for piece in found.observations if piece.kind == "rehearsed"]
    assert len(told) == 1
    assert "build of the same LiteRT did well" in told[0]


def test_the_page_has_them_and_its_grid_has_not(items: tuple[CellReport, ...]) -> None:
    """Each has an anchor by its id, for addresses; the grid's columns are as without them."""
    html = page.render(with_routes())
    for item in items:
        assert item.cell.route == VENV or html.count(f'id="{item.cell.id}"') == 1
    assert len(html.encode()) < 300_000

    def grid(text: str) -> str:
        head = text.split('<table id="cells"')[1]
        return head.split("</thead>")[0]

    assert grid(html) == grid(whole_page())
