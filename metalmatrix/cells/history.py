"""The history: every Python, framework and plugin ever published, as cells, impossible ones included.

What was published is in the data, so a new release is in the history as soon as the data has it.
LiteRT, which is no TensorFlow, has a history beside it.
"""

from __future__ import annotations

from functools import cache

from packaging.version import Version

from metalmatrix.cells.cell import LITE, NO_PLUGIN, Cell
from metalmatrix.published import releases
from metalmatrix.published.targets import ARM64, Target
from metalmatrix.wheels.wheel_facts import load_facts


@cache
def pythons(*, lite: bool = False) -> tuple[str, ...]:
    """The minor versions of Python that some published wheel for Apple silicon is for, ascending.

    Of wheels of frameworks and plugins, or of LiteRT's.
    """
    wheels = [
        wheel
        for wheel in load_facts().wheels
        if wheel.target == ARM64 and (wheel.distribution in releases.LITERT) == lite
    ]
    found = {tag.split("-")[0] for wheel in wheels for tag in wheel.tags}
    minors = sorted(int(tag[3:]) for tag in found if tag.startswith("cp3") and tag[3:].isdecimal())
    return tuple(f"3.{minor}" for minor in minors)


@cache
def frameworks(target: Target = ARM64) -> tuple[tuple[str, str], ...]:
    """Distribution and version of each release with binaries, ascending by version.

    For Intel Macs these are the final ones.
    """
    found = [
        (name, version)
        for name in releases.FRAMEWORKS
        for version, release in releases.published(name).items()
        if releases.has_binaries(release, target) and releases.distribution_of(version, target) == name
    ]
    if target != ARM64:
        found = [item for item in found if not Version(item[1]).is_prerelease]
    return tuple(sorted(found, key=lambda item: Version(item[1])))


@cache
def plugins(target: Target = ARM64) -> tuple[tuple[str, str], ...]:
    """Distribution and version of each plugin's releases, ascending, behind none at all."""
    found = [
        (name, version)
        for name in releases.PLUGINS
        for version, release in releases.published(name).items()
        if target == ARM64 or releases.has_binaries(release, target)
    ]
    return ((releases.PLUGIN, NO_PLUGIN), *found)


@cache
def cells(target: Target = ARM64) -> tuple[Cell, ...]:
    """Every combination for one kind of Macs: frameworks ascending, then plugins, then Pythons."""
    return tuple(
        Cell(python, version, plugin, name, plugin_name, target)
        for name, version in frameworks(target)
        for plugin_name, plugin in plugins(target)
        for python in pythons()
    )


@cache
def litert() -> tuple[Cell, ...]:
    """Every release of LiteRT under every Python that one is for, by each of its names."""
    return tuple(
        Cell(python, version, NO_PLUGIN, name, route=LITE)
        for name in releases.LITERT
        for version in releases.published(name)
        for python in pythons(lite=True)
    )


def read_anew() -> None:
    """Forget what was read of the data: it has been written since."""
    releases.read_anew()
    for cached in (load_facts, pythons, frameworks, plugins, cells, litert):
        cached.cache_clear()
