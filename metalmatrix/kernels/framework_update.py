"""Makes ``data/framework.jsonl``: installs some TensorFlows, each apart, and asks what it registers.

``python -m metalmatrix.kernels.framework_update`` takes about five minutes and a gigabyte of downloads.  It
is typed when a new minor version of TensorFlow is to stand in the data: its name goes into `RELEASES`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metalmatrix.errors import IndexUnreachableError, ToolMissingError
from metalmatrix.files import PACKAGE, write_atomic
from metalmatrix.kernels.framework_facts import DATA, dump_framework
from metalmatrix.kernels.kernel_facts import load_kernels
from metalmatrix.output import tell
from metalmatrix.resolving.uv import run_uv
from metalmatrix.running.interpreters import find_python

if TYPE_CHECKING:
    from collections.abc import Sequence

RELEASES = (
    # (TensorFlow, a Python that it has wheels for, what it needs beside it, whether its Keras is asked)
    ("2.7.0", "3.9", ("numpy<1.24", "protobuf<3.20", "keras<2.8"), False),
    ("2.10.0", "3.9", ("numpy<1.24",), False),
    ("2.12.1", "3.11", (), False),
    ("2.15.1", "3.11", (), True),
    ("2.16.2", "3.11", (), False),
    ("2.18.1", "3.11", (), True),
    ("2.20.0", "3.11", (), False),
    ("2.21.0", "3.11", (), False),
)
"""Oldest first: each line of TensorFlow in which these kernels changed, and the last Keras of each kind."""

SECONDS = 900


def ask(python: Path, *arguments: str) -> dict[str, Any]:
    """What `inside.py` tells in an environment with TensorFlow.

    Raises:
        ToolMissingError: It could not.
    """
    script = PACKAGE / "kernels" / "inside.py"
    done = subprocess.run(
        [str(python), "-I", str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise ToolMissingError(f"a TensorFlow that tells its kernels: {done.stderr[-500:]}") from error
    return told


def install(folder: Path, version: str, python: str, needs: Sequence[str]) -> Path:
    """An environment with one TensorFlow; its interpreter.

    Raises:
        IndexUnreachableError: It could not be installed.
    """
    interpreter = find_python(python)
    made = run_uv(["venv", "--python", str(interpreter), str(folder)])
    wanted = [f"tensorflow-cpu=={version}", "setuptools<82", *needs]
    path = folder / "bin" / "python"
    done = run_uv(["pip", "install", "--python", str(path), *wanted], seconds=SECONDS)
    if made.code or done.code:
        raise IndexUnreachableError(f"TensorFlow {version} could not be installed: {done.err[-300:]}")
    return path


def main() -> int:
    """Write the data."""
    ops = sorted({kernel.op for library in load_kernels().libraries for kernel in library.kernels})
    kernels, layers = [], []
    for version, python, needs, keras in RELEASES:
        tell(f"TensorFlow {version}")
        with tempfile.TemporaryDirectory() as folder:
            path = install(Path(folder) / "env", version, python, needs)
            kernels.append(ask(path, "kernels", *ops))
            if keras:
                layers.append(ask(path, "layers"))
    write_atomic(DATA, dump_framework(kernels, layers))
    tell(f"wrote {DATA.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
