"""Badges: what shields.io's endpoint badge reads, of a cell, or of the best set of a Python; pure.

https://shields.io/badges/endpoint-badge: ``schemaVersion``, ``label``, ``message``, ``color``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.site.publication import is_early
from metalmatrix.verdicts.verdict import SIGNS

if TYPE_CHECKING:
    from metalmatrix.verdicts.report import CellReport

_COLORS = {
    "works": "brightgreen",
    "likely": "green",
    "degraded": "yellow",
    "broken": "red",
    "not-installable": "lightgrey",
    "unknown": "lightgrey",
}


def of_cell(item: CellReport) -> dict[str, object]:
    """The badge of one cell: ``TensorFlow 2.15.1, metal 1.1.0, Python 3.11 | + likely``."""
    cell, word = item.cell, item.verdict.word
    label = f"TensorFlow {cell.framework}, {cell.plugin_name}, Python {cell.python}"
    return _badge(label, f"{SIGNS[word]} {word}", _COLORS[word])


def of_python(python: str, best: CellReport | None) -> dict[str, object]:
    """The badge of a Python: its best set, whether that is a pre-release, and what is said of it."""
    label = f"TensorFlow on Apple silicon, Python {python}"
    if best is None:
        return _badge(label, "nothing is known to be good", _COLORS["unknown"])
    cell, word = best.cell, best.verdict.word
    early = " (pre-release)" if is_early(cell) else ""
    return _badge(label, f"{cell.framework}{early}, {cell.plugin_name}: {SIGNS[word]} {word}", _COLORS[word])


def _badge(label: str, message: str, color: str) -> dict[str, object]:
    return {"schemaVersion": 1, "label": label, "message": message, "color": color}
