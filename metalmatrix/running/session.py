"""What the nox sessions call: which run they are part of, which cells it has, and one cell's work.

nox runs each cell in the process a person started, or under ``-j`` in a process of its own.  Which
cells were selected only nox knows, so it is asked, once for a run, through ``nox -l --json``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from metalmatrix.cells.matrix_file import load
from metalmatrix.errors import ToolMissingError, UsageError
from metalmatrix.running.plan import Options
from metalmatrix.running.run import Runner, default_results
from metalmatrix.running.run_name import ARGUMENTS_VARIABLE, RUN_VARIABLE
from metalmatrix.table.show import current_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from metalmatrix.cells.cell import Cell
    from metalmatrix.verdicts.report import CellReport


def selected(noxfile: Path) -> list[Cell]:
    """The cells that this run was asked for, in nox's own words.

    Raises:
        ToolMissingError: nox did not answer.
    """
    arguments = json.loads(os.environ.get(ARGUMENTS_VARIABLE, "[]"))
    arguments = arguments[: arguments.index("--")] if "--" in arguments else arguments
    environment = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "nox", *arguments, "-f", str(noxfile), "--list", "--json"],
        capture_output=True,
        encoding="utf-8",
        env=environment | {"NOX_SCRIPT_MODE": "none"},
        timeout=60,
        check=False,
    )
    try:
        sessions = json.loads(done.stdout)
    except ValueError as error:
        raise ToolMissingError(
            f"nox did not list its sessions: {done.stderr[-500:]}", "nox -l --json"
        ) from error
    wanted = {session["call_spec"].get("cell_id") for session in sessions if session["name"] == "matrix"}
    return [cell for cell in load().cells if cell.id in wanted]


def parse_options(arguments: Sequence[str]) -> Options:
    """What stands after ``--``.

    Raises:
        UsageError: There is no such option.
        SystemExit: Help was asked for, and is printed: nox ends, or each of the cells would print it.
    """
    if {"-h", "--help"}.intersection(arguments):
        from metalmatrix.cli import main  # noqa: PLC0415 - a cell needs no command line

        main(["matrix", "--help"])
    known = {"--fresh", "--keep", "--plain"}
    for argument in arguments:
        if argument not in known:
            raise UsageError(
                f"matrix has no option {argument!r}", f"after -- it takes {', '.join(sorted(known))}"
            )
    return Options(fresh="--fresh" in arguments, keep="--keep" in arguments, plain="--plain" in arguments)


_PLANS: dict[tuple[str, ...], str] = {}
"""The plan of this process's run, read once; the key is what stands after ``--``."""


def run_cell(
    cell_id: str, arguments: Sequence[str], noxfile: Path, tell: Callable[[str], None]
) -> CellReport:
    """Do one cell's part of the run; its report, for the line nox prints.

    Raises:
        MetalmatrixError: The tool could not do its work; a broken cell is no error.
    """
    runner = Runner(load(), default_results(), parse_options(arguments), tell)
    cell = runner.matrix.cell(cell_id)
    if (key := tuple(arguments)) not in _PLANS:
        _PLANS[key] = runner.plan(lambda: selected(noxfile))
    runner.cell(cell, _PLANS[key])
    return current_report(cell).cells[0]


def end_in_table() -> None:
    """Publish all that is known, and print its table."""
    # What a worker does not need: rich, and what makes the page.
    from metalmatrix.cli import collect_rarely  # noqa: PLC0415
    from metalmatrix.output import tell  # noqa: PLC0415
    from metalmatrix.site import write  # noqa: PLC0415
    from metalmatrix.table.terminal import print_report  # noqa: PLC0415

    collect_rarely()
    report = current_report()
    made = write.publication(report, tell)
    write.write_site(made)
    write.append_summary(made)
    print_report(report)
