"""What `update` takes on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    update = add(
        "update",
        "Show what has been published since, as a diff of the data.",
        """\
  python -m metalmatrix update
  python -m metalmatrix update --force                      write it""",
    )
    update.add_argument("--force", action="store_true", help="write the data")
