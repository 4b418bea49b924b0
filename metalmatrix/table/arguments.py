"""What `table` and `static` take on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.arguments import day, json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    table = add(
        "table",
        "Show what is known, and write site/compat.json and site/compat.md.",
        """\
  python -m metalmatrix table
  python -m metalmatrix table --json""",
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
        "--as-of", type=day, metavar="DAY", help="the last day whose uploads count; as shipped if not given"
    )
    static.add_argument("--fresh", action="store_true", help="ask the resolver again what is known already")

    json_too(table, static)
