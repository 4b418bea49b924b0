"""What `diff` takes on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.arguments import json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add it."""
    diff = add(
        "diff",
        "Say what has changed between two tables and why, and stop what nobody declared: code 1.",
        """\
  python -m metalmatrix diff compat-before.json             a file, and what is known now
  python -m metalmatrix diff main                           the table that this revision tells
  python -m metalmatrix diff v1.0 main --json
  python -m metalmatrix diff https://example.org/metalmatrix --markdown
  python -m metalmatrix diff before/results after/results   folders with results
OLD and NEW are each a compat.json, a folder with one or with results, a git revision, or the https
address of a published feed.""",
    )
    diff.add_argument("old", metavar="OLD", help="the table before")
    diff.add_argument("new", metavar="NEW", nargs="?", help="the table after; what is known now if not given")
    diff.add_argument("--markdown", action="store_true", help="print Markdown, for the summary of a CI job")
    json_too(diff)
