"""Which of the cells that are meant may be handed out for a machine, the best first.

Pure but for the reports, which are asked of a function.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.errors import UsageError
from metalmatrix.pins.pins import choose, ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.pins.machine import Machine
    from metalmatrix.verdicts.report import CellReport

    ReportsOf = Callable[[Sequence[Cell]], Sequence[CellReport]]


@dataclass(frozen=True)
class Choice:
    """What may be handed out.

    Attributes:
        good: The reports, the best first; never empty.
        of: How many cells were looked at.
        any_python: Whether nobody named a Python.
        note: What is to be said of the Python that was taken; empty where nothing is.
        bare: That the best has no plugin, where nobody asked for that, and which Python has a set with one.
        early: That the best is a pre-release.
    """

    good: tuple[CellReport, ...]
    of: int
    any_python: bool
    note: str = ""
    bare: str = ""
    early: str = ""

    @property
    def like_the_best(self) -> tuple[CellReport, ...]:
        """Those of the best one's Python, with a plugin if it has one: who wants the GPU wants it still."""
        best = self.good[0].cell
        return tuple(
            item
            for item in self.good
            if item.cell.python == best.python
            and (item.cell.plugin == NO_PLUGIN) == (best.plugin == NO_PLUGIN)
        )


def choice(
    cells: Sequence[Cell],
    pythons: Collection[str],
    machine: Machine,
    reports_of: ReportsOf,
    *,
    degraded: bool = False,
    every: bool = False,
) -> Choice:
    """What may be handed out of *cells* for *machine*.

    Where nobody names a Python, the one that runs on this Mac comes first, if it has a good set: one with a
    plugin, where a plugin is meant at all.

    Args:
        cells: What is meant by words.
        pythons: All Pythons there are: words that leave each of them name none.
        machine: Whom it is for.
        reports_of: Gives the reports of cells.
        degraded: Whether what runs with something wrong or slow is good enough.
        every: Whether all are wanted, of every Python that is meant.

    Raises:
        UsageError: Nothing may be handed out.
    """
    meant = [cell for cell in cells if machine.python in {"", cell.python}]
    if not meant:
        raise UsageError(
            f"no cell that is meant is of Python {machine.python}", "nox -s pins -- --all lists what there is"
        )
    any_python = not machine.python and {cell.python for cell in meant} == set(pythons)

    def look(some: Sequence[Cell]) -> list[CellReport]:
        return [machine.seen(report) for report in reports_of(some)]

    no_gpu = all(cell.plugin == NO_PLUGIN for cell in meant)
    note = bare = ""
    own = [cell for cell in meant if cell.python == machine.running]
    if any_python and machine.running and not every:
        good = _fitting(look(own), machine, degraded=degraded)
        if good and (no_gpu or good[0].cell.plugin != NO_PLUGIN):
            return Choice(tuple(good), len(own), any_python)
        note = f"Python {machine.running} runs here and has no good set with a plugin: uv brings another"
    reports = look(meant)
    good = _fitting(reports, machine, degraded=degraded)
    if not good:
        choose(reports, degraded=degraded)  # raises, unless it is the macOS that stands in the way
        least = min(ordered(reports, degraded=degraded), key=lambda report: Version(report.macos or "99"))
        raise UsageError(
            f"no pins are handed out for macOS {machine.macos_text}: of the sets that are meant "
            f"{least.cell.id} needs the least, macOS {least.macos or 'of a version that is not known'}"
            + (f", asked for by {least.macos_by}" if least.macos_by else ""),
            "name other versions; nox -s pins -- --all --macos "
            f"{machine.macos_text} lists what there is for that macOS",
        )
    if good[0].cell.plugin == NO_PLUGIN and not no_gpu:
        bare = "no set with a plugin may be handed out: this one has none, and TensorFlow runs on the CPU"
        others = [cell for cell in cells if cell not in meant and cell.plugin != NO_PLUGIN]
        pythons_with = {
            Version(report.cell.python) for report in _fitting(look(others), machine, degraded=degraded)
        }
        if pythons_with:
            newest = max(pythons_with)
            bare += f"; the newest Python with one is {newest}: nox -s pins -- --python {newest}"
    best = good[0].cell
    early = ""
    if Version(best.framework).is_prerelease:
        early = (
            f"TensorFlow {best.framework} is a pre-release: no final release that is meant may be handed out"
        )
    return Choice(tuple(good), len(meant), any_python, note, bare, early)


def _fitting(reports: Sequence[CellReport], machine: Machine, *, degraded: bool) -> list[CellReport]:
    return ordered((report for report in reports if machine.has_macos_for(report)), degraded=degraded)


def pythons_alike(
    chosen: CellReport, good: Sequence[CellReport], wanted: Callable[[Cell], object]
) -> tuple[str, ...]:
    """The Pythons around the chosen cell's for which the same pair is as good, and is asked for alike.

    Args:
        chosen: The report of the cell.
        good: What may be handed out.
        wanted: What is to be asked for, for a cell.
    """
    cell = chosen.cell
    alike = {
        int(report.cell.python.partition(".")[2])
        for report in good
        if replace(report.cell, python=cell.python) == cell
        and report.verdict.word == chosen.verdict.word
        and wanted(report.cell) == wanted(cell)
    }
    low = high = int(cell.python.partition(".")[2])
    while low - 1 in alike:
        low -= 1
    while high + 1 in alike:
        high += 1
    return tuple(f"3.{minor}" for minor in range(low, high + 1))
