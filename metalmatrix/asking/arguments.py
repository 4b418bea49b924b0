"""What `explain` takes on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.arguments import json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    explain = add(
        "explain",
        "Say all that is known of cells, in the matrix or not, and what to install instead; or of a wheel.",
        """\
  python -m metalmatrix explain 3.11 2.18 1.1.0             Python, TensorFlow, plugin, in any order
  python -m metalmatrix explain tensorflow==2.18.0 nometal  what is not named is all there is
  python -m metalmatrix explain py3.11-tf2.15.1-metal1.1.0
  python -m metalmatrix explain 'py3.11-tf2.1[56]*' --json
  python -m metalmatrix explain 3.9 2.12.0 0.8.0 conda      with conda's interpreter; x86_64: on an Intel Mac
  python -m metalmatrix explain tensorflow_macos-2.12.0-cp39-cp39-macosx_12_0_arm64.whl
The JSON of up to 20 cells also has the nearest that are better, and the commands to install one.""",
    )
    explain.add_argument(
        "cells",
        nargs="+",
        metavar="WORD",
        help="ids, patterns of ids in quotes, or loose words, like 3.11 tf2.18 metal1.1.0; or wheels",
    )

    json_too(explain)
