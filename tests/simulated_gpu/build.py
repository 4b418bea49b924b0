"""Builds the simulated GPU with the system's compiler against the headers inside a TensorFlow wheel.

One binary serves all releases from 2.12 on, since it uses the C APIs alone; it is kept under the
digest of its sources.  TensorFlow is found without importing it: a faulty plugin may be in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from metalmatrix.files import cache_dir

HERE = Path(__file__).parent
UNDEFINED_SYMBOL = "SIMULATED_GPU_UNDEFINED_SYMBOL"
FLAGS = (
    *("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-shared", "-fPIC", "-pthread"),
    # The plugin is loaded into TensorFlow's process: a name of ours must be no other library's.
    "-fvisibility=hidden",
)
# tensorflow/__init__.py is not run: find_spec() of a package that is no submodule imports nothing.
FIND = "import importlib.util as u; print(u.find_spec('tensorflow').submodule_search_locations[0])"


class CannotBuildError(Exception):
    """There is no compiler here, or it could not do it; the message says which."""


def library(python: Path, *, undefined_symbol: bool = False) -> Path:
    """The built plugin.

    Args:
        python: An interpreter whose environment has TensorFlow; its headers are used if it has to be built.
        undefined_symbol: Whether the build is wanted that cannot be loaded.

    Raises:
        CannotBuildError: There is no C compiler, or no TensorFlow to build against.
    """
    sources = sorted([*HERE.glob("*.c"), *HERE.glob("*.h")])
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None:
        raise CannotBuildError("there is no C compiler (cc) on this machine")
    defines = [f"-D{UNDEFINED_SYMBOL}"] if undefined_symbol else []
    key = hashlib.sha256(json.dumps([FLAGS, defines, os.uname().machine]).encode())
    for source in sources:
        key.update(source.read_bytes())
    built = cache_dir() / "simulated-gpu" / f"{key.hexdigest()[:16]}.so"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent) as folder:
            made = Path(folder) / built.name
            _compile([compiler, *FLAGS, *defines], _tensorflow(python), sources, made)
            made.replace(built)  # another test process may be at the same
    return built


def _compile(command: list[str], tensorflow: Path, sources: list[Path], made: Path) -> None:
    files = [str(source) for source in sources if source.suffix == ".c"]
    # Named by file, since the wheel has no libtensorflow_framework.so without the number.
    link = [f"-L{tensorflow}", "-l:libtensorflow_framework.so.2"]
    command = [*command, "-isystem", str(tensorflow / "include"), *files, "-o", str(made), *link]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise CannotBuildError(f"{command[0]} failed:\n{done.stderr}")


def _tensorflow(python: Path) -> Path:
    done = subprocess.run(
        [str(python), "-IBc", FIND], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise CannotBuildError(f"{python} has no TensorFlow to build against")
    return Path(done.stdout.strip())
