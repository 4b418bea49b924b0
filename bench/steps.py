"""The steps from ``matrix.toml`` to the feed, timed one by one in a process of a clone: started by `growth`.

Prints wall-clock and processor seconds by step as JSON; with ``count``, how many function calls a step made
instead, which is the same however busy the machine is.  Whatever a step shares with one before it is paid for by the first, as in
any command.
"""

from __future__ import annotations

import cProfile
import io
import json
import sys
import time
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from metalmatrix.cells.matrix_file import load
from metalmatrix.resolving.answers import answered_as_of
from metalmatrix.running.run import default_results
from metalmatrix.table import feed, markdown, show
from metalmatrix.table.terminal import print_report
from metalmatrix.verdicts.explain import Explainer

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = sys.argv[1:] == ["count"]
taken: dict[str, dict[str, float]] = {}


@contextmanager
def step(name: str) -> Iterator[None]:
    """Times what is done in its block."""
    if COUNT:
        with cProfile.Profile() as profile:
            yield
        taken[name] = {"calls": sum(entry.callcount for entry in profile.getstats())}
        return
    started, cpu = time.perf_counter(), time.process_time()
    yield
    taken[name] = {
        "seconds": round(time.perf_counter() - started, 5),
        "cpu": round(time.process_time() - cpu, 5),
    }


with step("load matrix.toml"):
    cells = load().cells
with step("verdicts, from the answers that ship"):
    Explainer(answered_as_of()).reports(cells)
with step("report, from results"):
    if not default_results().hosts():
        raise SystemExit("the clone has no results")
    report = show.current_report()
with step("feed (JSON)"):
    json.dumps(feed.render(report), indent=1)
with step("table (Markdown)"):
    markdown.render(report)
with step("table (terminal)"), redirect_stdout(io.StringIO()):
    print_report(report)
print(json.dumps({"cells": len(cells), "steps": taken}))
