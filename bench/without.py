"""One piece of work with a trick of ours, or without it, in a process of a clone: started by `tricks`.

``python without.py TRICK with|without ENVIRONMENT CELL``, where the environment is the one that the cell's plain
set was left in.  Of each trick this takes away just what the trick adds; nobody else can.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix import cli
from metalmatrix.resolving.uv import run_uv
from metalmatrix.running import bytecode
from metalmatrix.running.checklist import check_catalog, checks_dir
from metalmatrix.running.limits import Limits
from metalmatrix.running.run import default_results
from metalmatrix.running.supervise import run_checks

if TYPE_CHECKING:
    from metalmatrix.resolving.lock import Lock

TRICK, HOW, ENVIRONMENT, CELL = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
ON = HOW == "with"
PYTHON = ENVIRONMENT / "bin" / "python"

NUMERICS = """\
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import check_numerics, checklib
from numeric_run import GRAPH, Bench
together = Bench.together
def each(self, chosen, dtype, mode, strict):
    for group in [[one] for one in chosen] if mode == GRAPH else [chosen]:
        together(self, group, dtype, mode, strict)
if sys.argv[2] == "without":
    Bench.together = each
check_numerics.check(checklib.Report(json.loads(sys.argv[3]), alone=True, send=print))
"""


def plain_lock() -> Lock:
    """What is installed in the environment."""
    store = default_results()
    (host,) = store.hosts()
    record = store.read(host, CELL)
    lock = store.lock(host, record.sets["plain"].environment or "") if record else None
    if lock is None:
        raise SystemExit(f"{CELL} has no lock")
    return lock


def in_environment(program: str, *arguments: str) -> None:
    """Run a program in the environment."""
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([PYTHON, "-I", "-c", program, *arguments], check=True, env=quiet)


def lent() -> None:
    """The first import in a new environment, which has no bytecode but what is lent."""
    (site,) = ENVIRONMENT.glob("lib/python*/site-packages")
    if ON and not bytecode.lend(site, plain_lock()):
        raise SystemExit("nothing was lent")
    in_environment("import tensorflow as tf; tf.keras")


def linked() -> None:
    """The installation of what is in uv's cache into an empty environment."""
    place, wanted = ENVIRONMENT.with_name("linked"), ENVIRONMENT / "requirements.txt"
    made = run_uv(["venv", str(place), "--python", str(PYTHON.resolve()), "--no-project"])
    arguments = ["pip", "sync", str(wanted), "--python", str(place / "bin" / "python"), "--offline"]
    done = run_uv([*arguments, *([] if ON else ["--link-mode", "copy"])])
    if made.code or done.code:
        raise SystemExit(made.err + done.err)


def one_process() -> None:
    """All checks of a cell."""
    every = [info.id for info in check_catalog()]
    for only in [every] if ON else [[check] for check in every]:
        # The plain set, without a GPU: this one is known to fail, and no other has an excuse.
        failed = {one.check for one in run_checks(PYTHON, Limits(), only) if one.outcome == "failed"}
        if failed - {"tensorboard"}:
            raise SystemExit(f"failed: {', '.join(sorted(failed))}")


def one_graph() -> None:
    """The check of numbers."""
    in_environment(NUMERICS, str(checks_dir()), HOW, json.dumps({"tolerance": dict(Limits().tolerance)}))


def rarely() -> None:
    """The verdicts of all published cells."""
    if not ON:
        cli.collect_rarely = lambda: None
    cli.main(["static"])


TRICKS = {"linked": linked, "lent": lent, "process": one_process, "graph": one_graph, "garbage": rarely}

if __name__ == "__main__":
    TRICKS[TRICK]()
