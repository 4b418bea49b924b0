"""``python -m tests.simulated_gpu PYTHON``: installs the double into the environment of an interpreter."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.simulated_gpu import VARIABLE, install

parser = argparse.ArgumentParser(prog="python -m tests.simulated_gpu", description=__doc__)
parser.add_argument("python", type=Path, help="the interpreter of an environment with tensorflow-cpu")
parser.add_argument("--undefined-symbol", action="store_true", help="the build that cannot be loaded")
options = parser.parse_args()
print(install(options.python.absolute(), undefined_symbol=options.undefined_symbol))  # noqa: T201 - the answer
print(f"faults: {VARIABLE}=wrong-matmul, nan, hang ...: see tests/simulated_gpu/faults.c")  # noqa: T201
