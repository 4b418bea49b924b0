"""A sound public report, and cells and facts to hold it against, for the tests of what reports do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from metalmatrix.cells.cell import Cell
from metalmatrix.reported.reports import Report
from metalmatrix.wheels.wheel_facts import load_facts

FACTS = load_facts()
CELL = Cell.parse("py3.11-tf2.14.0-metal1.1.0")
SOUND = Report(
    id="somebody-1",
    outcome="wrong-results",
    source_url="https://example.com/issues/1",
    apple_silicon=True,
    python=("3.11.4",),
    tf_dist="tensorflow-macos",
    tf="2.14.0",
    metal="1.1.0",
    macos="14.2",
    chip="M1",
    error="ReLU is not applied",
    fix="CPU",
    date="2024-01-04",
    confidence="high",
)
WORKS = replace(SOUND, outcome="works", error="", works_level="GPU listed")


def public(**changes: Any) -> Report:  # noqa: ANN401
    """The sound report, but for these changes."""
    return replace(SOUND, **changes)


def no_keras(_: str) -> None:
    """The Keras of a cell of which nothing is known."""
