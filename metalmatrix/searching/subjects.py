"""What the searches are given: the cells that can be asked about here, their labs, and what others tell."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.cells import history
from metalmatrix.cells.cell import NO_PLUGIN, VENV, Cell
from metalmatrix.cells.matrix_file import load
from metalmatrix.errors import UsageError
from metalmatrix.published.releases import STAND_IN, distribution_of, published
from metalmatrix.published.targets import ARM64
from metalmatrix.published.uploads import fetch_uploads
from metalmatrix.resolving.repairs import load_repairs
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.running.host import this_host
from metalmatrix.running.interpreters import find_python
from metalmatrix.searching import breaks
from metalmatrix.searching.breaks import Past, load_breaks
from metalmatrix.searching.lab import Bench
from metalmatrix.searching.when import Known

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metalmatrix.resolving.repairs import Repair


def newest_here(as_of: dt.date) -> Iterator[Cell]:
    """Each final framework until that day, on the newest Python that it has a wheel for and that is here."""
    for name, version in history.frameworks():
        if Version(version).is_prerelease or version not in published(STAND_IN):
            continue
        release = published(name)[version]
        if dt.date.fromisoformat(release.uploaded) > as_of:
            continue
        files = [wheel.file for wheel in release.wheels]
        for python in reversed(history.pythons()):
            tag = f"-cp{python.replace('.', '')}-"
            if any(tag in file for file in files) and find_python(python):
                cell = Cell(python, version, NO_PLUGIN, distribution_of(version))
                if cell.distribution == name:
                    yield cell
                break


def released(cell: Cell, as_of: dt.date) -> dt.date:
    """The day from which on both, framework and plugin, were there.

    Raises:
        UsageError: That is after *as_of*.
    """
    found = [published(cell.distribution)[cell.framework]]
    if plugin := published(cell.plugin_distribution).get(cell.plugin):
        found.append(plugin)
    day = max(dt.date.fromisoformat(release.uploaded) for release in found)
    if day > as_of:
        raise UsageError(f"{cell.id} is of {day}, and not there as of {as_of}", "name a later day")
    return day


def bench(cell: Cell, as_of: dt.date) -> Bench:
    """The lab for a cell; none of its answers is later than *as_of*.

    Raises:
        UsageError, ToolMissingError: The cell cannot be asked about on this machine.
    """
    if cell.lite:
        raise UsageError(
            f"{cell.id}: what breaks a set is searched for TensorFlow alone, and this is {cell.product}",
            f"nox -s explain -- {cell.id}",
        )
    if cell.target != ARM64 or cell.route != VENV:
        usual = replace(cell, target=ARM64, route=VENV)
        raise UsageError(
            f"{cell.id}: this is searched for Apple silicon and virtual environments alone",
            f"nox -s when -- {usual.id}",
        )
    matrix, host = load(), this_host()
    stand_in = matrix.rehearse.stand_in.get(host.platform_key, "")
    return Bench(cell, host, stand_in, matrix.limits, Resolver(as_of))


@cache
def uploads(package: str) -> Mapping[str, dt.date]:
    """The days of a package's final releases; asked of the index once in a process."""
    return fetch_uploads(package)


def known_pasts() -> tuple[Past, ...]:
    """What was found before; nothing where the data is about to be made."""
    return load_breaks() if breaks.DATA.exists() else ()


def known_of(cell: Cell) -> Known:
    """What a search for *cell* can learn from the others."""
    days = {dt.date.fromisoformat(entry.since) for entry in load_repairs()}
    days |= {one.since for past in known_pasts() for one in past.breaks}
    return Known(tuple(sorted(days)), tuple(neighbours_bounds(cell)), uploads)


def neighbours_bounds(cell: Cell) -> list[str]:
    """The bounds to try first: the cell's own, then for each other package that of the nearest framework."""
    versions = [Version(version) for _, version in history.frameworks()]
    here = versions.index(Version(cell.framework)) if Version(cell.framework) in versions else 0

    def distance(repair: Repair) -> tuple[bool, int]:
        covered = [
            at
            for at, version in enumerate(versions)
            if repair.applies(Cell(cell.python, str(version), NO_PLUGIN, ""))
        ]
        return not repair.applies(cell), min((abs(at - here) for at in covered), default=len(versions))

    found: dict[str, str] = {}
    for repair in sorted(load_repairs(), key=distance):
        found.setdefault(repair.requirement.name, repair.bound)
    return list(found.values())
