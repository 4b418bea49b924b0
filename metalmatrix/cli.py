"""``python -m metalmatrix NAME``: what the sessions call, for people and, with ``--json``, for machines.

With ``--json``, standard output is JSON alone; progress and errors go to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from metalmatrix.arguments import parser
from metalmatrix.errors import IndexUnreachableError, MetalmatrixError, ToolMissingError, UsageError, told

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Mapping, Sequence

    from metalmatrix.asking.words import Query
    from metalmatrix.cells.cell import Cell
    from metalmatrix.running.supervise import CheckResult
    from metalmatrix.verdicts.evidence import Which
    from metalmatrix.verdicts.explain import Explainer
    from metalmatrix.verdicts.report import CellReport


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
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
    from metalmatrix.cells.matrix import Expect  # noqa: PLC0415
    from metalmatrix.cells.matrix_file import load  # noqa: PLC0415
    from metalmatrix.running.plan import Options  # noqa: PLC0415
    from metalmatrix.running.run import Runner, default_results  # noqa: PLC0415

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
    from metalmatrix.table import feed  # noqa: PLC0415
    from metalmatrix.table.show import current_report, write_site  # noqa: PLC0415
    from metalmatrix.table.terminal import print_report  # noqa: PLC0415

    report = current_report()
    written = write_site(report)
    if options.json:
        _print_json(feed.render(report))
    else:
        print_report(report)
        _tell(f"written: {', '.join(f'site/{path.name}' for path in written)}")
    return int(any(item.surprise for item in report.cells))


def _meant(words: Sequence[str]) -> tuple[Query, Collection[Cell], Explainer]:
    """The cells that *words* mean, all there are, and what explains them as of the matrix's day."""
    from metalmatrix.asking.words import find  # noqa: PLC0415
    from metalmatrix.cells import history  # noqa: PLC0415
    from metalmatrix.cells.matrix_file import load  # noqa: PLC0415
    from metalmatrix.running.run import default_results  # noqa: PLC0415
    from metalmatrix.verdicts.explain import Explainer  # noqa: PLC0415

    matrix = load()
    universe = {cell.id: cell for cell in (*history.cells(), *matrix.cells)}.values()
    return find(words, universe), universe, Explainer(matrix.as_of, default_results(), matrix.expectation)


def _explain(options: argparse.Namespace) -> int:
    from metalmatrix.asking import asked, explanation  # noqa: PLC0415

    query, universe, explainer = _meant(options.cells)
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
        from metalmatrix.table.show import current_score  # noqa: PLC0415
        from metalmatrix.table.terminal import print_lines  # noqa: PLC0415
        from metalmatrix.wheels.wheel_facts import load_facts  # noqa: PLC0415

        print_lines(asked.answer(query, reports, items, load_facts(), current_score().line))
    return _reached(explainer)


def _pins(options: argparse.Namespace) -> int:
    from metalmatrix.pins import pins  # noqa: PLC0415
    from metalmatrix.resolving.repairs import repairs_for  # noqa: PLC0415
    from metalmatrix.searching.breaks import dated, load_breaks  # noqa: PLC0415

    query, _, explainer = _meant(options.cells)
    reports = explainer.reports(query.cells, _tell)
    _reached(explainer)
    chosen = pins.choose(reports, degraded=options.allow_degraded)
    lock = explainer.lock(chosen.cell)
    if lock is None:
        raise UsageError(f"{chosen.cell.id} has no lock", f"nox -s explain -- {chosen.cell.id}")
    for note in query.notes:
        _tell(note)
    if len(reports) > 1:
        _tell(f"{chosen.cell.id}: the best of {len(reports)} cells that are meant")
    repairs = dated(repairs_for(chosen.cell), chosen.cell, load_breaks())
    sys.stdout.write(pins.requirements(chosen, lock, repairs, explainer.as_of))
    return 0


def _static(options: argparse.Namespace) -> int:
    from metalmatrix.cells import history  # noqa: PLC0415
    from metalmatrix.resolving.answers import answered_as_of  # noqa: PLC0415
    from metalmatrix.verdicts.explain import Explainer  # noqa: PLC0415

    as_of = options.as_of or answered_as_of()
    explainer = Explainer(as_of, fresh=options.fresh)
    reports = explainer.reports(history.cells(), _tell)
    if options.json:
        _print_json({"as_of": as_of.isoformat(), "cells": [report.to_json() for report in reports]})
    else:
        from metalmatrix.table.overview import overview  # noqa: PLC0415
        from metalmatrix.table.terminal import print_overview  # noqa: PLC0415

        print_overview(overview(reports), as_of.isoformat())
    return _reached(explainer)


def _reached(explainer: Explainer) -> int:
    """0 where the index answered, or was not needed."""
    if explainer.unreachable:
        hint = "the same command again, once the index can be reached"
        raise IndexUnreachableError(explainer.unreachable, hint)
    return 0


def _accuracy(options: argparse.Namespace) -> int:
    from metalmatrix.table.show import accuracy_page, current_score, write_accuracy  # noqa: PLC0415

    if options.write:
        _tell(f"written: {write_accuracy().name}")
    if options.json:
        _print_json([item.to_json() for item in current_score().comparisons])
    elif not options.write:
        print(accuracy_page(), end="")  # noqa: T201
    return 0


def _check(options: argparse.Namespace) -> int:
    from metalmatrix.cells.matrix_file import load  # noqa: PLC0415
    from metalmatrix.running import alone  # noqa: PLC0415
    from metalmatrix.running.checklist import checks_seed  # noqa: PLC0415

    limits = load().limits
    which: Which = "plain" if options.plain else "pinned"
    if options.cell:
        from metalmatrix.cells.cell import Cell  # noqa: PLC0415
        from metalmatrix.running.run import default_results  # noqa: PLC0415

        cell = Cell.parse(options.cell)
        results = alone.run_alone(cell, which, default_results(), limits, options.only, _tell)
    else:
        from metalmatrix.running.supervise import run_checks  # noqa: PLC0415

        results = run_checks(options.python, limits, options.only, _tell)

    def again(check: str) -> str:
        if options.cell:
            return alone.command(options.cell, check, which)
        return alone.command_in(options.python, check)

    if options.json:
        more = {"limits": asdict(limits), "seed": checks_seed()}
        failed = {result.check: {"alone": again(result.check)} for result in results if _failed(result)}
        _print_json([asdict(result) | more | failed.get(result.check, {}) for result in results])
    else:
        from metalmatrix.table.terminal import print_checks  # noqa: PLC0415

        print_checks(results, again)
    return int(any(_failed(result) for result in results))


def _failed(result: CheckResult) -> bool:
    return result.outcome == "failed"


def _when(options: argparse.Namespace) -> int:
    from metalmatrix.searching import search_commands  # noqa: PLC0415

    return search_commands.when(options, _tell)


def _repair(options: argparse.Namespace) -> int:
    from metalmatrix.searching import search_commands  # noqa: PLC0415

    return search_commands.repair(options, _tell)


def _update(options: argparse.Namespace) -> int:
    from metalmatrix.cells import history  # noqa: PLC0415
    from metalmatrix.cells.matrix_file import load  # noqa: PLC0415
    from metalmatrix.published.update import NOTHING_NEW  # noqa: PLC0415
    from metalmatrix.published.update import main as update  # noqa: PLC0415
    from metalmatrix.resolving import answer_update  # noqa: PLC0415
    from metalmatrix.wheels import wheel_update  # noqa: PLC0415
    from metalmatrix.wheels.wheel_facts import load_facts  # noqa: PLC0415

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


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "matrix": _matrix,
    "table": _table,
    "explain": _explain,
    "pins": _pins,
    "static": _static,
    "accuracy": _accuracy,
    "check": _check,
    "when": _when,
    "repair": _repair,
    "update": _update,
}
