"""Which runs may not vote, and on what: one rule, pure, for every place that weighs a run.

A run on a Mac whose GPU cannot be trusted at that moment is recorded like any other and counts for
nothing at the stages that use the GPU: it can neither say *works* nor break or degrade a cell there.
``docs/hosts.md`` says how each reason is recognised, and why it is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalmatrix.running.conditions import GRAPHICAL, Conditions, parse_machine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalmatrix.running.host import Host
    from metalmatrix.running.record import Run
    from metalmatrix.running.supervise import CheckResult

GPU_STAGES = ("device", "matmul", "fit", "memory-limit", "numerics")
"""The stages whose outcome is the GPU's, and so the host's."""

_EXPLAINED = ("exception", "mismatch")
"""Ends of a check that say what failed.  Loading a plugin asks for its devices, so that a crash or a hang of
the import may be the GPU's: ``load_pluggable_device_library`` of TensorFlow lists them at once."""


@dataclass(frozen=True)
class Reason:
    """Why a run may not vote.

    Attributes:
        name: ``interpreter``, ``rosetta``, ``virtual``, ``session`` or ``memory``.
        sentence: The same for the table.
        whole: Whether nothing of the run counts, since another wheel was run.
        passes: Whether it is of the moment: the same machine may vote an hour later.
    """

    name: str
    sentence: str
    whole: bool = False
    passes: bool = False


def may_not_vote(host: Host | None, run: Run) -> tuple[Reason, ...]:
    """Why *run* may not vote on the GPU, or on anything; empty where it may.

    A rehearsal has no such vote to lose: `observe.portable` says what it may claim.

    Args:
        host: The facts in the run's folder; None where they cannot be read.
        run: The run; one of before conditions were recorded goes by its host and its checks' facts.
    """
    if run.kind != "ran":
        return ()
    conditions = run.conditions or Conditions()
    found = []
    interpreter = conditions.interpreter or _interpreter_of(run.checks)
    if interpreter and interpreter != "arm64":
        sentence = f"an {interpreter} Python ran the checks, under Rosetta 2: another wheel than this cell's"
        found.append(Reason("interpreter", sentence, whole=True))
    elif not interpreter and host and host.translated:
        sentence = "Rosetta 2 ran metalmatrix, and what ran the checks is not known"
        found.append(Reason("rosetta", sentence, whole=True))
    if conditions.virtual or (host and host.is_virtual):
        found.append(Reason("virtual", "a virtual machine, whose GPU is paravirtual"))
    return (*found, *_of_the_moment(conditions))


def _of_the_moment(conditions: Conditions) -> Iterable[Reason]:
    if conditions.session not in {"", GRAPHICAL}:
        sentence = f"a {conditions.session} session, without the graphical login"
        yield Reason("session", sentence, passes=True)
    if conditions.memory_pressure in {"warning", "critical"}:
        sentence = f"the memory pressure was at {conditions.memory_pressure} before the checks began"
        yield Reason("memory", sentence, passes=True)


def _interpreter_of(checks: Iterable[CheckResult]) -> str:
    """What the interpreter ran as by the facts of the `import` check; empty where they do not tell."""
    machines = (check.facts.get("machine") for check in checks if check.check == "import")
    return parse_machine(str(next(machines, None) or ""))


def uncounted(reasons: Iterable[Reason], check: CheckResult | None = None) -> str:
    """Why an outcome does not count, as a text; empty where it does.

    Args:
        reasons: Why its run may not vote.
        check: The check that failed; without one it is the run's success that is asked about.
    """
    told = check is not None and check.stage not in GPU_STAGES and check.how in _EXPLAINED
    return "; ".join(reason.sentence for reason in reasons if reason.whole or not told)


def worth_repeating(run: Run, now: Conditions | None) -> bool:
    """Whether a run that may not vote for a reason of its moment could vote if it were made now."""
    then = {reason.name for reason in may_not_vote(None, run) if reason.passes}
    return bool(then) and now is not None and not then & {reason.name for reason in _of_the_moment(now)}
