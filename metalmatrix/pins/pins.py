"""Which pins are handed out, and their requirements file: every wheel by hash, each bound with its reason.

What is known to fail is never handed out, and what is degraded only to who says so.  Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.errors import UsageError
from metalmatrix.published.compiled import sdist_of
from metalmatrix.resolving.question import MACOS_TARGET
from metalmatrix.text import plain
from metalmatrix.verdicts.verdict import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.repairs import Repair
    from metalmatrix.verdicts.evidence import Evidence
    from metalmatrix.verdicts.report import CellReport

_ORDER = ("works", "likely", "degraded")
_LONGEST, _LONGEST_COMMAND = 300, 5000
"""Characters of a comment that somebody else wrote, and of a command, which must be whole to be of use."""

VENV_PYTHON = ".venv/bin/python"
"""Where the interpreter is of the environment that the commands of most forms make."""

KNOWN = {
    "proven": "the checks ran on a Mac, and all of them passed",
    "reported": "somebody reports that it works; the checks have not proven it on a Mac yet",
    "predicted": "it installs and nothing is known against it; no run on a Mac proves it yet",
    "degraded": "it runs, but something is wrong or slow",
}
"""How well a set is known, the best first, each word with what it means."""


@dataclass(frozen=True)
class PinSet:
    """What is handed out.

    Attributes:
        report: What is known of the cell.
        lock: Its pinned set, with the companions where there are any.
        repairs: The bounds that apply to it, with the day and the upload that made each needed.
        as_of: The day it was resolved for.
        companions: Names of the packages that were asked for beside it.
        said: Sentences for the header: for which machine, what the companions changed.
        again: What to type behind ``nox -s pins --`` to have it again.
        pythons: The Pythons it may be written for, where the file is not for the cell's alone.
    """

    report: CellReport
    lock: Lock
    repairs: tuple[Repair, ...]
    as_of: str
    companions: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    again: str = ""
    pythons: tuple[str, ...] = ()

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Why each bounded package is bounded, by its name."""
        why: dict[str, list[str]] = {}
        for repair in self.repairs:
            since = f"{repair.check} fails since {repair.since}, by {repair.upload}"
            why.setdefault(repair.requirement.name, []).append(f"{repair.bound}: {repair.why} ({since})")
        return why


def known(report: CellReport) -> str:
    """How well a set is known that may be handed out: a word of `KNOWN`."""
    if report.verdict.word != "likely":
        return "proven" if report.verdict.word == "works" else "degraded"
    reported = any(item.kind == "reported" and item.outcome == "ok" for item in _about_pinned(report))
    return "reported" if reported else "predicted"


def ordered(reports: Iterable[CellReport], *, degraded: bool = False) -> list[CellReport]:
    """Those of the cells that may be handed out, the best first.

    What is degraded last; with a plugin before without, so that a proof for the CPU hides no GPU; proven
    before predicted, and what somebody reports to work between the two; final releases before others,
    fewer failing neighbours, then the newest.

    Args:
        reports: The cells that are asked about.
        degraded: Whether a cell that runs, with something wrong or slow, is good enough.
    """
    words = _ORDER if degraded else _ORDER[:2]
    good = [item for item in reports if item.verdict.word in words and sdist_of(item.cell) is None]
    good.sort(key=lambda item: item.cell.sort_key, reverse=True)

    def key(item: CellReport) -> tuple[object, ...]:
        # Whoever wants no plugin says so; whoever names none wants the GPU.
        return (
            item.verdict.word == "degraded",
            item.cell.plugin == NO_PLUGIN,
            list(KNOWN).index(known(item)),
            Version(item.cell.framework).is_prerelease,
            item.rank,
        )

    return sorted(good, key=key)


def choose(reports: Iterable[CellReport], *, degraded: bool = False) -> CellReport:
    """The best of the cells that may be handed out: the first of `ordered`.

    Args:
        reports: The cells that are asked about.
        degraded: Whether a cell that runs, with something wrong or slow, is good enough.

    Raises:
        UsageError: None may be handed out.
    """
    reports = tuple(reports)
    if good := ordered(reports, degraded=degraded):
        return good[0]
    if reports and all(item.verdict.word in _ORDER[:2] for item in reports):
        found = "it is published as an sdist, which is compiled on the Mac"
    else:
        number = Counter(item.verdict.word for item in reports)
        found = ", ".join(f"{number[word]} {word}" for word in VERDICTS if number[word]) or "not there"
    hint = ""
    if reports:
        best = min(reversed(reports), key=lambda item: list(VERDICTS).index(item.verdict.word))
        hint = f"nox -s explain -- {best.cell.id} says why, and what to take instead"
    if any(item.verdict.word == "degraded" for item in reports):
        hint = f"add --allow-degraded to have it all the same; {hint}"
    raise UsageError(f"no pins are handed out of the {_cells(len(reports))} meant: {found}", hint)


def _cells(number: int) -> str:
    return f"{number} cell that is" if number == 1 else f"{number} cells that are"


def requirements(report: CellReport, lock: Lock, repairs: Iterable[Repair], as_of: str) -> str:
    """The requirements file of a cell's pinned set.

    Args:
        report: What is known of the cell.
        lock: Its pinned set.
        repairs: The bounds that apply to it, with the day and the upload that made each needed.
        as_of: The day it was resolved for.
    """
    return requirements_file(PinSet(report, lock, tuple(repairs), as_of))


def requirements_file(pins: PinSet) -> str:
    """The file: comments that say what it is and how it is known, then a package a line with its hashes."""
    install = f"uv venv --python {pins.report.cell.python} && uv pip install --require-hashes -r FILE"
    lines = [*header(pins, install), ""]
    for package, line in zip(pins.lock.packages, pins.lock.requirements().splitlines(), strict=True):
        lines += [comment(text) for text in pins.reasons.get(package.name, [])]
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def header(pins: PinSet, install: str, python: str = VENV_PYTHON) -> Iterator[str]:
    """What it is, how that is known, for whom, and what to type, as lines of comments.

    Args:
        pins: What is handed out.
        install: The command that installs the file.
        python: Where the interpreter then is, as a shell takes it; `metalmatrix` need not be in there.
    """
    report = pins.report
    cell, verdict = report.cell, report.verdict
    yield comment(f"{cell.id}: {verdict.word}: {verdict.message}")
    yield comment(f"{known(report)}: {KNOWN[known(report)]}")
    yield from map(comment, _evidence(report, pins.as_of))
    needs = f" and macOS {report.macos} or later, asked for by {report.macos_by}" if report.macos else ""
    yield comment(f"needs Python {cell.python}{needs}")
    for text in pins.said:
        yield comment(text, _LONGEST_COMMAND)
    yield comment(f"to make this again: nox -s pins -- {pins.again or cell.id}", _LONGEST_COMMAND)
    yield comment(f"to install it: {install}", _LONGEST_COMMAND)
    yield comment(f"to check what was installed: python3 -m metalmatrix check --python {python}")
    yield from map(comment, report.holds)


def comment(text: str, limit: int = _LONGEST) -> str:
    """A text from elsewhere as one comment line of a requirements file, of TOML or of YAML.

    Nothing in it ends the line, and nothing makes the file unreadable: YAML takes no characters that are
    none, and a reader of requirements may take a backslash at the end for a line that goes on.
    """
    kept = "".join(char for char in plain(text, limit) if char.isprintable())
    return f"# {kept}".rstrip("\\ ")


def _evidence(report: CellReport, as_of: str) -> Iterator[str]:
    """Each piece of evidence about the pinned set that says something: what, when, and where."""
    told = {
        "resolved": f"for macOS {MACOS_TARGET} on arm64",
        "linked": "the plugin's library finds in TensorFlow's libraries all that it asks for",
    }
    for item in _about_pinned(report):
        if item.outcome not in {"ok", "fails"}:
            continue
        date = as_of if item.kind == "resolved" else item.date
        what = told.get(item.kind, item.told) if item.outcome == "ok" else item.told
        where = "" if item.kind in told else item.source
        yield ", ".join(filter(None, [f"{item.kind} {date}: {what}", where]))


def _about_pinned(report: CellReport) -> list[Evidence]:
    return [item for item in report.evidence if item.set in {"", "pinned"}]
