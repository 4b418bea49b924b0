"""What each trick saves: the same work with it and without it, taking turns (`without.py`).

A trick is what makes ours faster and not simpler.  Each is in one place, which the page names.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.clone import Clone
from bench.job import FRAMEWORKS, MATRIX, PYTHONS
from bench.machine import ROOT
from bench.measure import Contestant, run, side_by_side
from metalmatrix.cells.matrix_file import load

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = 3
WITHOUT = ROOT / "bench" / "without.py"

TRICKS = {
    "linked": (
        "wheels are linked out of uv's cache, and not copied",
        "`metalmatrix/running/environment.py`, by what uv does where the cache is on the same disk",
        "an installation, all of it in the cache",
    ),
    "lent": (
        "bytecode is lent to new environments",
        "`metalmatrix/running/bytecode.py`",
        "the first import of TensorFlow, lending included",
    ),
    "process": (
        "one process runs all checks",
        "`checks/run.py`, `metalmatrix/running/supervise.py`",
        "the checks of a cell",
    ),
    "graph": (
        "one graph holds all operations of a dtype",
        "`checks/numeric_run.py`",
        "the check of numbers, with the import",
    ),
    "garbage": ("garbage is looked for less often", "`metalmatrix/cli.py`", "`python -m metalmatrix static`"),
}
"""By name in `without.py`: what it is, where it is, and the work that is done with it and without it."""


def measure(tell: Callable[[str], None], *, quick: bool) -> dict[str, Any]:
    """Everything that was measured.

    Raises:
        FailedError: A command did not do its work.
    """
    python, framework = PYTHONS[-1], FRAMEWORKS[-1]
    cell = f"py{python}-tf{framework}-nometal"
    matrix = MATRIX.format(
        as_of=load().as_of, pythons=json.dumps([python]), frameworks=json.dumps([framework])
    )
    with tempfile.TemporaryDirectory(prefix="metalmatrix-bench-", ignore_cleanup_errors=True) as name:
        clone = Clone.make(Path(name), matrix)
        clone = replace(clone, env=clone.env | {"UV_CACHE_DIR": str(Path(name) / "uv")})
        run(clone.nox("-s", "matrix", "--", "--keep"), cwd=clone.root, env=clone.env)
        environment = Path(name) / "cache" / "metalmatrix" / "environments" / cell
        found = []
        for trick, (what, where, work) in TRICKS.items():
            two = side_by_side(_two(clone, trick, environment, cell), 1 if quick else TIMES, tell)
            found.append({"trick": what, "where": where, "work": work, "with": two[0], "without": two[1]})
    return {"cell": cell, "tricks": found}


def _two(clone: Clone, trick: str, environment: Path, cell: str) -> list[Contestant]:
    def prepare() -> None:
        """Leave no trace of the turn before."""
        shutil.rmtree(environment.with_name("linked"), ignore_errors=True)
        if trick == "lent":
            for folder in [*environment.rglob("__pycache__")]:
                shutil.rmtree(folder)

    return [
        Contestant(
            f"{trick}, {how}",
            f"python bench/without.py {trick} {how}",
            [sys.executable, str(WITHOUT), trick, how, str(environment), cell],
            clone.root,
            clone.env,
            prepare,
        )
        for how in ("with", "without")
    ]
