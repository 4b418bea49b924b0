"""What is kept between the cells of one call is kept by all that it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.cells.cell import Cell
from metalmatrix.resolving.answers import answered_as_of
from metalmatrix.verdicts.explain import Explainer
from tests.public import public

if TYPE_CHECKING:
    import pytest

NAMED = Cell.parse("py3.9-tf2.20.0-metal0.2.0")
ANOTHER = Cell.parse("py3.9-tf2.20.0-tensorflow_metal_plugin-0.2.0")


def test_two_plugins_of_one_version_have_their_own_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.2.0 of one plugin is not 0.2.0 of another: a report of the one is no neighbour of the other."""
    monkeypatch.setattr("metalmatrix.verdicts.explain.load_reports", lambda: (public(metal="0.2.0"),))
    for pair in ((NAMED, ANOTHER), (ANOTHER, NAMED)):
        told = {item.cell: len(item.neighbours) for item in Explainer(answered_as_of()).reports(pair)}
        assert told == {NAMED: 1, ANOTHER: 0}
