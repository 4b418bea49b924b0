"""``python -m metalmatrix NAME``: what the sessions call, for people and, with ``--json``, for machines.

With ``--json``, standard output is JSON alone; progress and errors go to standard error.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import metalmatrix
from metalmatrix.errors import IndexUnreachableError, MetalmatrixError, ToolMissingError, UsageError, told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metalmatrix.cell import Cell
    from metalmatrix.explain import Explainer
    from metalmatrix.report import CellReport
    from metalmatrix.supervise import CheckResult

CODES = """\
exit codes:
  0  it is done, whatever the table says      3  the package index could not be reached
  1  a surprise: a cell is not what matrix.toml expects   4  a result file is damaged, or newer than this
  2  the command line or matrix.toml is wrong  5  a program that is needed is not on this machine
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m metalmatrix",
        description=metalmatrix.__doc__.partition("\n")[0] if metalmatrix.__doc__ else "",
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"metalmatrix {metalmatrix.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="NAME", required=True)

    def add(
        name: str, run: Callable[[argparse.Namespace], int], summary: str, examples: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    matrix = add(
        "matrix",
        _matrix,
        "Run cells one after the other, then show the table.",
        """\
  python -m metalmatrix matrix                              every cell
  python -m metalmatrix matrix 'py3.11-tf2.15.1-*'          those of a pattern
  python -m metalmatrix matrix py3.9-tf2.12.0-metal0.8.0 --fresh --keep
nox -s matrix -j 2 does the same with two at a time.""",
    )
    matrix.add_argument(
        "cells", nargs="*", metavar="CELL", help="ids or patterns; every cell if none is given"
    )
    matrix.add_argument("--fresh", action="store_true", help="ask and run again what is known already")
    matrix.add_argument("--keep", action="store_true", help="leave the environments where they are")
    matrix.add_argument(
        "--plain", action="store_true", help="on a Mac, run the plain set instead of the pinned one"
    )

    table = add(
        "table",
        _table,
        "Show what is known, and write site/compat.json and site/compat.md.",
        """\
  python -m metalmatrix table
  python -m metalmatrix table --json""",
    )

    explain = add(
        "explain",
        _explain,
        "Say all that is known of cells, in the matrix or not, and what to install instead.",
        """\
  python -m metalmatrix explain 3.11 2.18 1.1.0             Python, TensorFlow, plugin, in any order
  python -m metalmatrix explain tensorflow==2.18.0 nometal  what is not named is all there is
  python -m metalmatrix explain py3.11-tf2.15.1-metal1.1.0
  python -m metalmatrix explain 'py3.11-tf2.1[56]*' --json
The JSON of up to 20 cells also has the nearest that are better, and the commands to install one.""",
    )
    explain.add_argument(
        "cells",
        nargs="+",
        metavar="WORD",
        help="ids, patterns of ids in quotes, or loose words, like 3.11 tf2.18 metal1.1.0",
    )

    static = add(
        "static",
        _static,
        "Give every published combination its verdict, on any machine, without installing anything.",
        """\
  python -m metalmatrix static                              the whole history, offline
  python -m metalmatrix static --json
  python -m metalmatrix static --as-of 2026-10-01           as of another day: asks the resolver""",
    )
    static.add_argument(
        "--as-of", type=_day, metavar="DAY", help="the last day whose uploads count; as shipped if not given"
    )
    static.add_argument("--fresh", action="store_true", help="ask the resolver again what is known already")

    accuracy = add(
        "accuracy",
        _accuracy,
        "Say how often `linked` was right, and what each public report does to which verdicts.",
        """\
  python -m metalmatrix accuracy
  python -m metalmatrix accuracy --write                    write docs/accuracy.md
  python -m metalmatrix accuracy --json""",
    )
    accuracy.add_argument("--write", action="store_true", help="write docs/accuracy.md of this clone")

    check = add(
        "check",
        _check,
        "Run the checks in an environment that exists already.",
        """\
  python -m metalmatrix check --python .venv/bin/python
  python -m metalmatrix check --python .venv/bin/python --only import --only fit --json""",
    )
    check.add_argument(
        "--python", type=Path, required=True, metavar="PATH", help="the environment's interpreter"
    )
    check.add_argument(
        "--only", action="append", metavar="CHECK", help="one check; may be given more than once"
    )

    update = add(
        "update",
        _update,
        "Show what has been published since, as a diff of the data.",
        """\
  python -m metalmatrix update
  python -m metalmatrix update --force                      write it""",
    )
    update.add_argument("--force", action="store_true", help="write the data")

    for command in (matrix, table, explain, static, accuracy, check):
        command.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except MetalmatrixError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command line's own voice
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has enough (`| head`); Python would complain once more while closing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"error: {told(error)}", file=sys.stderr)  # noqa: T201
        return ToolMissingError.exit_code


def _tell(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)  # noqa: T201


def _print_json(data: object) -> None:
    print(json.dumps(data, indent=1))  # noqa: T201


def _matrix(options: argparse.Namespace) -> int:
    from metalmatrix.matrix import Expect  # noqa: PLC0415
    from metalmatrix.matrix_file import load  # noqa: PLC0415
    from metalmatrix.plan import Options  # noqa: PLC0415
    from metalmatrix.run import Runner, default_results  # noqa: PLC0415

    matrix = load()
    patterns = [Expect(pattern, "", "") for pattern in options.cells] or [Expect("*", "", "")]
    for pattern in patterns:
        if not any(map(pattern.matches, matrix.cells)):
            raise UsageError(f"{pattern.cell!r} matches no cell of the matrix", "`nox -l` lists its cells")
    cells = [cell for cell in matrix.cells if any(pattern.matches(cell) for pattern in patterns)]
    runner = Runner(matrix, default_results(), Options(options.fresh, options.keep, options.plain), _tell)
    plan = runner.plan(lambda: cells)
    unreachable = None
    for cell in cells:
        try:
            runner.cell(cell, plan)
        except IndexUnreachableError as error:
            unreachable = error
    code = _table(options)
    if unreachable:
        raise unreachable
    return code


def _table(options: argparse.Namespace) -> int:
    from metalmatrix import feed  # noqa: PLC0415
    from metalmatrix.show import current_report, write_site  # noqa: PLC0415
    from metalmatrix.terminal import print_report  # noqa: PLC0415

    report = current_report()
    written = write_site(report)
    if options.json:
        _print_json(feed.render(report))
    else:
        print_report(report)
        _tell(f"written: {', '.join(f'site/{path.name}' for path in written)}")
    return int(any(item.surprise for item in report.cells))


def _explain(options: argparse.Namespace) -> int:
    from metalmatrix import asked, explanation, history  # noqa: PLC0415
    from metalmatrix.explain import Explainer  # noqa: PLC0415
    from metalmatrix.matrix_file import load  # noqa: PLC0415
    from metalmatrix.run import default_results  # noqa: PLC0415
    from metalmatrix.words import find  # noqa: PLC0415

    matrix = load()
    universe = {cell.id: cell for cell in (*history.cells(), *matrix.cells)}.values()
    query = find(options.cells, universe)
    explainer = Explainer(matrix.as_of, default_results(), matrix.expectation)
    reports = explainer.reports(query.cells, _tell)

    def reports_of(cells: Sequence[Cell]) -> list[CellReport]:
        return [] if explainer.unreachable else explainer.reports(cells, _tell)

    chosen = asked.to_explain(reports, explanation.FEW) if options.json else asked.to_tell(reports)
    items = [explanation.explained(report, universe, reports_of, explainer.lock) for report in chosen]
    if options.json:
        for note in query.notes:
            _tell(note)
        _print_json([item.to_json() for item in items or reports])
    else:
        from metalmatrix.show import current_score  # noqa: PLC0415
        from metalmatrix.terminal import print_lines  # noqa: PLC0415
        from metalmatrix.wheel_facts import load_facts  # noqa: PLC0415

        print_lines(asked.answer(query, reports, items, load_facts(), current_score().line))
    return _reached(explainer)


def _static(options: argparse.Namespace) -> int:
    from metalmatrix import history  # noqa: PLC0415
    from metalmatrix.answers import answered_as_of  # noqa: PLC0415
    from metalmatrix.explain import Explainer  # noqa: PLC0415

    as_of = options.as_of or answered_as_of()
    explainer = Explainer(as_of, fresh=options.fresh)
    reports = explainer.reports(history.cells(), _tell)
    if options.json:
        _print_json({"as_of": as_of.isoformat(), "cells": [report.to_json() for report in reports]})
    else:
        from metalmatrix.overview import overview  # noqa: PLC0415
        from metalmatrix.terminal import print_overview  # noqa: PLC0415

        print_overview(overview(reports), as_of.isoformat())
    return _reached(explainer)


def _reached(explainer: Explainer) -> int:
    """0 where the index answered, or was not needed."""
    if explainer.unreachable:
        hint = "the same command again, once the index can be reached"
        raise IndexUnreachableError(explainer.unreachable, hint)
    return 0


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it like 2026-11-20") from error


def _accuracy(options: argparse.Namespace) -> int:
    from metalmatrix.show import accuracy_page, current_score, write_accuracy  # noqa: PLC0415

    if options.write:
        _tell(f"written: {write_accuracy().name}")
    if options.json:
        _print_json([item.to_json() for item in current_score().comparisons])
    elif not options.write:
        print(accuracy_page(), end="")  # noqa: T201
    return 0


def _check(options: argparse.Namespace) -> int:
    from metalmatrix.matrix_file import load  # noqa: PLC0415
    from metalmatrix.supervise import run_checks  # noqa: PLC0415

    results = run_checks(options.python, load().limits, options.only, _tell)
    if options.json:
        _print_json([asdict(result) for result in results])
    else:
        from metalmatrix.terminal import print_checks  # noqa: PLC0415

        print_checks(results)
    return int(any(_failed(result) for result in results))


def _failed(result: CheckResult) -> bool:
    return result.outcome == "failed"


def _update(options: argparse.Namespace) -> int:
    from metalmatrix import answer_update, history, wheel_update  # noqa: PLC0415
    from metalmatrix.matrix_file import load  # noqa: PLC0415
    from metalmatrix.update import NOTHING_NEW  # noqa: PLC0415
    from metalmatrix.update import main as update  # noqa: PLC0415
    from metalmatrix.wheel_facts import load_facts  # noqa: PLC0415

    say = sys.stdout.write
    say("releases: ")
    code = update(force=options.force)
    before = load_facts()
    after = wheel_update.regenerate(_tell, force=options.force).facts
    say(f"wheels: {wheel_update.diff(before, after) or NOTHING_NEW}")
    history.read_anew()
    matrix = load()
    changes = answer_update.regenerate(matrix.as_of, matrix.cells, _tell, force=options.force)
    say(f"the resolver's answers, as of {matrix.as_of}: {changes or NOTHING_NEW}")
    return code
