"""What `table` and `static` take on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.arguments import day, json_too
from metalmatrix.published.targets import ARM64, TARGETS

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    table = add(
        "table",
        "Show what is known, and write the page and the feeds under site/.",
        """\
  python -m metalmatrix table
  python -m metalmatrix table --since last/compat.json      the page tells what has changed since
  python -m metalmatrix table --readme README.md            put the table between its markers
  python -m metalmatrix table --json""",
    )
    table.add_argument(
        "--since", metavar="OLD", help="the last publication: whatever `diff` takes, a compat.json say"
    )
    table.add_argument(
        "--readme", type=Path, metavar="FILE", help="replace the table between the markers of a Markdown file"
    )

    static = add(
        "static",
        "Give every published combination its verdict, on any machine, without installing anything.",
        """\
  python -m metalmatrix static                              the whole history, offline
  python -m metalmatrix static --json
  python -m metalmatrix static --target x86_64              for Intel Macs
  python -m metalmatrix static --as-of 2026-10-01           as of another day: asks the resolver""",
    )
    static.add_argument(
        "--as-of", type=day, metavar="DAY", help="the last day whose uploads count; as shipped if not given"
    )
    static.add_argument(
        "--target", choices=TARGETS, default=ARM64, help="the kind of Macs: arm64, or x86_64 for Intel"
    )
    static.add_argument("--fresh", action="store_true", help="ask the resolver again what is known already")

    json_too(table, static)
