"""A plugin that is published as an sdist only: what can be said of it from here, and what cannot.

It is compiled on the Mac by whoever installs it, and nothing is built here.  So what its sdist declares
takes its place in the question to the resolver, and the answer is about that: where the build may declare
otherwise (PEP 643), a *no* is *unknown*.  Whether its library loads is *unknown* always.  Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from metalmatrix.published import releases
from metalmatrix.published.releases import FRAMEWORKS
from metalmatrix.resolving.question import Answer
from metalmatrix.text import plain

if TYPE_CHECKING:
    import datetime as dt

    from metalmatrix.cells.cell import Cell
    from metalmatrix.published.releases import Sdist
    from metalmatrix.resolving.lock import Lock

BY_WHOM = "it is compiled on the Mac by whoever installs it"
"""How a sentence ends that says that a plugin can be installed, as far as can be known."""

SOURCE = "the published sdist's PKG-INFO"
_MOST = 1800
"""Characters of the resolver's sentence that are told: a record's line has room for 2500."""


def sdist_of(cell: Cell) -> Sdist | None:
    """The sdist that is all there is of the cell's plugin; None where there is a wheel, or no plugin."""
    release = releases.published(cell.plugin_distribution).get(cell.plugin)
    return release.sdist if release else None


def requirements(cell: Cell) -> tuple[str, ...]:
    """What to ask the resolver for, for the cell's plugin: the plugin, or what its sdist declares."""
    sdist = sdist_of(cell)
    return sdist.requires if sdist else (f"{cell.plugin_distribution}=={cell.plugin}",)


def judged(cell: Cell, answer: Answer, as_of: dt.date) -> Answer:
    """What an answer of the resolver says of *cell*.

    Args:
        cell: The cell.
        answer: About its plugin alone, or with its framework; the framework alone can be had.
        as_of: The last day whose uploads count.
    """
    sdist = sdist_of(cell)
    if sdist is None or answer.outcome == "unknown":
        return answer
    if no := refusal(cell, as_of):
        return no
    declares = f"{_name(cell)} declares {_declares(sdist)}, which cannot be met in this cell"
    if answer.outcome == "fails":
        why, blame = plain(answer.message, _MOST), answer.blame or cell.plugin_distribution
        return _no(sdist, "requires-dist", declares, blame, why)
    if second := _second(cell, answer.lock):
        why = f"{second} would be installed over {cell.distribution} {cell.framework}"
        return _no(sdist, "requires-dist", declares, second.split()[0], why)
    message = (
        f"the requirements that the sdist of {_name(cell)} declares can be met ({_declares(sdist)}); "
        f"{BY_WHOM}"
    )
    return replace(answer, message=message)


def refusal(cell: Cell, as_of: dt.date) -> Answer | None:
    """Why the plugin does not go with its cell, as far as that is known without asking the resolver."""
    sdist = sdist_of(cell)
    if sdist is None:
        return None
    uploaded = releases.published(cell.plugin_distribution)[cell.plugin].uploaded
    if uploaded > as_of.isoformat():
        late = f"{_name(cell)} was uploaded on {uploaded}, after {as_of}"
        return _no(sdist, "", late, cell.plugin_distribution)
    if not SpecifierSet(sdist.requires_python).contains(cell.python):
        needs = f"{_name(cell)} needs Python {sdist.requires_python}"
        return _no(sdist, "requires-python", needs, cell.plugin_distribution)
    for requirement in map(Requirement, sdist.requires):
        # Under either name: the other one would be a second TensorFlow.
        excludes = not requirement.specifier.contains(cell.framework, prereleases=True)
        if requirement.name in FRAMEWORKS and not requirement.marker and excludes:
            declares = f"{_name(cell)} declares {requirement}, and this is TensorFlow {cell.framework}"
            return _no(sdist, "requires-dist", declares, requirement.name)
    return None


def not_linked(cell: Cell) -> str:
    """Why nothing is known of what dyld makes of the plugin; empty where there is a wheel, or no plugin."""
    sdist = sdist_of(cell)
    if sdist is None:
        return ""
    return (
        f"{_name(cell)} is an sdist, compiled on the Mac: whether its library loads, and what its kernels "
        "compute, cannot be known from here. It is compiled against the TensorFlow installed there, declares "
        f"{_declares(sdist)}{_python(sdist)}; what it will link with, and the tools that compile it, are "
        "not declared"
    )


def not_run(cell: Cell) -> str:
    """Why no checks run on a Mac; empty where there is a wheel, or no plugin."""
    if sdist_of(cell) is None:
        return ""
    return (
        f"{_name(cell)} is an sdist, and nothing is compiled here: install it yourself, then "
        "`python -m metalmatrix check --python PATH` runs the checks"
    )


def _no(sdist: Sdist, field: str, what: str, blame: str, why: str = "") -> Answer:
    """The answer *no*, or *unknown* where the build may declare *field* otherwise; both blame somebody."""
    doubt = "; it is compiled on the Mac, and may declare otherwise then" if field in sdist.dynamic else ""
    message = f"{what}{doubt}{': ' if why else ''}{why}"
    return Answer("unknown" if doubt else "fails", message=message, blame=blame)


def _name(cell: Cell) -> str:
    return f"{cell.plugin_distribution} {cell.plugin}"


def _declares(sdist: Sdist) -> str:
    """What has to be installed with it, but for its extras."""
    plainly = [line for line in sdist.requires if "extra ==" not in line]
    return plain(", ".join(plainly), 200) or "no requirements"


def _python(sdist: Sdist) -> str:
    return f" and needs Python {sdist.requires_python}" if sdist.requires_python else ""


def _second(cell: Cell, lock: Lock | None) -> str:
    """A TensorFlow of another version than the cell's that a set holds as well; empty where none does.

    Both names install the same files: uv resolves them side by side, and the later one wins.
    """
    versions = lock.versions if lock else {}
    wanted = Version(cell.framework).base_version
    return next(
        (
            f"{name} {versions[name]}"
            for name in FRAMEWORKS
            if name in versions and Version(versions[name]).base_version != wanted
        ),
        "",
    )
