"""Which cells a public report is about, and which it is near: pure, over what has been published.

A report is *about* a cell when it can mean only that framework release and only that plugin release, under a
name that installs them on Apple silicon, and the Python makes no difference: it is not named, is the cell's,
or has the very same library of the plugin (by sha256).  A Keras that it names is held against each set's.

It is *near* a cell when it names the same plugin release with another framework, or the same framework with
another plugin or none, or all of it with a Keras or a Python of which nothing follows for this cell.  Who
names no plugin may have had one: what went wrong after the import is near a cell without a plugin only where
the report says that there was none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from metalmatrix.cells.cell import CONDA_FORGE, NO_PLUGIN, Cell
from metalmatrix.published.releases import PLUGIN, published
from metalmatrix.published.targets import ARM64
from metalmatrix.verdicts.evidence import SETS, STAGES, Which

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalmatrix.published.targets import Target
    from metalmatrix.reported.reports import Report
    from metalmatrix.wheels.wheel_facts import Facts

    KerasOf = Callable[[Which], str | None]
    """Gives the Keras in a cell's pinned or plain set; None where there is none, or it is not known."""

SERIES = re.compile(r"([0-9]+\.[0-9]+)(?:\.x)?")
"""How people name all patches of a minor version: ``2.14``, ``0.1.x``."""


@lru_cache(maxsize=512)
def meant(distribution: str, version: str, date: str) -> tuple[str, ...]:
    """The published releases that a version as reported can mean, ascending; none for a bound or a nightly.

    Of a series they are the final ones, uploaded by the day of the report: nobody means a later one.

    Args:
        distribution: ``tensorflow``.
        version: ``2.14.0``, or a series: ``2.14``, ``0.1.x``.
        date: ``2023-11-28``, ``2023-11``, or empty where it is not known.
    """
    known = published(distribution)
    if version in known:
        return (version,)
    series = SERIES.fullmatch(version)
    if series is None:
        return ()
    wanted = Version(series[1]).release
    found = ((Version(text), release) for text, release in known.items())
    return tuple(
        release.version
        for parsed, release in found
        if parsed.release[:2] == wanted
        and not parsed.is_prerelease
        and (not date or release.uploaded[: len(date)] <= date)
    )


def frameworks_meant(report: Report) -> tuple[str, ...]:
    """The framework releases that the report can mean."""
    return meant(report.tf_dist, report.tf, report.date)


def plugins_meant(report: Report) -> tuple[str, ...]:
    """The releases of its plugin that the report can mean."""
    return meant(report.plugin, report.metal, report.date)


def leads_to(distribution: str, cell: Cell) -> bool:
    """Whether a name installs the cell's framework on Apple silicon: it is its name, or has a stub there."""
    release = published(distribution).get(cell.framework)
    wheels = release.wheels_for(cell.target) if release else ()
    return distribution == cell.distribution or bool(wheels)


def matches(report: Report, cell: Cell, facts: Facts) -> bool:
    """Whether the report is about *cell*, whatever its Keras."""
    return (
        cell.plugin != NO_PLUGIN
        and cell.route != CONDA_FORGE  # every report is of a wheel; of conda's builds there is none
        and frameworks_meant(report) == (cell.framework,)
        and report.plugin == cell.plugin_distribution
        and plugins_meant(report) == (cell.plugin,)
        and seen_on(report, cell.target)
        and leads_to(report.tf_dist, cell)
        and _same_plugin_file(report, cell, facts)
    )


def _same_plugin_file(report: Report, cell: Cell, facts: Facts) -> bool:
    """Whether the Python that was reported makes no difference to the plugin's code."""
    if not report.python or cell.python in report.pythons:
        return True
    here = _libraries(facts, cell, cell.python)
    return bool(here) and any(_libraries(facts, cell, python) == here for python in report.pythons)


def _libraries(facts: Facts, cell: Cell, python: str) -> frozenset[str]:
    wheel = facts.wheel(cell.plugin_distribution, cell.plugin, python, cell.target)
    return frozenset(library.sha256 for library in wheel.libraries) if wheel else frozenset()


def sets_meant(report: Report, keras: KerasOf) -> tuple[Which | Literal[""], ...]:
    """The sets of a cell whose Keras is one that the report is about; ``("",)`` for both."""
    if not report.keras:
        return ("",)
    wanted = SpecifierSet(report.keras)
    found = tuple(
        which for which in SETS if (version := keras(which)) and wanted.contains(version, prereleases=True)
    )
    return ("",) if found == SETS else found


def decides(report: Report, cell: Cell, facts: Facts, keras: KerasOf) -> tuple[Which | Literal[""], ...]:
    """The sets of *cell* for which the report is evidence.

    None where it is not about the cell, tells of a circumstance, or of what the resolver answers.
    """
    if not report.effect.tells or report.circumstance or not matches(report, cell, facts):
        return ()
    return sets_meant(report, keras)


def seen_on(report: Report, target: Target) -> bool:
    """Whether what is reported was seen on Macs of that kind: of an Intel Mac the chip says so."""
    return report.apple_silicon if target == ARM64 else "Intel" in report.chip


def is_shown(report: Report, target: Target = ARM64) -> bool:
    """Whether the report tells a user of a Mac anything: what can be installed the resolver knows better."""
    return seen_on(report, target) and report.effect.tells


def is_past_import(report: Report) -> bool:
    """Whether it failed after the import: at the GPU, in training, in its numbers or its speed."""
    stage = report.effect.stage
    return bool(stage) and STAGES.index(stage) > STAGES.index("import")


def is_near(report: Report, cell: Cell) -> bool:
    """Whether the report names the cell's framework or its plugin, and was seen on the cell's kind of Mac.

    A cell without a plugin has nothing in common with a report that names one, nor with a failure on a GPU.
    """
    if not is_shown(report, cell.target) or cell.route == CONDA_FORGE:
        return False
    plugin = report.plugin == cell.plugin_distribution and cell.plugin in plugins_meant(report)
    framework = cell.framework in frameworks_meant(report)
    if cell.plugin == NO_PLUGIN:
        named = report.metal or report.plugin != PLUGIN
        return framework and not named and (report.without_plugin or not is_past_import(report))
    return plugin or framework
