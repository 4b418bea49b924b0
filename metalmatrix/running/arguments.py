"""What `matrix` and `check` take on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.arguments import json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
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

    check = add(
        "check",
        "Run the checks in an environment that exists already, or in that of a cell.",
        """\
  python -m metalmatrix check --python .venv
  python -m metalmatrix check --python .venv/bin/python --only import --only fit --json
  python -m metalmatrix check --cell py3.11-tf2.15.1-nometal --only numerics
--cell makes the environment of a cell that has a result here, and keeps it for the next time.""",
    )
    where = check.add_mutually_exclusive_group(required=True)
    where.add_argument("--python", metavar="PATH", help="the environment: its folder, or its interpreter")
    where.add_argument("--cell", metavar="CELL", help="the id of a cell")
    check.add_argument("--plain", action="store_true", help="with --cell: its plain set, not the pinned one")
    check.add_argument(
        "--only", action="append", metavar="CHECK", help="one check; may be given more than once"
    )

    json_too(matrix, check)
