"""``--deep``: the project's checks in the environment that is looked at, as children under limits.

It is the one part that needs the whole package and imports TensorFlow, in the environment's own Python.  What
a failing check says is read like any other text.
"""

from __future__ import annotations

import importlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.doctor import from_text
from metalmatrix.doctor.finding import Finding, finding
from metalmatrix.errors import ToolMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metalmatrix.doctor.known import Known
    from metalmatrix.doctor.rules import Rules
    from metalmatrix.doctor.text import Clues
    from metalmatrix.running.supervise import CheckResult

NEEDED = (3, 10)


def run(python: str, tell: Callable[[str], None]) -> tuple[CheckResult, ...]:
    """The results of all checks in the environment of *python*.

    Raises:
        ToolMissingError: The whole package is not here.
    """
    hint = (
        f"nox -s doctor -- --deep --python {shlex.quote(python)}\n"
        "        in a clone: nox brings it along; so does python3 -m pip install ., with Python 3.10 or later"
    )
    if sys.version_info < NEEDED:
        raise ToolMissingError("--deep needs Python 3.10 or later to run the checks with.", hint)
    try:
        importlib.import_module("psutil")  # which is imported once a check runs, and that is too late
        from metalmatrix.cells.matrix_file import load  # noqa: PLC0415 - needs what may not be installed
        from metalmatrix.running.supervise import run_checks  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ToolMissingError(f"--deep needs the whole package: {error.name} is missing.", hint) from error
    return run_checks(Path(python), load().limits, on_event=tell)


def findings(results: Sequence[CheckResult], clues: Clues, rules: Rules, known: Known) -> list[Finding]:
    """What the failing checks mean; one that no message explains is told as what it is."""
    found: list[Finding] = []
    for result in results:
        if result.outcome != "failed":
            continue
        known_as = from_text.findings(f"{result.tail}\n{result.message}", clues, rules, known)
        if not known_as:
            saw = f"{result.check}: {result.message}"
            known_as = [finding("check-failed", [saw], values={"check": result.check})]
        found += known_as
    return found
