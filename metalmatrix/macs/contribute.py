"""A contributor's Mac: what is missing of its chip and macOS, run in the order of its worth, within a time.

The edge that the command calls, with what it needs handed in.  Each cell is planned when it begins, so that
what there was no time for is not told as missing.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalmatrix.errors import IndexUnreachableError, ToolMissingError, UsageError
from metalmatrix.macs.shards import GUESS
from metalmatrix.macs.worth import worth
from metalmatrix.running.record import Run
from metalmatrix.running.routes import missing
from metalmatrix.verdicts.votes import may_not_vote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.running.conditions import Conditions
    from metalmatrix.running.host import Host
    from metalmatrix.running.results import Results, Store
    from metalmatrix.running.run import Runner
    from metalmatrix.verdicts.report import CellReport

NO_PLAN = ""
"""The plan of a run that set out to do nothing: each cell is then a run of its own."""

ELSEWHERE = "its environment is that of another cell, which has run"


@dataclass(frozen=True)
class Wanted:
    """A cell that is worth a run, and why."""

    report: CellReport
    why: str

    @property
    def cell(self) -> Cell:
        """The cell."""
        return self.report.cell


def alike(store: Store, host: Host) -> frozenset[str]:
    """The hosts with results that have this chip and this macOS, by its first number."""
    machines = {name: store.load(name, ()).machine for name in store.hosts()}
    return frozenset(name for name, machine in machines.items() if machine and _kind(machine) == _kind(host))


def _kind(host: Host) -> tuple[str, str, str]:
    return host.os, host.os_version.partition(".")[0], host.chip


def wanted(reports: Iterable[CellReport], hosts: frozenset[str]) -> list[Wanted]:
    """What is missing of such a Mac, the most telling first."""
    return [Wanted(report, why) for why, report in worth(reports, hosts)]


def doubts(host: Host, moment: Conditions | None) -> list[str]:
    """Why what would run on this Mac now would be recorded and not counted."""
    run = Run("ran", "", "", "", (), 0.0, (), conditions=moment)
    return [reason.sentence for reason in may_not_vote(host, run)]


def refuse_doubtful(host: Host, moment: Conditions | None) -> None:
    """Nothing, where a run on this Mac would count.

    Raises:
        UsageError: It would not.
    """
    if told := doubts(host, moment):
        raise UsageError(
            f"what runs here now is recorded and does not count: {'; '.join(told)}",
            "docs/hosts.md says what to do about it; `nox -s matrix` runs all the same",
        )


def runnable(items: Sequence[Wanted]) -> tuple[list[Wanted], list[str]]:
    """The cells whose route this machine can go, and what the others wait for, each with its command."""
    why = {item.cell: missing(item.cell) for item in items}
    return [item for item in items if not why[item.cell]], [*dict.fromkeys(filter(None, why.values()))]


def run_within(
    items: Sequence[Wanted],
    runner: Runner,
    seconds: float,
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[Cell], list[str]]:
    """Run cells in their order, until Ctrl-C; none begins that, by what the others took, would end too late.

    Args:
        items: The cells.
        runner: What runs one.
        seconds: The time there is.
        tell: Gets a line for each.
        clock: Seconds, from anywhere.

    Returns:
        The cells that ran, and why others did not.
    """
    began = clock()
    ran: list[Cell] = []
    failed: list[str] = []
    for number, item in enumerate(items, 1):
        spent = clock() - began
        each = spent / len(ran) if ran else GUESS
        if spent + each > seconds and (ran or failed):
            break
        minutes = max(0, seconds - spent) / 60
        tell(f"{number} of {len(items)}: {item.cell.id}: {item.why}; {minutes:.0f} minutes left")
        try:
            made = runner.cell(item.cell, NO_PLAN).sets["pinned"]
        except ToolMissingError as error:
            failed.append(f"{item.cell.id}: {error.what}")
            continue
        except IndexUnreachableError as error:
            failed.append(f"{item.cell.id}: {error.what}")
            break
        except KeyboardInterrupt:
            tell("stopped; what is finished is kept")
            break
        if made.run:
            ran.append(item.cell)
        else:
            failed.append(f"{item.cell.id}: {made.untested or ELSEWHERE}")
    return ran, failed


def what_to_attach(host: Host, results: Results, left: int) -> list[str]:
    """What a contributor does with what ran: the folder, and the commands that make a pull request of it."""
    folder = f"results/{host.slug}"
    system = f"{host.chip}, macOS {host.os_version}"
    lines = [
        f"{len(results.records)} cells of this Mac are in {folder}; that folder is what to attach.",
        "It tells the chip, the cores, the memory and the macOS of this machine, and what the checks saw.",
        "To make a pull request of it, in your fork:",
        f"  git switch -c {host.slug}",
        f"  git add {folder}",
        f"  git commit -m {shlex.quote(f'Results of a Mac: {system}')}",
        f"  git push -u origin {host.slug}",
        "Without git: zip that folder, and attach it to an issue.",
    ]
    if left:
        lines.append(f"{left} more cells are worth a run: the same command goes on where it stopped.")
    return lines
