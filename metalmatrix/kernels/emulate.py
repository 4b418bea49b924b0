"""A plugin's library in, its registration out: the emulator in a process of its own, under limits.

LIEF and Unicorn are native code, and the library comes from elsewhere (`wheels.child`).  What the child says
is held to its shape.  A plugin takes 1 to 2 s and up to 175 MiB.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from metalmatrix.kernels.image import EmulationError, read_image
from metalmatrix.kernels.platform_c import Platform
from metalmatrix.kernels.tensorflow_c import Kernel, OpDefinition
from metalmatrix.wheels import child

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from metalmatrix.kernels.registration import Registration


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


def emulate(path: Path, *, seconds: float | None = None) -> Emulated:
    """What the plugin at *path* registers.

    Raises:
        MachOError: It cannot be known for sure, within the limits.
        ToolMissingError: LIEF or Unicorn is not installed.
    """
    started = time.monotonic()
    answer = child.ask(
        "metalmatrix.kernels.emulate", path, "running its registration", "kernels", seconds=seconds
    )
    try:
        found = from_json(answer["registration"])
        return Emulated(found, time.monotonic() - started, int(answer["memory"]))
    except (ValueError, TypeError, KeyError) as error:
        raise EmulationError("running its registration gave no registration") from error


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
    child.limit()
    try:
        from metalmatrix.kernels.registration import registration  # noqa: PLC0415 - in the child only

        with open(path, "rb") as file:  # noqa: PTH123 - a path from the parent
            image = read_image(file.read(child.MAX_LIBRARY + 1))
        found = registration(image)
    except ImportError as error:
        return child.lack("Unicorn" if "unicorn" in str(error) else "LIEF")
    except EmulationError as error:
        return child.refuse(error.what[:500])
    return child.say({"registration": asdict(found), "memory": _peak_memory()})


def _peak_memory() -> int:
    """The most memory that this process has had, in bytes; on Linux without its parent's."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - as above
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB elsewhere


if __name__ == "__main__":
    sys.exit(_in_child(sys.argv[1]))
