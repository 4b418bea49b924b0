"""`explain` on the command line, and what every command takes for cells that are named in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.asking import asked, explanation, wheel, wheel_file, wheel_told
from metalmatrix.asking.words import Query, find
from metalmatrix.cells import history
from metalmatrix.cells.cell import VENV
from metalmatrix.cells.matrix_file import load
from metalmatrix.errors import UsageError
from metalmatrix.output import print_json, tell
from metalmatrix.published.targets import ARM64, TARGETS
from metalmatrix.running.run import default_results
from metalmatrix.table.show import current_score
from metalmatrix.table.terminal import print_lines
from metalmatrix.text import plain
from metalmatrix.verdicts.explain import Explainer
from metalmatrix.wheels.ranged import WheelError
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.verdicts.report import CellReport


def meant(words: Sequence[str]) -> tuple[Query, Collection[Cell], Explainer]:
    """The cells that *words* mean, all there are, and what explains them as of the matrix's day.

    No words at all mean every cell of Apple silicon in a virtual environment, for a command that takes none.
    """
    matrix = load()
    published = (cell for target in TARGETS for cell in history.cells(target))
    universe = {cell.id: cell for cell in (*published, *history.litert(), *matrix.cells)}.values()
    every = (cell for cell in universe if (cell.target, cell.route) == (ARM64, VENV))
    query = find(words, universe) if words else Query(tuple(every))
    return query, universe, Explainer(matrix.as_of, default_results(), matrix.expectation)


def explain(options: argparse.Namespace) -> int:
    """Say all that is known of cells, or of wheels.

    Raises:
        UsageError: A wheel's name or file is none, or what is typed is neither.
        IndexUnreachableError: It was needed for one of them.
    """
    if any(map(wheel.is_wheel, options.cells)):
        return _explain_wheels(options.cells, as_json=options.json)
    query, universe, explainer = meant(options.cells)
    reports = explainer.reports(query.cells, tell)

    def reports_of(cells: Sequence[Cell]) -> list[CellReport]:
        return [] if explainer.unreachable else explainer.reports(cells, tell)

    chosen = asked.to_explain(reports, explanation.FEW) if options.json else asked.to_tell(reports)
    items = [explanation.explained(report, universe, reports_of, explainer.lock) for report in chosen]
    if options.json:
        for note in query.notes:
            tell(note)
        print_json([item.to_json() for item in items or reports])
    else:
        print_lines(asked.answer(query, reports, items, load_facts(), current_score().line))
    explainer.reached()
    return 0


def _explain_wheels(words: Sequence[str], *, as_json: bool) -> int:
    """Say what wheels are: those that are here are read, of the others the name is."""
    if other := next((word for word in words if not wheel.is_wheel(word)), None):
        raise UsageError(f"{plain(other, 60)!r} is no wheel", "wheels are explained without other words")
    items = []
    for word in words:
        named, content = wheel.parse(word), None
        if wheel_file.is_here(word):
            try:
                content = wheel_file.read(Path(word), load_facts().by_sha256, tell)
            except (WheelError, OSError) as error:
                why = error.what if isinstance(error, WheelError) else error.strerror
                raise UsageError(f"{named.file} is not read: {why}") from error
        elif word != named.file:
            tell(f"{named.file} is not here: it is explained by its name")
        items.append(wheel.explained(named, load_facts(), content))
    if as_json:
        print_json([item.to_json() for item in items])
    else:
        print_lines(wheel_told.lines(items))
    return 0
