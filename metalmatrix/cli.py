"""``python -m metalmatrix NAME``: what the sessions call, for people and, with ``--json``, for machines.

A package that has commands tells in ``arguments.py`` what they take, and has in ``commands.py`` a function
of each one's name, which is imported when it is called.  With ``--json``, standard output is JSON alone;
progress and errors go to standard error.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import sys
from typing import TYPE_CHECKING

import metalmatrix
from metalmatrix.arguments import Parser
from metalmatrix.asking import arguments as asking
from metalmatrix.diff import arguments as diff
from metalmatrix.doctor import arguments as doctor
from metalmatrix.errors import MetalmatrixError, ToolMissingError, told
from metalmatrix.kernels import arguments as kernels
from metalmatrix.macs import arguments as macs
from metalmatrix.pins import arguments as pins
from metalmatrix.published import arguments as published
from metalmatrix.reported import arguments as reported
from metalmatrix.running import arguments as running
from metalmatrix.searching import arguments as searching
from metalmatrix.site import arguments as site
from metalmatrix.table import arguments as table

if TYPE_CHECKING:
    from collections.abc import Sequence

WITH_COMMANDS = (
    *(running, table, site, asking, pins, doctor, kernels),
    *(diff, macs, searching, reported, published),
)
"""In the order in which `--help` lists them."""

CODES = """\
exit codes:
  0  it is done, whatever the table says      3  the package index could not be reached
  1  a surprise: a cell is not what matrix.toml expects, or not what the data says it is
  2  the command line or matrix.toml is wrong  4  a result file is damaged, or newer than this
  5  a program that is needed is not on this machine, or failed there: what it was for is unknown
"""


def parser() -> argparse.ArgumentParser:
    """What the command line takes; ``options.command`` is the command, ``options.package`` has it."""
    made = Parser(
        prog="python -m metalmatrix",
        description=metalmatrix.__doc__.partition("\n")[0] if metalmatrix.__doc__ else "",
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"metalmatrix {metalmatrix.__version__}")
    commands = made.add_subparsers(dest="command", metavar="NAME", required=True)
    for arguments in WITH_COMMANDS:

        def add(
            name: str, summary: str, examples: str, of: str = arguments.__package__ or ""
        ) -> argparse.ArgumentParser:
            command = commands.add_parser(
                name,
                help=summary,
                description=summary,
                epilog=f"examples:\n{examples}",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            command.set_defaults(package=of)
            return command

        arguments.add_to(add)
    return made


def collect_rarely() -> None:
    """Let Python look for garbage less often: what is made here by the hundred thousand stays.

    As often as it does by itself costs an eighth of `static` (`docs/performance.md`).
    """
    gc.set_threshold(100_000, 50, 100)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    collect_rarely()
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # nox shows what every library logs
    options = parser().parse_args(arguments)
    try:
        return int(getattr(importlib.import_module(f"{options.package}.commands"), options.command)(options))
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
