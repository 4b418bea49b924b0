"""What `pins` takes on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.arguments import json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add

FORMATS = ("requirements", "pylock", "conda", "constraints", "pyproject", "command")


def add_to(add: Add) -> None:
    """Add them."""
    pins = add(
        "pins",
        "Print the best set of pins that is known to be good: for this Mac, or for the one that is named.",
        """\
  python -m metalmatrix pins > requirements.txt             the best for this Mac
  python -m metalmatrix pins --python 3.11 --macos 13 --chip m1
  python -m metalmatrix pins --all --python 3.12            every set that may be handed out
  python -m metalmatrix pins 3.11 2.16                      the best of Python 3.11 with TensorFlow 2.16
  python -m metalmatrix pins 2.16.2 1.2.0 --allow-degraded
  python -m metalmatrix pins --python 3.11 --with keras-hub --with tensorflow-text
  python -m metalmatrix pins --format pylock > pylock.toml
  python -m metalmatrix pins --format pyproject --write     put it into ./pyproject.toml""",
    )
    pins.add_argument(
        "cells",
        nargs="*",
        metavar="WORD",
        help="an id, a pattern, or loose words: 3.11 2.18; every cell if none",
    )
    pins.add_argument("--python", metavar="VERSION", help="the Python, like 3.11")
    pins.add_argument("--macos", metavar="VERSION", help="the macOS, like 14 or 13.4")
    pins.add_argument("--chip", metavar="NAME", help="the chip, like m1 or 'm2 max'; any Apple silicon else")
    pins.add_argument(
        "--with",
        dest="companions",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="also this package, like keras-hub or 'keras-hub>=0.20'; may be given more than once",
    )
    pins.add_argument(
        "--allow-degraded", action="store_true", help="also what runs with something wrong or slow"
    )
    what = pins.add_mutually_exclusive_group()
    what.add_argument("--all", action="store_true", help="list every set that may be handed out, best first")
    what.add_argument("--format", choices=FORMATS, help="the form of the file; requirements if none is named")
    pins.add_argument(
        "--write",
        nargs="?",
        const="pyproject.toml",
        metavar="FILE",
        help="with --format pyproject: put the group in place there, and show what changes",
    )
    pins.add_argument(
        "--wheels",
        metavar="FOLDER",
        help="with --format pylock: for wheels in that folder beside the file, and without asking the index",
    )
    json_too(pins)
