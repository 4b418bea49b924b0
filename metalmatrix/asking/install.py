"""The command that installs a cell: its releases by the names that hold the binaries, and the bounds needed.

Two lines of uv, since the Python is half of the cell and uv brings it; of conda for a cell of that route.
Beside uv's stands pip's line, for a Python that is there.  Wheels only, as the resolver was asked: else
Python 3.8 gets a cryptography to be compiled (November 2026).  Every requirement is in double quotes, which
zsh and bash leave alone.  Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.cells.cell import CONDA, CONDA_FORGE, NO_PLUGIN
from metalmatrix.published import releases
from metalmatrix.resolving.repairs import repairs_for

if TYPE_CHECKING:
    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.lock import Lock

BY_CONDA = {
    CONDA: (
        "Its interpreter comes from conda, its packages from the package index by pip: what is known of the "
        "wheels is the same as without conda."
    ),
    CONDA_FORGE: (
        "TensorFlow itself comes from conda-forge, which builds it: what is known of wheels says nothing of "
        "it. Only a plugin comes from there, by pip, without what it requires."
    ),
}
"""What there is to know of a route beside the verdict."""


def requirements(cell: Cell, lock: Lock | None = None) -> tuple[str, ...]:
    """What is to be installed for *cell*, as PEP 508 writes it: framework, plugin, bounds.

    Args:
        cell: The cell.
        lock: Its pinned set, where that is known: a bound on a package that is not in it is left out, since
            on a command line it would add the package.
    """
    wanted = [f"{cell.distribution}=={cell.framework}"]
    if name := cell.plugin_distribution:
        wanted.append(f"{name}=={cell.plugin}")
    wanted += sorted(
        {
            repair.bound
            for repair in repairs_for(cell)
            if lock is None or repair.requirement.name in lock.versions
        }
    )
    return tuple(wanted)


def from_nothing(cell: Cell, lock: Lock | None = None) -> tuple[str, ...]:
    """The lines to type where uv is, or conda: an environment of that Python, and what goes into it."""
    name = f"tf-{cell.framework}"
    if cell.route == CONDA_FORGE:
        wanted = f"python={cell.python} tensorflow={cell.framework}"
        plugin = f'python -m pip install --no-deps "{cell.plugin_distribution}=={cell.plugin}"'
        made = f"conda create --name {name} --channel conda-forge {wanted}"
        return made, f"conda activate {name}", *([] if cell.plugin == NO_PLUGIN else [plugin])
    if cell.route == CONDA:
        made = with_pip(cell, lock)
        return f"conda create --name {name} python={cell.python}", f"conda activate {name}", made
    return f"uv venv --python {cell.python}", f"uv pip install {_arguments(cell, lock)}"


def with_pip(cell: Cell, lock: Lock | None = None) -> str:
    """The line to type in an environment of the cell's Python."""
    return f"python -m pip install {_arguments(cell, lock)}"


def _arguments(cell: Cell, lock: Lock | None) -> str:
    plugin = releases.published(cell.plugin_distribution).get(cell.plugin)
    compiled = plugin is not None and not plugin.wheels
    wheels = [] if compiled else ["--only-binary :all:"]
    return " ".join([*wheels, *(f'"{requirement}"' for requirement in requirements(cell, lock))])
