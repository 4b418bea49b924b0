"""What `ops` takes on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.arguments import json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    ops = add(
        "ops",
        "Say which ops a plugin registers for the GPU, for which dtypes, and where a model's would run.",
        """\
  python -m metalmatrix ops                                 each version in a line
  python -m metalmatrix ops MatMul Conv2D                   which versions have it, for which dtypes
  python -m metalmatrix ops --version 1.2.0 --dtype half    all that a version has for a dtype
  python -m metalmatrix ops --diff 1.1.0 1.2.0              what it newly covers, and lost
  python -m metalmatrix ops --model model.keras             where each op of a model would run
  python -m metalmatrix ops --model saved_model --version 1.2.0 --framework 2.18 --json
Registered is not computes rightly: whether the numbers are right, only a run on a Mac tells.""",
    )
    ops.add_argument("ops", nargs="*", metavar="OP", help="ops, as TensorFlow names them")
    ops.add_argument("--version", metavar="V", help="this version of tensorflow-metal alone")
    ops.add_argument("--python", metavar="3.11", help="the wheel for this Python, where they differ (0.8.0)")
    ops.add_argument(
        "--dtype", metavar="T", help="kernels for this dtype alone: float32, half, bfloat16, ..."
    )
    ops.add_argument("--diff", nargs=2, metavar=("OLD", "NEW"), help="two versions against each other")
    ops.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="a .keras file, a SavedModel or a GraphDef; nothing in it is executed",
    )
    ops.add_argument("--framework", metavar="V", help="the TensorFlow beside it; else the newest that fits")
    json_too(ops)
