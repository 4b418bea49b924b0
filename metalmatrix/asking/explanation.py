"""One cell in plain sentences: from a report, and what is near it, to lines of text; pure.

The order is what somebody in trouble needs: what it comes to, what they would see, which macOS, how that is
known, what a plain install does, what to take instead, and what to type.  Every text that was written
elsewhere goes through `plain`; lines to be copied are marked, so that nothing breaks them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from metalmatrix.asking import install
from metalmatrix.asking.nearest import GOOD, nearest
from metalmatrix.cells.cell import CONDA_FORGE, LITE, NO_PLUGIN, VENV
from metalmatrix.published.compiled import BY_WHOM
from metalmatrix.published.releases import FRAMEWORKS, has_binaries, published
from metalmatrix.published.targets import ARM64, X86_64
from metalmatrix.reported.neighbours import summary
from metalmatrix.resolving.conda import SOLVER
from metalmatrix.resolving.floor import KNOWN
from metalmatrix.table.layout import short
from metalmatrix.text import plain, plain_lines
from metalmatrix.verdicts.observe import OWN
from metalmatrix.verdicts.verdict import SIGNS
from metalmatrix.wheels.link import FLAT_NAMESPACE, gone_since, link_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from metalmatrix.asking.nearest import Near, ReportsOf
    from metalmatrix.cells.cell import Cell
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.verdicts.evidence import Evidence
    from metalmatrix.verdicts.report import CellReport
    from metalmatrix.verdicts.verdict import Verdict
    from metalmatrix.wheels.link import Linked
    from metalmatrix.wheels.wheel_facts import Facts

FEW = 20
"""Cells up to which the nearest and the commands are in the JSON: for more it would take long."""

_MESSAGE, _SOURCE = 700, 200
_MOST_EVIDENCE = 12

FOUND = "The plugin's library finds in TensorFlow's libraries all that it asks for."
OWN_FOUND = "Its libraries are all in the wheel, or the system's."
_LITE_BROKEN = {
    "link": "It installs, but its interpreter cannot be imported: the loader of macOS misses a library.",
    "import": "It installs, but its interpreter cannot be imported.",
    "numerics": "It runs a model, and the numbers are wrong.",
}

_BROKEN = {
    "link": "It installs, but `import tensorflow` fails: the loader of macOS refuses the plugin.",
    "import": "It installs, but TensorFlow cannot be imported.",
    "device": "TensorFlow can be imported, but does not get as far as the GPU.",
    "matmul": "The GPU is there, but a product of two matrices fails on it.",
    "fit": "The GPU multiplies, but a small Keras model does not train.",
    "memory-limit": "A model trains, but a limit to the GPU's memory is not kept.",
    "numerics": "It runs, and its numbers are wrong.",
}


@dataclass(frozen=True)
class TextLine:
    """One line before it is broken into lines of a terminal.

    Attributes:
        parts: Texts, each with its style: a verdict's word, ``title``, ``command``, ``dim`` or none.
        indent: Columns before it.
        hang: Columns more before what does not fit and goes on below.
        whole: Whether it is to be copied, and so is never broken.
        aside: What stands behind it where there is room, and else below.
    """

    parts: tuple[tuple[str, str], ...]
    indent: int = 0
    hang: int = 0
    whole: bool = False
    aside: str = ""


def line(text: str = "", style: str = "", *, indent: int = 0, hang: int = 0, whole: bool = False) -> TextLine:
    """A line of one style."""
    return TextLine(((text, style),), indent, hang, whole)


@dataclass(frozen=True)
class Explained:
    """A report, and what to do about it.

    Attributes:
        near: The nearest cells that are better; none for one that is good.
        lock: The pinned set of the cell to install, where that is known.
    """

    report: CellReport
    near: tuple[Near, ...] = ()
    lock: Lock | None = None

    @property
    def to_install(self) -> Cell | None:
        """The cell to install: this one if it is good, else the nearest that is."""
        if self.report.verdict.word in GOOD:
            return self.report.cell
        return self.near[0].cell if self.near else None

    def to_json(self) -> dict[str, Any]:
        """The report as the machine interface tells it, with what to take instead and what to type."""
        return {
            **self.report.to_json(),
            "nearest": [near.to_json() for near in self.near],
            "install": list(install.from_nothing(self.to_install, self.lock)) if self.to_install else [],
        }


def explained(
    report: CellReport,
    universe: Iterable[Cell],
    reports_of: ReportsOf,
    lock_of: Callable[[Cell], Lock | None] = lambda _: None,
) -> Explained:
    """The report with the nearest cells of *universe* that are better, where it is not good itself.

    Args:
        report: The report.
        universe: The cells that may be taken instead.
        reports_of: Gives the reports of cells.
        lock_of: Gives the pinned set of a cell, where that is known.
    """
    good = report.verdict.word in GOOD
    found = Explained(report, () if good else nearest(report.cell, universe, reports_of))
    return replace(found, lock=lock_of(found.to_install)) if found.to_install else found


def lines(item: Explained, facts: Facts) -> Iterator[TextLine]:
    """The explanation of one cell.

    Args:
        item: The cell's report, and what is near it.
        facts: What is known of the wheels: the message of a plugin that cannot be loaded is made from it.
    """
    report = item.report
    verdict = report.verdict
    yield TextLine(((report.cell.id, "title"), ("  ", ""), (label(verdict), verdict.word)))
    yield line(_sentence(report))
    if report.cell.target == X86_64:
        yield line(_intel(report.cell))
    if told := install.BY_CONDA.get(report.cell.route):
        yield line(told)
    yield from _seen(report, facts)
    if report.macos:
        yield line()
        yield line(f"It needs macOS {report.macos} or later, asked for by {plain(report.macos_by, _SOURCE)}.")
        yield line(KNOWN, "dim")
    yield line()
    yield line("How that is known", "title")
    yield from _known(report)
    if report.neighbours:
        yield line()
        yield line("Reported near it, which changes no verdict", "title")
    for said, source in summary(report.neighbours):
        yield line(plain(said, _MESSAGE), indent=2)
        if source:
            yield line(plain(source, _SOURCE), "dim", indent=4)
    if report.plain_is_worse:
        worse = report.plain
        told = plain(worse.message, _MESSAGE).removeprefix(f"{worse.stage}: ")
        yield line()
        yield line("A plain install, without the bounds that are known to be needed, fares worse", "title")
        yield line(f"{label(worse)}: {told}", indent=2)
        for told in report.holds:
            yield line(plain(told, _MESSAGE), indent=2)
    yield from way_out(item)


def label(verdict: Verdict) -> str:
    """Sign and word, and where it fails: ``✗ broken at link``."""
    stage = f" at {verdict.stage}" if verdict.word == "broken" else ""
    return f"{SIGNS[verdict.word]} {verdict.word}{stage}"


def _sentence(report: CellReport) -> str:
    """What the verdict says, for somebody who knows none of the words."""
    verdict = report.verdict
    if verdict.word == "works":
        return "It works: the checks ran on a Mac, and all of them passed."
    if verdict.word == "likely":
        links = "its libraries find each other, " if report.cell.lite else ""
        if report.cell.plugin != NO_PLUGIN:
            links = "the plugin finds in TensorFlow all that it asks for, "
        return (
            f"It is likely to work: it installs, {links}and nothing is known against it. The checks have not "
            "run on a Mac yet."
        )
    if verdict.source:
        how = "runs, and is wrong or slow" if verdict.word == "degraded" else f"fails at {verdict.stage}"
        ran = any(item.kind == "ran" and item.run for item in report.evidence)
        return f"Somebody reports that it {how}." + ("" if ran else " The checks have not run on a Mac yet.")
    if verdict.word == "degraded":
        return "It runs, but something is wrong or slow."
    if verdict.word == "broken":
        return (_LITE_BROKEN if report.cell.lite else _BROKEN).get(
            verdict.stage, f"It fails at {verdict.stage}."
        )
    if verdict.word == "not-installable":
        of = "packages of the channel" if report.cell.route == CONDA_FORGE else "published wheels"
        return f"It cannot be installed: no set of {of} satisfies it."
    return f"It is not known whether it works: {plain(verdict.message, _MESSAGE)}."


def _intel(cell: Cell) -> str:
    """What is to be known of a cell for Intel Macs, and of the build that is not its framework."""
    told = "This is for Intel Macs, on which nothing has been run here"
    told += "; their AMD GPUs are what the plugin is for." if cell.plugin != NO_PLUGIN else "."
    other = next(name for name in FRAMEWORKS if name != cell.distribution)
    release = published(other).get(cell.framework)
    if release and has_binaries(release, cell.target):
        told += f" It is about {cell.distribution}; Apple's own build, {other}, is another, and was not read."
    return told


def _seen(report: CellReport, facts: Facts) -> Iterator[TextLine]:
    """What whoever installs the cell would see."""
    verdict = report.verdict
    if verdict.word not in {"degraded", "broken", "not-installable"}:
        return
    yield line()
    linked = link_cell(facts, report.cell) if verdict.stage == "link" else None
    if linked is None or linked.outcome != "fails":
        yield line("What is seen", "title")
        yield line(plain(verdict.message, 2 * _MESSAGE), indent=2)
        if verdict.source:
            yield line(plain(f"reported at {verdict.source}", _SOURCE), "dim", indent=2)
        return
    yield line("What you would see, paths below site-packages", "title")
    for text in plain_lines(linked.message, 4 * _MESSAGE).splitlines():
        yield line(text, indent=2, whole=True)
    if linked.demangled:
        yield line(f"The symbol is {plain(linked.demangled, _MESSAGE)}.", indent=2, hang=4)
    yield line(_expected(report.cell, linked, facts), indent=2)


def _expected(cell: Cell, linked: Linked, facts: Facts) -> str:
    """Where what is missing was expected, and since when it is gone."""
    if cell.lite:
        return (
            f"The wheel does not have the library {linked.library}, which its own modules are linked against."
        )
    framework = facts.framework(cell.framework, cell.python, cell.target)
    since = gone_since(facts, linked, framework) if framework else ""
    never = "no earlier TensorFlow for this Python is known to have had it"
    history = f"TensorFlow has no longer had it since {since}" if since else never
    if linked.symbol is None:
        return f"The library {linked.library} is missing; {history}."
    if linked.library == FLAT_NAMESPACE:
        return f"It was expected in any library that is loaded; {history}."
    return f"It was expected in {linked.library}; {history}."


# Evidence -------------------------------------------------------------------------------------


def _known(report: CellReport) -> Iterator[TextLine]:
    """Each piece of evidence as a sentence, below it kind, date and source; the same of both sets once."""
    groups: dict[Evidence, list[str]] = {}
    for item in report.evidence:
        groups.setdefault(replace(item, set=""), []).append(item.set)
    if not groups:
        yield line("Nothing is known of it yet.", indent=2)
    for item, sets in list(groups.items())[:_MOST_EVIDENCE]:
        again = item.message == report.verdict.message  # it has been told in full above
        yield line(evidence_sentence(item, brief=again, cell=report.cell), indent=2)
        both = " and ".join(sorted(filter(None, sets)))
        about = f"{both} set{'s' if ' ' in both else ''}" if both else ""
        where = ", ".join(filter(None, [item.kind, about, item.date, item.source]))
        yield line(plain(where, _SOURCE), "dim", indent=4)
        for note in item.notes:
            yield line(f"Noted, which changes no verdict: {plain(note, _MESSAGE)}", indent=4)
    if len(groups) > _MOST_EVIDENCE:
        yield line(f"{len(groups) - _MOST_EVIDENCE} more: --json has them all", "dim", indent=2)


def evidence_sentence(item: Evidence, *, brief: bool = False, cell: Cell | None = None) -> str:
    """One piece of evidence in a sentence; *brief* cuts what it says to the first statement."""
    target, product = (cell.target, cell.product) if cell else (ARM64, "TensorFlow")
    told = plain(item.told, _MESSAGE)
    if brief:
        told = short(told.partition(" (")[0])
    own = item.source == OWN
    taken = "its interpreter" if own else "the plugin's library"
    by = "The loader refuses" if item.stage == "link" else "TensorFlow does not take"
    of = "packages of the channel" if item.source == SOLVER else "published wheels"
    installs = f"It installs: a set of {of} for macOS {target} satisfies it."
    sentences = {
        ("resolved", "ok"): f"As far as is known here: {told}." if told.endswith(BY_WHOM) else installs,
        ("resolved", "fails"): f"It cannot be installed: {told}",
        ("linked", "ok"): OWN_FOUND if own else FOUND,
        ("linked", "fails"): f"{by} {taken}: {told}",
        ("reported", "ok"): f"Somebody reports: {told}",
        ("reported", "fails"): f"Somebody reports: {told}",
        ("rehearsed", "ok"): f"Another platform's build of the same {product} did well: {told}",
        ("rehearsed", "skipped"): f"It was not rehearsed: {told}",
        ("ran", "ok"): f"On a Mac the checks did well: {told}",
        ("ran", "fails"): f"On a Mac a check failed: {told}",
        ("ran", "skipped"): f"It was not run on that Mac: {told}",
    }
    if (item.kind, item.outcome) == ("rehearsed", "fails"):
        if not item.run:
            return f"A plain install breaks a bound that is known to be needed: {told}"
        aside = "and so it would on a Mac" if item.portable else "which tells nothing of a Mac"
        return f"Another platform's build of the same {product} failed, {aside}: {told}"
    subject = {
        "resolved": "Whether it installs",
        "linked": "Whether the loader takes it" if own else "Whether the loader takes the plugin",
        "reported": "What somebody says of it",
        "rehearsed": "What another platform's build does",
        "ran": "What it does on that Mac",
    }[item.kind]
    return sentences.get((item.kind, item.outcome), f"{subject} could not be found out: {told}")


# The way out ----------------------------------------------------------------------------------


def way_out(item: Explained, instead_of: str = "it") -> Iterator[TextLine]:
    """What to take instead of a cell that is not good, and what to type."""
    good = item.report.verdict.word in GOOD
    if not good:
        yield line()
        if not item.near:
            yield line("No cell near it is known to be better.")
            return
        yield line(f"What to take instead of {instead_of}, the nearest first", "title")
        for near in item.near:
            yield TextLine(
                ((f"{SIGNS[near.verdict]} {near.verdict}", near.verdict), (f"  {near.cell.id}", "")), 2
            )
            yield line(near.told, indent=4)
    if cell := item.to_install:
        yield line()
        yield line("To install it" if good else "To install the first of them", "title")
        for text in install.from_nothing(cell, item.lock):
            yield line(text, "command", indent=2, whole=True)
        if cell.route in {VENV, LITE}:
            yield line(f"or, in an environment of Python {cell.python}:", indent=2)
            yield line(install.with_pip(cell, item.lock), "command", indent=2, whole=True)
