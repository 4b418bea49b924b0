"""The routes by which a cell's environment comes about, and whether this machine can go them.

A virtual environment of an interpreter that is here is what most cells have.  The route ``conda`` is what
guides recommend as ``conda create -n NAME python=3.9``, and then pip: the interpreter comes from conda, by
nox's own conda-family backends (`nox.virtualenv`), and the packages are those of the lock, as in a venv.

Channels are the user's: conda and mamba read their own settings.  For micromamba and rattler nox would take
conda-forge alone, so what ``CONDA_CHANNELS`` names, conda's own variable, is passed on.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import CONDA
from metalmatrix.errors import ToolMissingError
from metalmatrix.running.environment import environment
from metalmatrix.running.interpreters import find_python, how_to_install
from metalmatrix.text import plain

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from metalmatrix.cells.cell import Cell
    from metalmatrix.running.environment import Environment

PROGRAMS = ("conda", "mamba", "micromamba")
"""In the order in which they are taken; where none is on the PATH, py-rattler is, a Python package."""

RATTLER = "rattler"

_HOW = "`brew install micromamba`, or py-rattler by pip beside nox, with NOX_SCRIPT_MODE=none"
_LONGEST = 500


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
    if find_python(cell.python):
        return ""
    return f"no Python {cell.python} on this machine; to install one: {how_to_install(cell.python)}"


def make_conda(folder: Path, version: str) -> None:
    """Make a conda environment with that minor version of Python, and pip, at *folder*, which is not there.

    Raises:
        ToolMissingError: No backend is here, or it could not make one, with its reason.
    """
    backend = conda_backend()
    if not backend:
        raise ToolMissingError("conda is gone since the plan was made", _HOW)
    try:
        from nox import virtualenv  # noqa: PLC0415 - only this route needs it, and has it: nox runs it

        made = virtualenv.ALL_VENVS[backend](
            str(folder), interpreter=version, reuse_existing=False, venv_params=_channels(backend)
        )
        made.create()
    except Exception as error:  # whatever a backend, its solver or its channels raise, it means the same
        why = plain(str(error) or type(error).__name__, _LONGEST)
        raise ToolMissingError(
            f"{backend} could not make an environment of Python {version}: {why}",
            "its channels, or CONDA_CHANNELS, and the network",
        ) from error


def environment_of(
    cell: Cell, *, keep: bool = False, reuse: bool = False
) -> AbstractContextManager[Environment]:
    """An environment by the route of *cell*, as `running.environment.environment` gives it.

    Raises:
        ToolMissingError: This machine cannot go the route.
    """
    python = find_python(cell.python)
    if why := missing(cell):
        raise ToolMissingError(f"{cell.id} cannot be installed: {why}")
    if cell.route == CONDA or python is None:
        return environment(cell.id, partial(make_conda, version=cell.python), keep=keep, reuse=reuse)
    return environment(cell.id, python, keep=keep, reuse=reuse)


def _channels(backend: str) -> list[str]:
    """The options that name the user's channels, for a backend that is not told of them otherwise."""
    if backend not in {"micromamba", RATTLER}:
        return []
    named = [name.strip() for name in os.environ.get("CONDA_CHANNELS", "").split(",") if name.strip()]
    return [f"--channel={name}" for name in named]
