"""`matrix` and `check` on the command line: the runs of the checks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix import Expect
from metalmatrix.cells.matrix_file import load
from metalmatrix.doctor.look import interpreter
from metalmatrix.errors import IndexUnreachableError, UsageError
from metalmatrix.output import print_json, tell
from metalmatrix.running import alone
from metalmatrix.running.checklist import checks_seed
from metalmatrix.running.plan import Options
from metalmatrix.running.run import Runner, default_results
from metalmatrix.running.supervise import run_checks
from metalmatrix.table.commands import publish
from metalmatrix.table.terminal import print_checks

if TYPE_CHECKING:
    import argparse

    from metalmatrix.running.supervise import CheckResult
    from metalmatrix.verdicts.evidence import Which


def matrix(options: argparse.Namespace) -> int:
    """Run cells one after the other, then show the table; 1 where a verdict is a surprise.

    Raises:
        IndexUnreachableError: It was needed for a cell; the others have run.
        UsageError: A pattern matches no cell.
    """
    declared = load()
    patterns = [Expect(pattern, "", "") for pattern in options.cells] or [Expect("*", "", "")]
    for pattern in patterns:
        if not any(map(pattern.matches, declared.cells)):
            raise UsageError(f"{pattern.cell!r} matches no cell of the matrix", "`nox -l` lists its cells")
    cells = [cell for cell in declared.cells if any(pattern.matches(cell) for pattern in patterns)]
    runner = Runner(declared, default_results(), Options(options.fresh, options.keep, options.plain), tell)
    plan = runner.plan(lambda: cells)
    unreachable = None
    for cell in cells:
        try:
            runner.cell(cell, plan)
        except IndexUnreachableError as error:
            unreachable = error
    code = publish(as_json=options.json)
    if unreachable:
        raise unreachable
    return code


def check(options: argparse.Namespace) -> int:
    """Run the checks in an environment; 1 where one fails.

    Raises:
        UsageError: There is no interpreter, cell or check of that name.
        ToolMissingError: The interpreter cannot be started.
    """
    limits = load().limits
    which: Which = "plain" if options.plain else "pinned"
    python = Path()
    if options.cell:
        cell = Cell.parse(options.cell)
        results = alone.run_alone(cell, which, default_results(), limits, options.only, tell)
    else:
        python = Path(interpreter(options.python))
        results = run_checks(python, limits, options.only, tell)

    def again(check: str) -> str:
        if options.cell:
            return alone.command(options.cell, check, which)
        return alone.command_in(python, check)

    if options.json:
        more = {"limits": asdict(limits), "seed": checks_seed()}
        failed = {result.check: {"alone": again(result.check)} for result in results if _failed(result)}
        print_json([asdict(result) | more | failed.get(result.check, {}) for result in results])
    else:
        print_checks(results, again, lite=bool(options.cell and Cell.parse(options.cell).lite))
    return int(any(_failed(result) for result in results))


def _failed(result: CheckResult) -> bool:
    return result.outcome == "failed"
