"""`shards`, `merge`, `contribute` and `day` on the command line."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix_file import default_path, load, parse
from metalmatrix.errors import ResultError, UsageError
from metalmatrix.files import MAX_READ, PACKAGE, read_bounded, write_atomic
from metalmatrix.macs import shards as splitting
from metalmatrix.macs.contribute import (
    alike,
    refuse_doubtful,
    run_within,
    runnable,
    wanted,
    what_to_attach,
)
from metalmatrix.macs.day import moved
from metalmatrix.macs.merge import merge as join
from metalmatrix.output import print_json, tell
from metalmatrix.running.host import this_host
from metalmatrix.running.plan import Options
from metalmatrix.running.run import Runner, default_results
from metalmatrix.table.show import current_report
from metalmatrix.verdicts.explain import Explainer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from metalmatrix.macs.contribute import Wanted

_SHOWN = 20
_HOW_TO_LIST = "nox -s matrix --list --json > cells.json"


def shards(options: argparse.Namespace) -> int:
    """Print the jobs that the listed cells are split into, or the sessions of one shard.

    Raises:
        UsageError: The list is none of nox, or there is no kind of machine to split them among.
    """
    cells = _listed(options.cells)
    matrix, store = load(), default_results()
    hosts = [store.load(name) for name in store.hosts()]
    hopeless = [item.cell for item in current_report().cells if item.verdict.word == "not-installable"]
    per = matrix.rehearse.per

    def seconds(*, mac: bool) -> dict[Cell, float]:
        return splitting.expected(cells, hosts, hopeless, mac=mac)

    if options.shard:
        number, of = splitting.parse_shard(options.shard)
        mac = this_host().is_apple_silicon
        part = splitting.split(seconds(mac=mac), of, per, mac=mac)[number - 1]
        sys.stdout.write("".join(f"{splitting.session(cell)}\n" for cell in part))
        return 0
    found = []
    for text in " ".join(options.runners).split():
        runner = splitting.Runner.parse(text)
        times = seconds(mac=runner.is_mac)
        of = splitting.how_many(times, options.minutes, per, mac=runner.is_mac)
        found += splitting.jobs(runner, splitting.split(times, of, per, mac=runner.is_mac), times)
    if not found:
        raise UsageError("there is no machine to split the cells among", "--runners macos-15, or --shard 1/4")
    if len(found) > splitting.MAX_JOBS:
        most = splitting.MAX_JOBS
        raise UsageError(
            f"that are {len(found)} jobs, and {most} may be", "fewer --runners, or more --minutes"
        )
    print_json({"include": found})
    return 0


def _listed(source: str) -> list[Cell]:
    """The cells of a list of nox's sessions."""
    try:
        text = sys.stdin.read(MAX_READ) if source == "-" else read_bounded(Path(source))
        sessions = [session for session in json.loads(text) if session["name"] == "matrix"]
        names = [str(session["call_spec"]["cell_id"]) for session in sessions]
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror or error}", _HOW_TO_LIST) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError("that is no list of nox's sessions", _HOW_TO_LIST) from error
    if not names:
        raise UsageError("the list holds no cell of the matrix", _HOW_TO_LIST)
    return [Cell.parse(name) for name in dict.fromkeys(names)]


def merge(options: argparse.Namespace) -> int:
    """Join results; what cannot be taken is told, and is an error once everything else is joined.

    Raises:
        ResultError: A file was not taken.
    """
    found = join(options.folders, default_results(), tell)
    if options.json:
        print_json(asdict(found))
    else:
        tell(f"{found.taken} results taken, {found.known} known already")
    for name in found.apart:
        tell(f"contradicts what another machine alike saw, and is kept beside it: {name}")
    if found.refused:
        more = f"\n  and {len(found.refused) - _SHOWN} more" if len(found.refused) > _SHOWN else ""
        told = "\n  ".join(found.refused[:_SHOWN])
        raise ResultError(f"not taken:\n  {told}{more}", "the others are joined; run those cells again")
    return 0


def contribute(options: argparse.Namespace) -> int:
    """Run what is missing of this Mac's chip and macOS; elsewhere, or with ``--list``, say what that is.

    Raises:
        UsageError: What runs here now would not count.
    """
    matrix, store = load(), default_results()
    runner = Runner(matrix, store, Options(), tell)
    host = runner.host
    mac = host.is_apple_silicon
    reports = Explainer(matrix.as_of, store, matrix.expectation).reports(matrix.cells, tell)
    items = wanted(reports, alike(store, host) if mac else frozenset())
    if options.list or not mac:
        _print_list(items, options, mac=mac)
        return 0
    refuse_doubtful(host, runner.moment)
    items, missing = runnable(items)
    for why in missing:
        tell(f"more cells wait: {why}")
    if not items:
        tell("nothing is missing of this chip and macOS that this machine can run")
        return 0
    ran, failed = run_within(items, runner, options.minutes * 60, tell)
    lines = [*failed, *what_to_attach(host, store.load(host.slug), len(items) - len(ran) - len(failed))]
    after = {item.cell: item for item in current_report().cells}
    if options.json:
        print_json({"ran": [after[cell].to_json() for cell in ran], "attach": f"results/{host.slug}"})
        for line in lines:
            tell(line)
    else:
        sys.stdout.write(
            "".join(f"{after[cell].headline}\n" for cell in ran) + "".join(f"{line}\n" for line in lines)
        )
    return 0


def _print_list(items: Sequence[Wanted], options: argparse.Namespace, *, mac: bool) -> None:
    """Say what would run on a Mac, first to last."""
    if options.json:
        print_json(
            [{"cell": item.cell.id, "verdict": item.report.verdict.word, "why": item.why} for item in items]
        )
        return
    if not mac:
        tell("this machine is no Apple-silicon Mac, so nothing was run: this is what a new Mac would run")
        tell("what can be tried here is `nox -s matrix`, which rehearses")
    for item in items[:_SHOWN]:
        sys.stdout.write(f"{item.report.headline}\n    {item.why}\n")
    if len(items) > _SHOWN:
        sys.stdout.write(f"and {len(items) - _SHOWN} more: --json lists all\n")


def day(options: argparse.Namespace) -> int:
    """Move the day of ``matrix.toml``.

    Raises:
        UsageError: There is no clone: the file is that of the installed package, which an update replaces.
    """
    path = default_path()
    if path.parent == PACKAGE / "data":
        raise UsageError(
            f"{path} belongs to what is installed: the day is moved in a clone",
            "in the folder of a clone: nox -s day -- today",
        )
    before = load(path).as_of
    text = moved(read_bounded(path), options.day)
    after = parse(text).as_of  # what cannot be meant as of that day is not written
    write_atomic(path, text)
    tell(f"{path}: as of {after}, before as of {before}")
    return 0
