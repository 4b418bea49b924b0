"""A real cell from end to end: real wheels, real uv, real TensorFlow, both sets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from metalmatrix.running.interpreters import find_python
from tests.clone import MATRIX, Clone, entries

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.index,
    pytest.mark.tensorflow,
    pytest.mark.skipif(sys.platform != "linux", reason="no stand-in is declared for this platform"),
]

PYTHON = next((python for python in ("3.11", "3.10", "3.9") if find_python(python)), "")


@pytest.mark.skipif(not PYTHON, reason="no Python from 3.9 to 3.11 is on this machine")
def test_a_rotten_release_breaks_plain_and_passes_pinned(tmp_path: Path) -> None:
    """2.14.0 takes NumPy 2 today and cannot be imported; under the repairs every check passes."""
    axes = {"pythons": entries([PYTHON]), "frameworks": entries(["2.14.0"])}
    text = MATRIX.format(**axes, plugins=entries(["none", "1.1.0"]), seconds=180, rest="")
    clone = Clone.make(tmp_path, None, text)
    code, output = clone.nox("-s", "matrix")
    assert code == 0, output
    cell = f"py{PYTHON}-tf2.14.0-nometal"
    record = clone.record(cell)
    pinned, plain = record["sets"]["pinned"]["run"], record["sets"]["plain"]["run"]
    outcomes = {check["check"]: check["outcome"] for check in pinned["checks"]}
    for name in ("device", "placement", "speed", "memory-limit", "memory-growth"):
        assert outcomes.pop(name) == "skipped"  # there is no GPU
    assert set(outcomes.values()) == {"passed"}
    assert pinned["moved"] == []
    imported = next(check for check in plain["checks"] if check["check"] == "import")
    assert imported["outcome"] == "failed"
    assert "Unable to convert function return value to a Python type" in imported["message"]
    feed = clone.feed()
    assert (feed[cell]["verdict"], feed[cell]["plain"], feed[cell]["plain_stage"]) == (
        "likely",
        "broken",
        "import",
    )
    assert "(since 2024-06-16 by numpy 2.0.0; numpy<2 mends it)" in feed[cell]["plain_message"]
    # The plugin cannot be installed here, so its cell shares the environment, the run and what broke.
    beside = clone.record(f"py{PYTHON}-tf2.14.0-metal1.1.0")
    assert beside["sets"]["plain"]["run"] is None
    assert beside["sets"]["plain"]["environment"] == record["sets"]["plain"]["environment"]
    assert feed[f"py{PYTHON}-tf2.14.0-metal1.1.0"]["plain"] == "broken"
