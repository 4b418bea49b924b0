"""The repairs: bounds, kept as data, that turn a plain set that has rotted into a pinned one that works."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

from metalmatrix.cells.cell import CONDA_FORGE, LITE
from metalmatrix.files import PACKAGE

if TYPE_CHECKING:
    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.lock import Lock

DATA = PACKAGE / "data" / "repairs.toml"


@dataclass(frozen=True)
class Repair:
    """One bound, what it is good for and how that is known; the fields are those of ``repairs.toml``."""

    bound: str
    frameworks: str
    python: str
    check: str
    message: str
    why: str
    since: str
    upload: str
    proof: str
    proved: str

    @functools.cached_property
    def requirement(self) -> Requirement:
        """The bound, parsed."""
        return Requirement(self.bound)

    def applies(self, cell: Cell) -> bool:
        """Whether the cell's framework and Python are among those that need the bound.

        It is proved of the wheels of TensorFlow: what conda-forge builds has bounds of its own.
        """
        return cell.route not in {CONDA_FORGE, LITE} and self._applies(cell.framework, cell.python)

    @functools.cache  # noqa: B019 - the repairs are few, and live as long as the process
    def _applies(self, framework: str, python: str) -> bool:
        frameworks, pythons = SpecifierSet(self.frameworks), SpecifierSet(self.python)
        return frameworks.contains(framework, prereleases=True) and pythons.contains(python)

    def violated_by(self, lock: Lock) -> bool:
        """Whether a set of versions holds the package outside of the bound."""
        version = lock.versions.get(self.requirement.name)
        return version is not None and not self.requirement.specifier.contains(version, prereleases=True)


@functools.cache
def load_repairs() -> tuple[Repair, ...]:
    """All repairs, in the order of the file."""
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return tuple(Repair(**entry) for entry in data.get("repair", ()))


def repairs_for(cell: Cell) -> tuple[Repair, ...]:
    """The repairs that apply to *cell*."""
    return tuple(repair for repair in load_repairs() if repair.applies(cell))
