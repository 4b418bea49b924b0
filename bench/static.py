"""The static verdicts of all published cells, beside one question a cell to uv's and to pip's resolver.

Those say whether a cell installs, and nothing of whether it loads or what a plain install breaks; one set a
cell is asked for, where ours has two.  They are asked about a sample, drawn with a seed, and the time for all
cells is the sample's mean times their number.  Each question is asked once before it is timed, so that its
metadata are in the tool's cache.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.clone import Clone, offline
from bench.measure import Contestant, Sample, plain_environment, run, side_by_side
from metalmatrix.cells import history
from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.resolving.answers import answered_as_of
from metalmatrix.resolving.question import MACOS_TARGET
from metalmatrix.resolving.uv import find_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metalmatrix.cells.cell import Cell

SEED = 20261120
TIMES, QUICK_TIMES = 7, 1
UV_CELLS, QUICK_UV_CELLS = 40, 2
PIP_CELLS, QUICK_PIP_CELLS = 12, 1

UV = "uv pip compile --python-platform aarch64-apple-darwin --python-version 3.11 --only-binary :all: FILE"
PIP = "pip install --dry-run --ignore-installed --only-binary=:all: --platform macosx_13_0_arm64 ... --target DIR"


def measure(tell: Callable[[str], None], *, quick: bool) -> dict[str, Any]:
    """Everything that was measured.

    Raises:
        FailedError: A command did not do its work.
    """
    cells = history.cells()
    with tempfile.TemporaryDirectory(prefix="metalmatrix-bench-") as name:
        folder = Path(name)
        clone = Clone.make(folder, **offline())
        ours = side_by_side(_ours(clone), QUICK_TIMES if quick else TIMES, tell)
        _, said = run(clone.metalmatrix("static", "--json"), cwd=clone.root, env=clone.env)
        installs = {
            cell["cell"]: all(
                item["outcome"] == "ok"
                for item in cell["evidence"]
                if item["kind"] == "resolved" and item["set"] == "plain"
            )
            for cell in json.loads(said)["cells"]
        }
        drawn = random.Random(SEED).sample(cells, QUICK_UV_CELLS if quick else UV_CELLS)  # noqa: S311 - a sample
        uv = _each(drawn, lambda cell: _uv(cell, folder), installs, folder, tell)
        fewer = drawn[: QUICK_PIP_CELLS if quick else PIP_CELLS]
        pip = _each(fewer, lambda cell: _pip(cell, folder), installs, folder, tell)
    return {
        "cells": len(cells),
        "as_of": answered_as_of().isoformat(),
        "seed": SEED,
        "ours": ours,
        "uv": {"command": UV, **uv},
        "pip": {"command": PIP, **pip},
    }


def _ours(clone: Clone) -> list[Contestant]:
    command, shown = clone.metalmatrix("static"), "python -m metalmatrix static"
    return [
        Contestant("a new clone", shown, command, clone.root, clone.env, prepare=clone.without_bytecode),
        Contestant("again", shown, command, clone.root, clone.env),
    ]


def _each(
    cells: Sequence[Cell],
    command: Callable[[Cell], list[str]],
    installs: dict[str, bool],
    folder: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """One command a cell, each timed at its second time; whether it installs is held against ours."""
    env = plain_environment(
        UV_CACHE_DIR=str(folder / "uv"),
        PIP_CACHE_DIR=str(folder / "pip"),
        MACOSX_DEPLOYMENT_TARGET=MACOS_TARGET,
        UV_PYTHON_DOWNLOADS="never",
    )
    samples: list[Sample] = []
    agree = 0
    for cell in cells:
        (folder / "wanted.txt").write_text("\n".join(_wanted(cell)), encoding="utf-8")
        for _ in range(2):
            sample, _ = run(command(cell), cwd=folder, env=env, codes=(0, 1), limit=900)
        samples.append(sample)
        agree += (sample.code == 0) == installs[cell.id]
    mean = statistics.mean(sample.seconds for sample in samples)
    tell(f"{command(cells[0])[0].rsplit('/', 1)[-1]}: {mean:.2f} s a cell, {agree} of {len(cells)} agree")
    return {
        "cells": [cell.id for cell in cells],
        "samples": [sample.to_json() for sample in samples],
        "agree": agree,
    }


def _wanted(cell: Cell) -> list[str]:
    wanted = [f"{cell.distribution}=={cell.framework}"]
    if cell.plugin != NO_PLUGIN:
        wanted.append(f"{cell.plugin_distribution}=={cell.plugin}")
    return wanted


def _uv(cell: Cell, folder: Path) -> list[str]:
    command = [find_uv(), "pip", "compile", "wanted.txt", "--quiet", "--no-header", "--no-config"]
    command += [
        "--output-file",
        str(folder / "uv.lock"),
        "--python",
        sys.executable,
        "--only-binary",
        ":all:",
    ]
    command += ["--python-platform", "aarch64-apple-darwin", "--python-version", cell.python]
    return [*command, "--exclude-newer", f"{answered_as_of()}T23:59:59Z", "--upgrade"]


def _pip(cell: Cell, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
    command += ["--only-binary=:all:", "--platform", "macosx_13_0_arm64", "--python-version", cell.python]
    return [*command, "--implementation", "cp", "--target", str(folder / "target"), *_wanted(cell)]
