"""What `accuracy` takes on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.arguments import json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    accuracy = add(
        "accuracy",
        "Say how often `linked` was right, and what each public report does to which verdicts.",
        """\
  python -m metalmatrix accuracy
  python -m metalmatrix accuracy --write                    write docs/accuracy.md
  python -m metalmatrix accuracy --json""",
    )
    accuracy.add_argument("--write", action="store_true", help="write docs/accuracy.md of this clone")

    json_too(accuracy)
