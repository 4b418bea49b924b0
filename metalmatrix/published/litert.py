"""LiteRT, which runs a TensorFlow Lite model without TensorFlow: what becomes of its old name; pure."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from metalmatrix.doctor.rules import load_rules
from metalmatrix.published.releases import LITERT

if TYPE_CHECKING:
    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.question import Answer

NOW, BEFORE = LITERT
"""What it is installed by, and what it was."""

IMPORT = "from ai_edge_litert.interpreter import Interpreter"
"""What takes the place of the same line with ``tflite_runtime``."""

_DIAGNOSIS = "tflite-runtime"


@cache
def successor() -> str:
    """What to take instead of the old name, as the doctor says it too, and the line to write."""
    return f"{load_rules().rules[_DIAGNOSIS].what.rstrip('.')}; write `{IMPORT}`"


def judged(cell: Cell, answer: Answer) -> Answer:
    """The resolver's answer; where there is no wheel by the old name, with what to take instead."""
    if cell.distribution != BEFORE or answer.outcome != "fails" or answer.blame != BEFORE:
        return answer
    return replace(answer, message=f"{successor()}. {answer.message}")
