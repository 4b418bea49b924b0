"""How each cost grows from 10 to 10,000 cells; and what one more plugin version costs, counted.

The base line is nox itself: a noxfile with as many sessions of one parameter that do nothing.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.clone import Clone, offline
from bench.machine import ROOT
from bench.measure import Contestant, median, plain_environment, run, side_by_side
from bench.synthetic import SIZES, matrix, write_data
from bench.words import ALONE
from metalmatrix.cells import history
from metalmatrix.published import releases
from metalmatrix.published.releases import PLUGIN
from metalmatrix.resolving.answers import answered_as_of
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.wheels.wheel_facts import load_facts
from metalmatrix.wheels.wheel_update import Reader, missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.synthetic import Size

TIMES = 3
NEWEST = "1.2.0"
"""The plugin version whose coming is counted."""

BARE = """\
import nox

@nox.session(venv_backend="none")
@nox.parametrize("number", range({count}))
def one(session, number):
    pass
"""


def measure(tell: Callable[[str], None], *, quick: bool) -> dict[str, Any]:
    """Everything that was measured.

    Raises:
        FailedError: A command did not do its work.
    """
    sizes = SIZES[:2] if quick else SIZES
    with tempfile.TemporaryDirectory(prefix="metalmatrix-bench-") as name:
        folder = Path(name)
        clones = {size: _clone(folder / str(size.cells), size) for size in sizes}
        found = [
            _of(size, clones[size], folder / str(size.cells), 1 if quick else TIMES, tell) for size in sizes
        ]
    return {"sizes": found, "one_more": one_more(tell)}


def _clone(folder: Path, size: Size) -> Clone:
    """A clone with a matrix of that size, and beside it a noxfile of as many sessions that do nothing."""
    clone = Clone.make(folder, matrix(size), **offline())
    if size.made_up:
        write_data(clone.root / "metalmatrix", size.made_up)
    (folder / "bare").mkdir()
    (folder / "bare" / "noxfile.py").write_text(BARE.format(count=size.cells), encoding="utf-8")
    return clone


def _of(size: Size, clone: Clone, folder: Path, times: int, tell: Callable[[str], None]) -> dict[str, Any]:
    tell(f"{size.cells:,} cells")
    bare, command = folder / "bare", clone.metalmatrix("matrix")
    shown = "python -m metalmatrix matrix"

    def without_results() -> None:
        shutil.rmtree(clone.root / "results", ignore_errors=True)

    first = Contestant(
        "a run, nothing to install", shown, command, clone.root, clone.env, prepare=without_results
    )
    firsts = side_by_side([first], times, tell)
    env = plain_environment()
    listing = side_by_side(
        [
            Contestant(f"nox -l{ALONE}", "nox -l", clone.nox("-l"), bare, env),
            Contestant("nox -l", "nox -l", clone.nox("-l"), clone.root, clone.env),
            Contestant(f"nox -l --json{ALONE}", "nox -l --json", clone.nox("-l", "--json"), bare, env),
            Contestant("nox -l --json", "nox -l --json", clone.nox("-l", "--json"), clone.root, clone.env),
            Contestant("a run, nothing changed", shown, command, clone.root, clone.env),
        ],
        times,
        tell,
    )
    steps: dict[str, list[dict[str, Any]]] = {}
    for _ in range(times):
        _, said = run([sys.executable, str(ROOT / "bench" / "steps.py")], cwd=clone.root, env=clone.env)
        told = json.loads(said)
        for step, taken in told["steps"].items():
            steps.setdefault(step, []).append(taken)
    if told["cells"] != size.cells:
        raise ValueError(f"{told['cells']} cells instead of {size.cells}")
    _, said = run([sys.executable, str(ROOT / "bench" / "steps.py"), "count"], cwd=clone.root, env=clone.env)
    calls = {step: taken["calls"] for step, taken in json.loads(said)["steps"].items()}
    entries = [
        {"name": step, "calls": calls[step], "command": "bench/steps.py", "samples": of}
        for step, of in steps.items()
    ]
    for entry in entries:
        tell(f"{entry['name']}: {median(entry):.3f} s")
    return {
        "cells": size.cells,
        "axes": [size.pythons, size.frameworks, size.plugins],
        "made_up": size.made_up,
        "costs": [*firsts, *listing, *entries],
    }


def one_more(tell: Callable[[str], None]) -> dict[str, Any]:
    """What the coming of a plugin version brings: it is taken out of all that is known, and comes back.

    Counted are the things that cost: wheels that are read (really, from the index), questions to the resolver,
    and files of the framework that are read for it, which are none.
    """
    release = releases.published(PLUGIN)[NEWEST]
    facts = load_facts()
    without = replace(
        facts, wheels=tuple(w for w in facts.wheels if (w.distribution, w.version) != (PLUGIN, NEWEST))
    )
    to_read = missing(without, releases.load_releases())
    with tempfile.TemporaryDirectory(prefix="metalmatrix-bench-") as scratch:
        reading = Reader(without, lambda _: None, cache=Path(scratch)).read(to_read)
    if reading.facts != facts:
        raise ValueError("what was read again is not what was known")
    cells = history.cells()
    with_it = [cell for cell in cells if (cell.plugin_distribution, cell.plugin) == (PLUGIN, NEWEST)]
    questions = []
    for some in ([cell for cell in cells if cell not in with_it], cells):
        resolver = Resolver(answered_as_of())
        resolver.resolve(some)
        questions.append(len(resolver.answers))
    tell(f"{PLUGIN} {NEWEST}: {len(with_it)} cells more, {reading.wheels} wheels read")
    return {
        "plugin": f"{PLUGIN} {NEWEST}",
        "cells": len(with_it),
        "all": len(cells),
        "wheels": {"read": reading.wheels, "published": len(release.wheels), "bytes": reading.bytes_read},
        "questions": {"before": questions[0], "after": questions[1], "pythons": len(history.pythons())},
    }
