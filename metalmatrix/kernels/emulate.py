"""A plugin's library in, its registration out: the emulator in a process of its own, under limits.

LIEF and Unicorn are native code, and the library comes from elsewhere: a crash, too much memory or no end
closes the child, and is an error with a name here.  What the child says is held to its shape.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from metalmatrix.errors import ToolMissingError
from metalmatrix.files import PACKAGE
from metalmatrix.kernels.image import EmulationError, read_image
from metalmatrix.kernels.platform_c import Platform
from metalmatrix.kernels.tensorflow_c import Kernel, OpDefinition
from metalmatrix.wheels.binds import MAX_PLUGIN

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from metalmatrix.kernels.registration import Registration

SECONDS = 120
MEMORY = 4 * 2**30
"""Limits of the child: seconds, and bytes of address space; a plugin takes 2 s and 250 MB."""

MAX_ANSWER = 32 * 2**20
_MISSING = 3
"""The child's exit code where a library is missing."""


@dataclass(frozen=True)
class Emulated:
    """What came of a library.

    Attributes:
        seconds: How long it took.
        memory: The most that it took, in bytes.
    """

    registration: Registration
    seconds: float
    memory: int


def emulate(path: Path, *, seconds: float = SECONDS) -> Emulated:
    """What the plugin at *path* registers.

    Raises:
        EmulationError: It cannot be known for sure, within the limits.
        ToolMissingError: LIEF or Unicorn is not installed.
    """
    if path.stat().st_size > MAX_PLUGIN:
        raise EmulationError(f"a plugin's library of more than {MAX_PLUGIN >> 20} MiB is not read")
    started = time.monotonic()
    try:
        child = subprocess.run(
            [sys.executable, "-m", "metalmatrix.kernels.emulate", str(path.resolve())],
            capture_output=True,
            cwd=PACKAGE.parent,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EmulationError(f"its registration does not come to its end in {seconds:g} s") from error
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise EmulationError(f"its registration ended the emulator with {name}")
    try:
        answer = json.loads(child.stdout[:MAX_ANSWER])
        if child.returncode == 0:
            found = from_json(answer["registration"])
            return Emulated(found, time.monotonic() - started, int(answer["memory"]))
    except (ValueError, TypeError, KeyError) as error:
        raise EmulationError("the emulator broke off in the middle") from error
    if child.returncode == _MISSING:
        raise ToolMissingError(
            f"reading a plugin's kernels needs {answer}", 'pip install "metalmatrix[kernels]"'
        )
    raise EmulationError(f"its registration cannot be run to its end: {answer}")


def from_json(entry: dict[str, Any]) -> Registration:
    """The registration that ``dataclasses.asdict`` took apart.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    from metalmatrix.kernels.registration import Registration  # noqa: PLC0415 - it brings Unicorn

    platform = Platform(**entry["platform"] | {"executor": tuple(entry["platform"]["executor"])})
    kernels = [
        Kernel(**kernel | {"dtypes": _pairs(kernel["dtypes"]), "host": tuple(kernel["host"])})
        for kernel in entry["kernels"]
    ]
    ops = [
        OpDefinition(op["name"], tuple(op["attributes"]), tuple(op["inputs"]), tuple(op["outputs"]))
        for op in entry["ops"]
    ]
    unfinished = tuple(str(op) for op in entry["unfinished"])
    macos, sites = str(entry["macos"]), int(entry["sites"])
    return Registration(tuple(kernels), tuple(ops), platform, macos, sites, unfinished)


def _pairs(found: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(dtype)) for name, dtype in found)


def _in_child(path: str) -> int:
    """Print the registration as JSON, or what is wrong."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if sys.platform != "darwin":  # where the limit cannot be set below what is mapped already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        from metalmatrix.kernels.registration import registration  # noqa: PLC0415 - in the child only

        with open(path, "rb") as file:  # noqa: PTH123 - a path from the parent
            image = read_image(file.read(MAX_PLUGIN + 1))
        found = registration(image)
    except ImportError as error:
        return _say("Unicorn" if "unicorn" in str(error) else "LIEF", _MISSING)
    except EmulationError as error:
        return _say(error.what[:500], 1)
    return _say({"registration": asdict(found), "memory": _peak_memory()}, 0)


def _peak_memory() -> int:
    """The most memory that this process has had, in bytes; on Linux without that of the one that forked it."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - as above
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB elsewhere


def _say(answer: object, code: int) -> int:
    sys.stdout.write(json.dumps(answer))
    return code


if __name__ == "__main__":
    sys.exit(_in_child(sys.argv[1]))
