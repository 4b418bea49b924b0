"""The history: every Python, framework and plugin ever published, as cells, impossible ones included.

What was published is in the data, so a new release is in the history as soon as the data has it.
"""

from __future__ import annotations

from functools import cache

from packaging.version import Version

from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.published import releases
from metalmatrix.wheels.wheel_facts import load_facts


@cache
def pythons() -> tuple[str, ...]:
    """The minor versions of Python that some published wheel is for, ascending."""
    found = {tag.split("-")[0] for wheel in load_facts().wheels for tag in wheel.tags}
    minors = sorted(int(tag[3:]) for tag in found if tag.startswith("cp3") and tag[3:].isdecimal())
    return tuple(f"3.{minor}" for minor in minors)


@cache
def frameworks() -> tuple[tuple[str, str], ...]:
    """Distribution and version of each release with binaries, ascending by version."""
    found = [
        (name, version)
        for name in releases.FRAMEWORKS
        for version, release in releases.published(name).items()
        if releases.has_binaries(release)
    ]
    return tuple(sorted(found, key=lambda item: Version(item[1])))


@cache
def plugins() -> tuple[tuple[str, str], ...]:
    """Distribution and version of each plugin's releases, ascending, behind none at all."""
    found = [(name, version) for name in releases.PLUGINS for version in releases.published(name)]
    return ((releases.PLUGIN, NO_PLUGIN), *found)


@cache
def cells() -> tuple[Cell, ...]:
    """Every combination: frameworks ascending, then plugins, then Pythons."""
    return tuple(
        Cell(python, version, plugin, name, plugin_name)
        for name, version in frameworks()
        for plugin_name, plugin in plugins()
        for python in pythons()
    )


def read_anew() -> None:
    """Forget what was read of the data: it has been written since."""
    releases.read_anew()
    for cached in (load_facts, pythons, frameworks, plugins, cells):
        cached.cache_clear()
