"""What `serve` takes on the command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    serve = add(
        "serve",
        "Show site/ in a browser of this machine; makes it first where there is none. Ctrl-C ends it.",
        """\
  python -m metalmatrix serve
  python -m metalmatrix serve --port 8000""",
    )
    serve.add_argument(
        "--port", type=port, default=0, metavar="N", help="the port; one that is free if not given"
    )


def port(text: str) -> int:
    """A port on the command line."""
    if not text.isdecimal() or not 0 <= int(text[:6]) < 65536:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no port: it is a number from 0 to 65535")
    return int(text)
