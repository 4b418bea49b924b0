"""The whole history on a page: neighbouring releases that fare alike share a row or a column.

Pure: reports in, rows of plain text out.  A field holds the Pythons by verdict; those that nothing can be
installed for are left out wherever another verdict exists.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from packaging.version import Version

from metalmatrix.published.compiled import sdist_of
from metalmatrix.published.releases import published
from metalmatrix.table.layout import grid
from metalmatrix.verdicts.report import counts
from metalmatrix.verdicts.verdict import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from metalmatrix.table.layout import Line
    from metalmatrix.verdicts.report import CellReport

_T = TypeVar("_T")
_NAMED = 4
"""Of more wheels that ask for one macOS, the first are named."""


@dataclass(frozen=True)
class Overview:
    """The history in few rows.

    Attributes:
        columns: The heads: plugins, or a range of them.
        rows: Frameworks, or a range of them, with the lines of each field.
        counts: Cells by verdict.
        failures: What dyld says, with how many cells it says it of, the most frequent first.
        later: What fails once dyld is content, after the stage that it fails at, the same way.
        refusals: Why nothing can be installed, the same way.
        macos: What the installable cells ask of macOS: version, cells, the wheels that ask for it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[Line, ...], ...]], ...]
    counts: dict[str, int]
    failures: tuple[tuple[str, int], ...]
    later: tuple[tuple[str, int], ...]
    refusals: tuple[tuple[str, int], ...]
    macos: tuple[tuple[str, int, str], ...]


def overview(reports: Iterable[CellReport]) -> Overview:
    """The reports of any cells, folded."""
    reports = tuple(reports)
    table = grid(reports)
    lines = {key: _without_refusals(found) for key, found in table.fields.items()}
    columns = _runs(
        table.plugins, lambda plugin: (_name(plugin), [lines.get((f, plugin)) for f in table.frameworks])
    )
    broken = [item for item in reports if item.verdict.word == "broken"]
    firsts = [column[0] for column in columns]
    rows = _runs(table.frameworks, lambda framework: [lines.get((framework, p)) for p in firsts])
    return Overview(
        tuple(_range(column, f"{_name(column[0])} ") for column in columns),
        tuple((_range(row), tuple(lines.get((row[0], plugin), ()) for plugin in firsts)) for row in rows),
        {word: number for word in VERDICTS if (number := counts(reports).get(word))},
        _by_frequency(
            item.verdict.message.partition(" (")[0]  # the line itself; what follows differs by release
            for item in broken
            if item.verdict.stage == "link"
        ),
        _by_frequency(
            f"{item.verdict.stage}: {item.verdict.message.rpartition(' (')[0] or item.verdict.message}"
            for item in broken
            if item.verdict.stage != "link"
        ),
        _by_frequency(_refusal(item) for item in reports if item.verdict.word == "not-installable"),
        _floors(reports),
    )


def _name(plugin: str) -> str:
    """A column's head without the version: releases of one plugin may share a column."""
    return plugin.rpartition(" ")[0]


def _without_refusals(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    kept = tuple(line for line in lines if line.word != "not-installable")
    return kept or lines


def _runs(versions: Sequence[_T], alike: Callable[[_T], object]) -> list[list[_T]]:
    """Neighbours that are alike, together."""
    found: list[list[_T]] = []
    for version in versions:
        if found and alike(found[-1][-1]) == alike(version):
            found[-1].append(version)
        else:
            found.append([version])
    return found


def _range(names: Sequence[str], prefix: str = "") -> str:
    """The first and the last: ``metal 0.1.0-0.3.0``."""
    return names[0] if len(names) == 1 else f"{names[0]}-{names[-1].removeprefix(prefix)}"


def _refusal(item: CellReport) -> str:
    """Which of the two kinds of *no* it is: no wheel of the two themselves, or a dependency without one."""
    blame, day = next(((e.blame, e.date) for e in item.evidence if e.stage == "resolve"), ("", ""))
    versions = {
        item.cell.distribution: item.cell.framework,
        item.cell.plugin_distribution: item.cell.plugin,
    }
    release = published(blame).get(versions.get(blame, ""))
    if release and release.uploaded > day:
        return f"{blame} was uploaded after that day"
    if sdist_of(item.cell) and blame == item.cell.plugin_distribution:
        return f"{blame} does not take this Python"
    if blame in {item.cell.distribution, item.cell.plugin_distribution}:
        return f"{blame} has no wheel for this Python"
    return f"a dependency has no wheel that would do: {blame or 'see nox -s explain'}"


def _by_frequency(texts: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(texts).most_common())


def _floors(reports: Iterable[CellReport]) -> tuple[tuple[str, int, str], ...]:
    found: dict[str, Counter[str]] = {}
    for item in reports:
        if item.macos:
            found.setdefault(item.macos, Counter())[item.macos_by] += 1
    told = []
    for macos in sorted(found, key=Version, reverse=True):
        by = [text for text, _ in found[macos].most_common() if text.endswith(")") and text.count("(") == 1]
        more = f" and {len(by) - _NAMED} more" if len(by) > _NAMED else ""
        told.append((macos, found[macos].total(), ", ".join(by[:_NAMED]) + more))
    return tuple(told)
