"""What `pins` takes on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
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
