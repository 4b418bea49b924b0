"""The pins of a cell as a requirements file: its pinned set, every wheel by hash, each bound with its reason.

What is known to fail is never handed out, and what is degraded only to who says so.  Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.errors import UsageError
from metalmatrix.published.compiled import sdist_of
from metalmatrix.resolving.question import MACOS_TARGET
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.repairs import Repair
    from metalmatrix.verdicts.report import CellReport

_ORDER = ("works", "likely", "degraded")
_LONGEST = 300


def choose(reports: Iterable[CellReport], *, degraded: bool = False) -> CellReport:
    """The best of the cells that may be handed out.

    Proven before predicted, with a plugin before without, fewer failing neighbours, then the newest.

    Args:
        reports: The cells that are asked about.
        degraded: Whether a cell that runs, with something wrong or slow, is good enough.

    Raises:
        UsageError: None may be handed out.
    """
    reports = tuple(reports)
    words = _ORDER if degraded else _ORDER[:2]
    good = [item for item in reports if item.verdict.word in words and sdist_of(item.cell) is None]
    if good:
        good.sort(key=lambda item: item.cell.sort_key, reverse=True)
        # Whoever wants no plugin says so; whoever names none wants the GPU.
        return min(
            good, key=lambda item: (words.index(item.verdict.word), item.cell.plugin == NO_PLUGIN, item.rank)
        )
    found = ", ".join(sorted({item.verdict.word for item in reports})) or "not there"
    hint = f"nox -s explain -- {reports[0].cell.id} says why, and what to take instead" if reports else ""
    if any(item.verdict.word == "degraded" for item in reports):
        hint = f"add --allow-degraded to have it all the same; {hint}"
    raise UsageError(f"no pins are handed out: every cell that is meant is {found}", hint)


def requirements(report: CellReport, lock: Lock, repairs: Iterable[Repair], as_of: str) -> str:
    """The file: comments that say what it is and how it is known, then a package a line with its hashes.

    Args:
        report: What is known of the cell.
        lock: Its pinned set.
        repairs: The bounds that apply to it, with the day and the upload that made each needed.
        as_of: The day it was resolved for.
    """
    comments = [*_head(report, as_of), ""]
    why: dict[str, list[str]] = {}
    for repair in repairs:
        why.setdefault(repair.requirement.name, []).append(
            f"{repair.bound}: {repair.why} ({repair.check} fails since {repair.since}, by {repair.upload})"
        )
    lines = [_comment(text) for text in comments]
    for package, line in zip(lock.packages, lock.requirements().splitlines(), strict=True):
        lines += [_comment(text) for text in why.get(package.name, [])]
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _comment(text: str) -> str:
    return f"# {plain(text, _LONGEST)}".rstrip() if text else ""


def _head(report: CellReport, as_of: str) -> Iterator[str]:
    cell, verdict = report.cell, report.verdict
    yield f"{cell.id}: {verdict.word}: {verdict.message}"
    kinds = sorted({item.kind for item in report.evidence if item.outcome in {"ok", "fails"}})
    yield f"known by: {', '.join(kinds)}; resolved for macOS {MACOS_TARGET} on arm64 as of {as_of}"
    needs = f" and macOS {report.macos} or later, asked for by {report.macos_by}" if report.macos else ""
    yield f"needs Python {cell.python}{needs}"
    yield f"to make this file again: nox -s pins -- {cell.id}"
    yield f"to install it: uv venv --python {cell.python} && uv pip install --require-hashes -r FILE"
    yield from report.holds
