"""Keeping score: how often `linked` was right, where somebody saw the import.

An observation of an import is a public report that names a framework and a plugin, or a run of the checks on
Apple silicon.  It is held against what the loader's rules say of the same wheels: agreement, disagreement, or
not comparable, with the reason.  The rules are the same for every observation, whatever comes out.  Pure.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix_file import PYTHONS
from metalmatrix.errors import UsageError
from metalmatrix.kernels.kernel_facts import load_kernels
from metalmatrix.published.releases import PLUGIN, distribution_of
from metalmatrix.reported.about import frameworks_meant, leads_to, plugins_meant
from metalmatrix.verdicts.evidence import SETS
from metalmatrix.verdicts.observe import from_linked
from metalmatrix.verdicts.votes import may_not_vote, uncounted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from metalmatrix.reported.reports import Report
    from metalmatrix.running.record import Run
    from metalmatrix.running.results import Results
    from metalmatrix.verdicts.evidence import Which
    from metalmatrix.wheels.wheel_facts import Facts

PAGE = "docs/accuracy.md"
_WITHOUT_PLUGIN = "-nometal"

Result = Literal["agreement", "disagreement", "not comparable"]


@dataclass(frozen=True)
class Comparison:
    """One observation beside what `linked` says.

    Attributes:
        observation: The report's id; or the host, the cell and the set that ran.
        about: What it names.
        seen: What was seen, in a half-sentence.
        linked: What the loader's rules say: ``ok``, ``fails``; empty where nothing was asked of them.
        result: What comes of it.
        reason: Why it is not comparable; empty where it is.
        date: Of the observation.
        source: The report's address; empty for a run, which is in ``results/``.
        pairs: The framework and plugin releases that it may be of: ``tf2.18.0-metal1.1.0``.
        inferred: Which fields of a report its source does not say in so many words.
    """

    observation: str
    about: str
    seen: str
    linked: str
    result: Result
    reason: str
    date: str
    source: str = ""
    pairs: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Score:
    """Every observation, compared."""

    comparisons: tuple[Comparison, ...]

    def of(self, result: Result) -> tuple[Comparison, ...]:
        """Those with one result, in their order."""
        return tuple(item for item in self.comparisons if item.result == result)

    @property
    def compared(self) -> tuple[Comparison, ...]:
        """Those that can be compared."""
        return tuple(item for item in self.comparisons if item.result != "not comparable")

    @property
    def pairs(self) -> int:
        """How many pairs of releases were compared, at least: what may be of one that counts adds none."""
        number, seen = 0, set[str]()
        for item in sorted(self.compared, key=lambda item: len(item.pairs)):
            number += seen.isdisjoint(item.pairs)
            seen.update(item.pairs)
        return number

    @property
    def agreed(self) -> str:
        """What was foreseen, how it came out, and what that rests on.

        ``agreed with 3 of 3 observations of imports (1 failed, 2 went well; 2 pairs)``, and of how many
        the plugin is inferred, where it is of any.
        """
        right, all_ = self.of("agreement"), self.compared
        failed = sum(item.linked == "fails" for item in right)
        inferred = sum("metal" in item.inferred for item in all_)
        rests_on = [f"{failed} failed, {len(right) - failed} went well", counted(self.pairs, "pair")]
        rests_on += [f"the plugin of {inferred} is inferred"] if inferred else []
        of = counted(len(all_), "observation")
        return f"agreed with {len(right)} of {of} of imports ({'; '.join(rests_on)})"

    @property
    def line(self) -> str:
        """It in a line, with the page that has them all."""
        if not self.compared:
            return "no observation of an import can be compared with linked yet"
        return f"linked {self.agreed}: {PAGE}"


def counted(number: int, noun: str) -> str:
    """A number of things: ``1 pair``, ``2 pairs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def score(reports: Iterable[Report], hosts: Iterable[Results], facts: Facts) -> Score:
    """All observations there are, reports first, each compared with what `linked` says."""
    found = [compare_report(report, facts) for report in reports]
    for results in sorted(hosts, key=lambda results: results.host):
        found += compare_runs(results, facts)
    return Score(tuple(found))


def compare_report(report: Report, facts: Facts) -> Comparison:
    """One report beside what `linked` says of every cell it may mean."""
    cells, reason = cells_meant(report, facts)
    inferred = f" (inferred: {', '.join(report.inferred_fields)})" if report.inferred_fields else ""
    seen = f"{report.effect.words}: {report.error or report.works_level}"
    found = _compared(
        (report.id, f"{report.named}{inferred}", seen),
        report.effect.imported,
        {_linked(facts, cell) for cell in cells},
        reason,
        (report.date, report.source_url),
    )
    return replace(found, pairs=_pairs(cells), inferred=report.inferred_fields)


def cells_meant(report: Report, facts: Facts) -> tuple[tuple[Cell, ...], str]:
    """The cells whose import the report may tell of, and why there are none (empty where there are)."""
    if report.circumstance:
        return (), report.circumstance
    if report.effect.imported is None:
        return (), "it does not tell of the import"
    if report.plugin != PLUGIN:
        return (), f"it is about {report.plugin}"
    if not report.metal:
        return (), "it names no plugin release"
    frameworks, plugins = frameworks_meant(report), plugins_meant(report)
    if not frameworks or not plugins:
        return (), "it names no release that is known"
    # A Python that is named must answer; where none is, it is one of those that both have wheels for.
    cells = tuple(
        cell
        for framework in frameworks
        for plugin in plugins
        for python in report.pythons or PYTHONS
        if leads_to(report.tf_dist, cell := Cell(python, framework, plugin, distribution_of(framework)))
        and (report.pythons or has_wheels(cell, facts))
    )
    return cells, "" if cells else "no wheels for Apple silicon have these names"


def has_wheels(cell: Cell, facts: Facts) -> bool:
    """Whether framework and plugin both have a wheel with binaries for the cell's Python."""
    wanted = ((cell.distribution, cell.framework), (cell.plugin_distribution, cell.plugin))
    return all(facts.wheel(name, version, cell.python) for name, version in wanted)


def compare_runs(results: Results, facts: Facts) -> Iterator[Comparison]:
    """What one host saw of imports with a plugin, beside what `linked` says; nothing where it is no Mac."""
    for name, record in sorted(results.records.items()) if results.apple_silicon else ():
        told: list[Run] = []  # a run of two sets that are one environment is one observation
        for which in SETS:
            run = results.run(record, which)
            if name.endswith(_WITHOUT_PLUGIN) or run is None or run.kind != "ran" or run in told:
                continue
            told.append(run)
            yield _compare_run(results, name, which, run, facts)


def _compare_run(results: Results, name: str, which: Which, run: Run, facts: Facts) -> Comparison:
    check = next((check for check in run.checks if check.check == "import"), None)
    imported = {"passed": True, "failed": False}.get(check.outcome) if check else None
    seen = f"import {check.outcome}: {check.message}".removesuffix(": ") if check else run.failure
    reason = "" if imported is not None else "the import was not tried"
    if which == "plain" and imported is False:
        # An import that passes shows that dyld was content, whatever else is installed; one that fails
        # under a plain set may have failed for a package that the pinned set bounds.
        reason = "the plain set may fail for its other packages"
    reasons = may_not_vote(results.machine, run)
    # Whatever the GPU: an import that passes shows that this wheel's libraries were loaded.
    if not reason and (doubt := uncounted([r for r in reasons if r.whole or not imported], check)):
        reason = f"recorded, not counted: {doubt}"
    predicted: set[str] = set()
    pairs: tuple[str, ...] = ()
    with suppress(UsageError):  # the cell has a release that is newer than the data
        cell = Cell.parse(name)
        predicted, pairs = {_linked(facts, cell)}, _pairs([cell])
    told = (f"{results.host}, {which}", name, seen)
    return replace(_compared(told, imported, predicted, reason, (run.date[:10], "")), pairs=pairs)


def _pairs(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The releases of cells, whatever their Python: a cell's id without its first part."""
    return tuple(dict.fromkeys(cell.id.partition("-")[2] for cell in cells))


def _linked(facts: Facts, cell: Cell) -> str:
    found = from_linked(cell, facts, load_kernels())
    return found.outcome if found else ""


def _compared(
    told: tuple[str, str, str],
    imported: bool | None,  # noqa: FBT001 - True, False, or not seen
    predicted: AbstractSet[str],
    reason: str,
    where: tuple[str, str],
) -> Comparison:
    """An observation beside the outcomes that `linked` gives for the cells it may mean."""
    linked = " or ".join(sorted(predicted))
    result: Result = "not comparable"
    if not reason and len(predicted) > 1:
        reason = "linked does not say the same of all the cells it may mean"
    elif not reason and not predicted & {"ok", "fails"}:
        reason = "linked has no answer: a wheel is missing or not read"
    elif not reason:
        result = "agreement" if predicted == {"ok" if imported else "fails"} else "disagreement"
    return Comparison(*told, linked, result, reason, *where)
