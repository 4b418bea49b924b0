"""The facts of the machine and the tools that a part was measured with; no name of either its owner or itself."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

import metalmatrix

TOOLS = ("nox", "uv", "pip", "virtualenv", "tox", "tox-uv")
ROOT = Path(__file__).resolve().parent.parent


def facts() -> dict[str, Any]:
    """What there is to know of this machine, this moment and this checkout."""
    return {
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "tools": {name: version(name) for name in TOOLS},
        "metalmatrix": f"{metalmatrix.__version__} at {_commit()}",
        "load": load(),
    }


def load() -> float:
    """Processes that waited for a core during the last minute: above the number of cores, timings are rough."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    """The processor's name, as the system tells it."""
    if sys.platform == "darwin":
        return _said("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    """The commit that was measured, with a mark where the files differ from it."""
    return _said("git", "describe", "--always", "--dirty", "--abbrev=9") or "no clone"


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
