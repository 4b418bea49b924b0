"""The name of a run, which all of its processes share.

nox runs a cell in the process that a person started or, under ``-j``, in a worker of its own.  The
first process names the run in the environment; the workers, its direct children, take part in it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

from metalmatrix.files import cache_dir

if TYPE_CHECKING:
    from pathlib import Path

RUN_VARIABLE = "METALMATRIX_RUN"
ARGUMENTS_VARIABLE = "METALMATRIX_NOX_ARGUMENTS"


def join_run() -> bool:
    """Take part in the run of the nox that started this one, or begin one: then True."""
    begun_by = os.environ.get(RUN_VARIABLE, "").partition("-")[0]
    if begun_by == str(os.getppid()):
        return False
    os.environ[RUN_VARIABLE] = f"{os.getpid()}-{time.time_ns()}"
    os.environ[ARGUMENTS_VARIABLE] = json.dumps(sys.argv[1:])
    return True


def plan_path() -> Path:
    """Where the plan of this run is, for all of its processes; it exists once a cell has begun."""
    return cache_dir() / "runs" / f"{os.environ.get(RUN_VARIABLE) or f'pid-{os.getpid()}'}.json"
