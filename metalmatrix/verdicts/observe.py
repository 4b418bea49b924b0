"""Observations: what resolver, wheels, public reports, repairs and runs say of a cell, as evidence.

Pure: records in, evidence out.  The rule of what a rehearsal may claim for a Mac is here, in one place.
"""

from __future__ import annotations

import builtins
from dataclasses import replace
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import CONDA_FORGE, NO_PLUGIN, VENV, route_of
from metalmatrix.kernels.executor import refusal
from metalmatrix.published import compiled
from metalmatrix.published.releases import read_on
from metalmatrix.published.targets import ARM64, named
from metalmatrix.reported.about import decides
from metalmatrix.resolving import conda
from metalmatrix.resolving.question import MACOS_TARGET
from metalmatrix.verdicts.evidence import SETS, STAGES, Evidence, Kind, Outcome, Which
from metalmatrix.verdicts.votes import may_not_vote, uncounted
from metalmatrix.wheels.link import gone_since, link_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metalmatrix.cells.cell import Cell, Route
    from metalmatrix.kernels.kernel_facts import KernelFacts
    from metalmatrix.published.targets import Target
    from metalmatrix.reported.about import KerasOf
    from metalmatrix.reported.reports import Report
    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.question import Answer
    from metalmatrix.resolving.repairs import Repair
    from metalmatrix.running.record import Record, Resolved, Run
    from metalmatrix.running.results import Results
    from metalmatrix.running.supervise import CheckInfo, CheckResult
    from metalmatrix.verdicts.votes import Reason
    from metalmatrix.wheels.wheel_facts import Facts


def resolver(target: Target, route: Route = VENV) -> str:
    """The resolver as the source of evidence: for which macOS it was asked."""
    if route == CONDA_FORGE:
        return conda.SOLVER
    return f"the resolver, for macOS {MACOS_TARGET} on {named(target)}"


LOADER = "the published wheels, by the loader's rules"
NOT_READ = (
    "conda-forge builds TensorFlow itself, and its libraries were not read: what is known of wheels says "
    "nothing of whether the plugin loads"
)
OWN = "the published wheel, by the loader's rules"
TAKER = "the published wheels, by what TensorFlow asks of a plugin"


def from_results(
    record: Record, results: Results, *, fresh: bool, current: Mapping[Which, str | None]
) -> Iterator[Evidence]:
    """What one host's record says of its cell.

    Args:
        record: What the host knows of the cell.
        results: All that it knows.
        fresh: Whether the resolver's answers are those of the matrix's day.
        current: The digest of each set's lock as of that day: a run of another lock is not about this set.
    """
    for which in SETS:
        entry = record.sets[which]
        if fresh:
            yield from_resolved(entry.resolved, which, record.as_of, route=route_of(record.cell))
        if entry.resolved.lock != current.get(which):
            continue
        run = results.run(record, which)
        if run is not None and run.kind == "ran" and not results.apple_silicon:
            doubt = "it says that it ran on Apple silicon, and the facts of its host do not"
            yield Evidence(run.kind, which, "unknown", doubt, run.date[:10], results.host, run=True)
        elif run is not None:
            yield from_run(run, which, results.host, may_not_vote(results.machine, run))
        elif entry.untested:
            kind: Kind = "ran" if results.apple_silicon else "rehearsed"
            yield Evidence(kind, which, "skipped", entry.untested, record.date[:10], results.host)


def from_linked(cell: Cell, facts: Facts, kernels: KernelFacts | None = None) -> Evidence | None:
    """What the loader makes of the plugin, or of LiteRT, by its rules over the published wheels.

    None for a TensorFlow without a plugin.

    Args:
        cell: The cell.
        facts: What is known of the wheels.
        kernels: What plugins say of themselves once they are loaded: TensorFlow does not take every one.
    """
    if cell.lite:
        own = link_cell(facts, cell)
        stage = "" if own.outcome != "fails" else "link" if own.library else "import"
        return Evidence("linked", "", own.outcome, own.line, read_on(), OWN, stage)
    if cell.plugin == NO_PLUGIN:
        return None
    if cell.route == CONDA_FORGE:
        return Evidence("linked", "", "unknown", NOT_READ, read_on(), LOADER)
    if said := compiled.not_linked(cell):
        return Evidence("linked", "", "unknown", said, read_on(), compiled.SOURCE)
    linked = link_cell(facts, cell)
    message = linked.line
    if linked.outcome == "ok" and kernels is not None and cell.target == ARM64:
        libraries = kernels.of_wheel(facts, cell.plugin_distribution, cell.plugin, cell.python)
        if refused := refusal(libraries or (), cell.framework):
            return Evidence("linked", "", "fails", refused, read_on(), TAKER, "import")
    if linked.outcome == "fails":
        more = [linked.demangled]
        framework = facts.framework(cell.framework, cell.python, cell.target)
        if framework and (since := gone_since(facts, linked, framework)):
            more.append(f"gone since TensorFlow {since}")
        if linked.symbol:
            more.append(f"expected in {linked.library}")
        message += f" ({'; '.join(filter(None, more))})" if any(more) else ""
    stage = "link" if linked.outcome == "fails" else ""
    return Evidence("linked", "", linked.outcome, message, read_on(), LOADER, stage)


def from_reports(cell: Cell, reports: Iterable[Report], facts: Facts, keras: KerasOf) -> Iterator[Evidence]:
    """What the public reports that are about *cell* say of it, in their order.

    Args:
        cell: The cell.
        reports: All reports there are.
        facts: What is known of the wheels.
        keras: The Keras in each of the cell's sets; asked for only where a report is about one.
    """
    for report in reports:
        effect = report.effect
        outcome: Outcome = "fails" if effect.stage else "ok"
        for which in decides(report, cell, facts, keras):
            yield Evidence(
                "reported",
                which,
                outcome,
                report.message,
                report.date,
                report.source_url,
                effect.stage,
                effect.degrades,
            )


def from_resolved(
    resolved: Resolved | Answer, which: Which, as_of: str, target: Target = ARM64, route: Route = VENV
) -> Evidence:
    """The resolver's answer for one set."""
    packages = "packages of the channel" if route == CONDA_FORGE else "published wheels"
    message = resolved.message or f"a set of {packages} satisfies it"
    if resolved.outcome == "fails" and resolved.blame:
        message = f"{message} (to blame: {resolved.blame})"
    stage = "resolve" if resolved.outcome == "fails" else ""
    return Evidence(
        "resolved",
        which,
        resolved.outcome,
        message,
        as_of,
        resolver(target, route),
        stage,
        blame=resolved.blame,
    )


def with_repairs(
    cell: Cell,
    lock: Lock | None,
    repairs: Iterable[Repair],
    catalog: Iterable[CheckInfo],
    seen: Iterable[Evidence],
) -> list[Evidence]:
    """The evidence *seen*, and what the repairs say of the plain set: a needed bound not kept breaks it.

    Where the plain set ran, what was seen counts, and the repair only says what mends it.

    Args:
        cell: The cell.
        lock: Its plain set; None where there is none.
        repairs: The bounds that are known to be needed.
        catalog: The checks they were found by.
        seen: What else is known.
    """
    evidence = list(seen)
    broken = [r for r in repairs if lock is not None and r.applies(cell) and r.violated_by(lock)]
    # A failure that says nothing of a Mac leaves open what the repair answers.
    told = [item for item in evidence if item.set == "plain" and item.run and item.portable]
    ran = [item for item in told if item.outcome in {"ok", "fails"} and not item.uncounted]
    if ran:
        return [_mended(item, broken) if item in ran else item for item in evidence]
    checks = {info.id: info for info in catalog}
    for repair in broken:
        check = checks[repair.check]
        evidence.append(
            Evidence(
                "rehearsed",
                "plain",
                "fails",
                f"{repair.check}: {' '.join(repair.message.split())}{_since([repair])}",
                repair.proved,
                f"the repairs, proved by a rehearsal of {repair.proof}",
                stage=check.stage,
                degrades=check.weight == "degrades",
            )
        )
    return evidence


def _mended(failure: Evidence, broken: Iterable[Repair]) -> Evidence:
    """The failure of a check, and the bounds that mend it; one may hide behind the other."""
    repairs = [repair for repair in broken if failure.message.startswith(f"{repair.check}: ")]
    return replace(failure, message=f"{failure.message}{_since(repairs)}") if repairs else failure


def _since(repairs: Iterable[Repair]) -> str:
    """Since when and by which uploads it is broken, the first one first, and what mends it."""
    ordered = sorted(repairs, key=lambda repair: repair.since)
    uploads = ", ".join(f"since {repair.since} by {repair.upload}" for repair in ordered)
    bounds = ", ".join(repair.bound for repair in ordered)
    return f" ({uploads}; {bounds} {'mends' if len(ordered) == 1 else 'mend'} it)"


def from_run(run: Run, which: Which, host: str, reasons: Iterable[Reason] = ()) -> Evidence:
    """What one run of the checks says of one set.

    Args:
        run: The run.
        which: The set.
        host: The source.
        reasons: Why the run may not vote.
    """
    reasons = tuple(reasons)
    day = run.date[:10]
    moved = f" (pins that had to move here: {', '.join(map(str, run.moved))})" if run.moved else ""
    if run.failure:
        # A full disk or a broken download says nothing of the cell, and may have passed tomorrow.
        return Evidence(run.kind, which, "unknown", run.failure, day, host, run=True)
    failed = [check for check in run.checks if check.outcome == "failed"]
    notes = tuple(f"{check.check}: {note}" for check in run.checks for note in check.notes)
    if not failed:
        names = {
            outcome: [c for c in run.checks if c.outcome == outcome] for outcome in ("passed", "skipped")
        }
        message = f"passed: {', '.join(check.check for check in names['passed'])}"
        if not names["passed"]:
            return Evidence(run.kind, which, "unknown", "no check passed, and none failed", day, host)
        if names["skipped"]:
            message += f"; skipped: {'; '.join(f'{c.check} ({c.message})' for c in names['skipped'])}"
        counts = run.kind == "ran" or not run.moved
        return Evidence(
            run.kind,
            which,
            "ok",
            message + moved,
            day,
            host,
            run=True,
            portable=counts,
            unseen=_unseen(run),
            uncounted=uncounted(reasons),
            notes=notes,
        )

    def counts_for_a_mac(check: CheckResult) -> bool:
        if run.kind == "ran":
            return not uncounted(reasons, check)
        return not run.moved and portable(check)

    # What counts for a Mac is told first: the next check's exception must not hide behind this one's crash.
    failed.sort(key=lambda c: (not counts_for_a_mac(c), c.weight == "degrades", STAGES.index(c.stage)))
    first, *rest = failed
    also = f"; failed too: {', '.join(check.check for check in rest)}" if rest else ""
    return Evidence(
        run.kind,
        which,
        "fails",
        f"{first.check}: {first.message}{also}{moved}",
        day,
        host,
        stage=first.stage,
        degrades=first.weight == "degrades",
        run=True,
        portable=run.kind == "ran" or counts_for_a_mac(first),
        uncounted=uncounted(reasons, first),
        check=first.check,
        notes=notes,
    )


def _unseen(run: Run) -> str:
    """Why a run tells nothing of the GPU: only the checks of the stage `device` say that it was there."""
    seen = [check.outcome for check in run.checks if check.stage == "device"]
    if seen and set(seen) == {"passed"}:
        return ""
    return "the GPU was not seen: its checks were skipped" if seen else "no check has looked for the GPU"


def portable(failure: CheckResult) -> bool:
    """Whether a failure seen on another platform would be met on a Mac under the same versions.

    A Python exception is raised by Python code, and Macs get the same Python packages.  A crash, a
    hang, a limit, a wrong number, an error of TensorFlow's runtime, or a library that cannot be
    loaded is a matter of the compiled code, which is another on a Mac.
    """
    shared_library = (".so", "undefined symbol", "cannot open shared object", "DLL load failed")
    return (
        failure.how == "exception"
        and not failure.exception.startswith("tensorflow.python.framework.errors")
        and not of_this_machine(failure.exception)
        and not any(mark in failure.message for mark in shared_library)
    )


def of_this_machine(exception: str) -> bool:
    """Whether the class of an exception, by its qualified name, is that of a full disk or memory."""
    kind = getattr(builtins, exception.removeprefix("builtins."), Exception)
    native = (OSError, MemoryError, SystemError)  # of this machine: its disk, its memory, its interpreter
    exhausted = exception.endswith(".ResourceExhaustedError")  # TensorFlow's name for either
    return exhausted or (isinstance(kind, type) and issubclass(kind, native))
