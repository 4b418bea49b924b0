"""The routes by which a cell's environment comes about, and whether this machine can go them.

A virtual environment of an interpreter that is here is what most cells have.  The route ``conda`` is what
guides recommend as ``conda create -n NAME python=3.9``, and then pip: the interpreter comes from conda, by
nox's own conda-family backends (`nox.virtualenv`), and the packages are those of the lock, as in a venv.  Of
the route ``conda-forge`` TensorFlow itself comes from the channel: `resolving.conda` installs what it solved.

Channels are the user's: conda and mamba read their own settings.  For micromamba and rattler nox would take
conda-forge alone, so what ``CONDA_CHANNELS`` names, conda's own variable, is passed on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import sys
from functools import partial
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import CONDA, CONDA_FORGE
from metalmatrix.errors import ToolMissingError
from metalmatrix.files import PACKAGE
from metalmatrix.resolving import conda
from metalmatrix.running.environment import INSTALL_SECONDS, environment
from metalmatrix.running.host import output_of
from metalmatrix.running.interpreters import find_python, how_to_install
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from metalmatrix.cells.cell import Cell
    from metalmatrix.running.environment import Environment

PROGRAMS = ("conda", "mamba", "micromamba")
"""In the order in which they are taken; where none is on the PATH, py-rattler is, a Python package."""

RATTLER = "rattler"

_HOW = "`brew install micromamba`, or py-rattler by pip beside nox, with NOX_SCRIPT_MODE=none"
_LONGEST = 500

MAKE_SECONDS = INSTALL_SECONDS
"""How long it may take: an interpreter and what it needs, on a slow line."""


def conda_backend() -> str:
    """The conda-family backend of nox that this machine has; empty where it has none."""
    found = next((name for name in PROGRAMS if shutil.which(name)), "")
    return found or (RATTLER if importlib.util.find_spec(RATTLER) else "")


def missing(cell: Cell) -> str:
    """Why this machine cannot go the cell's route, and what to type; empty where it can."""
    if cell.route == CONDA:
        if conda_backend():
            return ""
        return f"no {', '.join(PROGRAMS)} or py-rattler on this machine; to install one: {_HOW}"
    if cell.route == CONDA_FORGE:
        return "" if conda.is_here() else f"{conda.NOT_HERE}; type {conda.HOW.format(cell.id)}"
    if find_python(cell.python):
        return ""
    return f"no Python {cell.python} on this machine; to install one: {how_to_install(cell.python)}"


def make_conda(folder: Path, version: str) -> None:
    """Make a conda environment with that minor version of Python, and pip, at *folder*, which is not there.

    In a process of its own, since neither nox nor a solver ends by itself where a channel does not answer.

    Raises:
        ToolMissingError: No backend is here, or it could not make one, with its reason.
    """
    backend = conda_backend()
    if not backend:
        raise ToolMissingError("conda is gone since the plan was made", _HOW)
    child = [sys.executable, "-m", "metalmatrix.running.routes", backend, str(folder.resolve()), version]
    said = output_of(child, MAKE_SECONDS, cwd=PACKAGE.parent)
    if said is None or said.strip() or not (folder / "bin" / "python").exists():
        why = f"it did not end in {MAKE_SECONDS} s" if said is None else plain(said, _LONGEST)
        raise ToolMissingError(
            f"{backend} could not make an environment of Python {version}: {why or 'it has no Python'}",
            "its channels, or CONDA_CHANNELS, and the network",
        )


def _in_child(backend: str, folder: str, version: str) -> None:
    """Make an environment, and print why where that fails: nothing else."""
    from nox import virtualenv  # noqa: PLC0415 - only this route needs it, and has it: nox runs it

    printed, told = sys.stdout, io.StringIO()
    try:
        # What the backend printed nox passes on where it failed.
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            virtualenv.ALL_VENVS[backend](
                folder, interpreter=version, reuse_existing=False, venv_params=_channels(backend)
            ).create()
    except Exception as error:  # noqa: BLE001 - whatever a backend, its solver or its channels raise
        printed.write(f"{told.getvalue()[-_LONGEST:]} {error or type(error).__name__}")


def environment_of(
    cell: Cell, *, keep: bool = False, reuse: bool = False
) -> AbstractContextManager[Environment]:
    """An environment by the route of *cell*, as `running.environment.environment` gives it.

    Raises:
        ToolMissingError: This machine cannot go the route.
    """
    how: Path | Callable[[Path], None] | None
    if cell.route == CONDA:
        how = partial(make_conda, version=cell.python)
    elif cell.route == CONDA_FORGE:
        how = os.mkdir  # the interpreter is one of the packages
    else:
        how = find_python(cell.python)
    if how is None or missing(cell):
        raise ToolMissingError(f"{cell.id} cannot be installed: {missing(cell)}")
    return environment(cell.id, how, keep=keep, reuse=reuse)


def _channels(backend: str) -> list[str]:
    """The options that name the user's channels, for a backend that is not told of them otherwise."""
    if backend not in {"micromamba", RATTLER}:
        return []
    named = [name.strip() for name in os.environ.get("CONDA_CHANNELS", "").split(",") if name.strip()]
    return [f"--channel={name}" for name in named]


if __name__ == "__main__":
    _in_child(*sys.argv[1:4])
