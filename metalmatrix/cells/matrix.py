"""The matrix: what ``matrix.toml`` declares, and the cells it stands for.

Pure: from a validated declaration and the releases the project knows to a list of cells.  Nothing
here reads the network or the disk, so listing the sessions stays instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from metalmatrix.errors import UsageError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from metalmatrix.cells.cell import Cell
    from metalmatrix.running.limits import Limits

Per = Literal["framework", "environment", "none"]


@dataclass(frozen=True)
class Expect:
    """What somebody expects of cells, with the reason: a verdict that contradicts it is a surprise.

    Attributes:
        cell: A pattern of cell ids, ``py3.1?-tf2.18.*-metal1.1.0``.
        verdict: The expected verdict, a word of the closed list.
        note: Why.
        url: Where that is known from; may be empty.
    """

    cell: str
    verdict: str
    note: str
    url: str = ""

    def matches(self, cell: Cell) -> bool:
        """Whether the expectation speaks of *cell*."""
        return fnmatchcase(cell.id, self.cell)


@dataclass(frozen=True)
class Rehearse:
    """What stands in for the framework on which platform, and how many rehearsals are run.

    Attributes:
        per: ``framework``: each framework once, on the newest Python that resolves; ``environment``:
            every distinct environment; ``none``.
        stand_in: Distribution by platform key, ``{"linux-x86_64": "tensorflow-cpu"}``.
    """

    per: Per
    stand_in: Mapping[str, str]


@dataclass(frozen=True)
class Matrix:
    """A validated ``matrix.toml``.

    Attributes:
        as_of: The day as of which everything is resolved.
        cells: Every cell, frameworks ascending, newest Python first, so that the first cell of a
            framework that resolves is the one to rehearse.
        excluded: Cells that a rule takes out, with its reason.
        expects: The expectations.
        limits: What a check may take.
        rehearse: What is rehearsed where Apple silicon is not at hand.
    """

    as_of: dt.date
    cells: tuple[Cell, ...]
    excluded: tuple[tuple[Cell, str], ...]
    expects: tuple[Expect, ...]
    limits: Limits
    rehearse: Rehearse

    def cell(self, cell_id: str) -> Cell:
        """The cell of that id.

        Raises:
            UsageError: No such cell is in the matrix.
        """
        if cell := self._by_id.get(cell_id):
            return cell
        raise UsageError(f"{cell_id[:80]} is not in the matrix", "`nox -l` lists its cells")

    @cached_property
    def _by_id(self) -> Mapping[str, Cell]:
        return {cell.id: cell for cell in self.cells}

    def beside(self, cell: Cell) -> tuple[Cell, ...]:
        """The cells of the same Python and framework, which alone can share an environment with *cell*."""
        return self._beside.get((cell.python, cell.distribution, cell.framework), ())

    @cached_property
    def _beside(self) -> Mapping[tuple[str, str, str], tuple[Cell, ...]]:
        found: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.python, cell.distribution, cell.framework), []).append(cell)
        return {key: tuple(cells) for key, cells in found.items()}

    def expectation(self, cell: Cell) -> Expect | None:
        """What is expected of *cell*, if anything is."""
        return next((expect for expect in self.expects if expect.matches(cell)), None)
