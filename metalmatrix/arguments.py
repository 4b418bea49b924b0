"""What the command line takes: each command with a sentence and examples, and nothing of what it does."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import metalmatrix

Add = Callable[[str, str, str], argparse.ArgumentParser]
"""Adds a command: its name, a sentence, examples; a package's ``arguments.py`` takes it and adds its own."""

CODES = """\
exit codes:
  0  it is done, whatever the table says      3  the package index could not be reached
  1  a surprise: a cell is not what matrix.toml expects   4  a result file is damaged, or newer than this
  2  the command line or matrix.toml is wrong  5  a program that is needed is not on this machine
"""


def parser() -> argparse.ArgumentParser:
    """What the command line takes; ``options.command`` is the name of the command."""
    made = argparse.ArgumentParser(
        prog="python -m metalmatrix",
        description=metalmatrix.__doc__.partition("\n")[0] if metalmatrix.__doc__ else "",
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"metalmatrix {metalmatrix.__version__}")
    commands = made.add_subparsers(dest="command", metavar="NAME", required=True)

    def add(name: str, summary: str, examples: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    matrix = add(
        "matrix",
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
        "Show what is known, and write site/compat.json and site/compat.md.",
        """\
  python -m metalmatrix table
  python -m metalmatrix table --json""",
    )

    explain = add(
        "explain",
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
        "Say how often `linked` was right, and what each public report does to which verdicts.",
        """\
  python -m metalmatrix accuracy
  python -m metalmatrix accuracy --write                    write docs/accuracy.md
  python -m metalmatrix accuracy --json""",
    )
    accuracy.add_argument("--write", action="store_true", help="write docs/accuracy.md of this clone")

    pins = add(
        "pins",
        "Print the pins of the best cell that is meant, as a requirements file with hashes.",
        """\
  python -m metalmatrix pins py3.11-tf2.15.1-metal1.1.0 > requirements.txt
  python -m metalmatrix pins 3.11 2.18                      the best of Python 3.11 with TensorFlow 2.18
  python -m metalmatrix pins 2.16.2 1.2.0 --allow-degraded""",
    )
    pins.add_argument("cells", nargs="+", metavar="WORD", help="an id, a pattern, or loose words: 3.11 2.18")
    pins.add_argument(
        "--allow-degraded", action="store_true", help="also what runs with something wrong or slow"
    )

    check = add(
        "check",
        "Run the checks in an environment that exists already, or in that of a cell.",
        """\
  python -m metalmatrix check --python .venv/bin/python
  python -m metalmatrix check --python .venv/bin/python --only import --only fit --json
  python -m metalmatrix check --cell py3.11-tf2.15.1-nometal --only numerics
--cell makes the environment of a cell that has a result here, and keeps it for the next time.""",
    )
    where = check.add_mutually_exclusive_group(required=True)
    where.add_argument("--python", type=Path, metavar="PATH", help="the environment's interpreter")
    where.add_argument("--cell", metavar="CELL", help="the id of a cell")
    check.add_argument("--plain", action="store_true", help="with --cell: its plain set, not the pinned one")
    check.add_argument(
        "--only", action="append", metavar="CHECK", help="one check; may be given more than once"
    )

    when = add(
        "when",
        "Say since which day a plain install of cells is broken, and which upload did it.",
        """\
  python -m metalmatrix when py3.11-tf2.14.0-nometal
  python -m metalmatrix when py3.10-tf2.9.0-nometal --json
  python -m metalmatrix when --force        each framework on its newest Python here, into data/breaks.jsonl
A search that was cut off goes on where it stopped: what was rehearsed once is not rehearsed again.""",
    )
    when.add_argument("--force", action="store_true", help="write what is found into the data")

    repair = add(
        "repair",
        "Find the fewest and widest bounds that mend a plain install.",
        """\
  python -m metalmatrix repair py3.11-tf2.14.0-nometal
  python -m metalmatrix repair py3.11-tf2.14.0-nometal --force     write them into data/repairs.toml
  python -m metalmatrix repair --check                             prove each entry anew""",
    )
    repair.add_argument("--force", action="store_true", help="write them into the data")
    repair.add_argument("--check", action="store_true", help="prove each entry of the data anew")
    for command in (when, repair):
        command.add_argument("cells", nargs="*", metavar="CELL", help="ids, like py3.11-tf2.14.0-nometal")

    update = add(
        "update",
        "Show what has been published since, as a diff of the data.",
        """\
  python -m metalmatrix update
  python -m metalmatrix update --force                      write it""",
    )
    update.add_argument("--force", action="store_true", help="write the data")

    for command in (matrix, table, explain, static, accuracy, check, when, repair):
        command.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    return made


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it like 2026-11-20") from error
    if day > dt.datetime.now(dt.timezone.utc).date():
        raise argparse.ArgumentTypeError(f"{text} is still to come: nothing is known of its uploads")
    return day
