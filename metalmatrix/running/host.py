"""Facts about the machine that a result comes from, and the name of its folder under ``results/``.

`Host` is what is kept: nothing in it names a person, a machine or a path.  Gathering is the edge: a few
system commands, each with a time limit and bounded output, beside pure functions that read what they
print.  macOS is asked by the absolute paths of its own tools; nothing runs at import.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import signal
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metalmatrix.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_TEXT = 100
"""Characters a fact may have."""
MAX_GPUS = 8
MAX_NUMBER = 2**20
MAX_SLUG = 60
MAX_OUTPUT = 2**18
"""Bytes of a command's output that are read; `system_profiler` prints about 2 KiB a display."""

_ARCHITECTURES = {"aarch64": "arm64", "amd64": "x86_64"}
_NOISE = re.compile(r"\((?:r|tm)\)|@.*|\b(?:cpu|processor)\b")  # Intel(R) Xeon(R) CPU @ 2.20GHz


@dataclass(frozen=True)
class Host:
    """A machine.

    Attributes:
        os: ``macos``, ``linux``, or another system's name in lower case.
        os_version: The product version of macOS, ``15.2``; on Linux the distribution, ``debian 12``.
        os_build: The build of macOS, ``24C101``; empty elsewhere.
        arch: What this process runs as: ``arm64`` or ``x86_64``.
        chip: ``Apple M2 Max``; on Linux the model name of the CPU.
        cores: Logical cores.
        memory_gb: Memory in GiB, rounded.
        gpu: Name of each GPU with its core count, ``Apple M2 Max (38 cores)``; empty unless on macOS.
        translated: Whether Rosetta 2 runs this process; None where that is unknown, or no Mac.
    """

    os: str
    os_version: str
    os_build: str
    arch: str
    chip: str
    cores: int
    memory_gb: int
    gpu: tuple[str, ...]
    translated: bool | None

    @property
    def is_apple_silicon(self) -> bool:
        """Whether the machine is an Apple-silicon Mac, also where an x86-64 Python asks under Rosetta 2."""
        return self.os == "macos" and (self.arch == "arm64" or self.translated is True)

    @property
    def is_virtual(self) -> bool:
        """Whether the chip or the GPU is a virtual machine's: ``Apple M1 (Virtual)``, paravirtual."""
        return "(virtual)" in self.chip.lower() or any("paravirtual" in name.lower() for name in self.gpu)

    @property
    def platform_key(self) -> str:
        """The key in ``[rehearse]`` of ``matrix.toml``: ``linux-x86_64``, ``linux-aarch64``, ``macos-arm64``.

        That of the machine and not of this process: a translated Python is on ``macos-arm64``.
        """
        arch = "arm64" if self.is_apple_silicon else self.arch
        return f"{self.os}-{'aarch64' if (self.os, arch) == ('linux', 'arm64') else arch}"

    @property
    def slug(self) -> str:
        """The machine's folder under ``results/``: ``[a-z0-9.-]+``, at most `MAX_SLUG` characters.

        ``macos-15.2-apple-m2-max-64gb``.  Machines alike in all of it share a folder.
        """
        system = f"{self.os} {self.os_version}" + ("" if self.is_apple_silicon else f" {self.arch}")
        head, tail = _slug(system)[:35].strip("-."), f"{self.memory_gb}gb"
        chip = _slug(_NOISE.sub(" ", self.chip.lower()))[: MAX_SLUG - len(head) - len(tail) - 2].strip("-.")
        return "-".join(part for part in (head, chip, tail) if part)

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON has them."""
        return {**asdict(self), "gpu": list(self.gpu)}

    @classmethod
    def from_json(cls, data: object) -> Host:
        """The host that `to_json` wrote.

        Raises:
            ResultError: A fact is missing, unknown, of another type, over-long, or not printable.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or set(data) != names:
            raise ResultError(f"the host facts are damaged: they must be {', '.join(sorted(names))}")
        for name, value in data.items():
            if not _RULES.get(name, _is_text)(value):
                raise ResultError(f"the host facts are damaged: {name} cannot be {value!r:.60}")
        return cls(**{**data, "gpu": tuple(data["gpu"])})


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9_]{1,20}", value) is not None


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_NUMBER


_RULES: Mapping[str, Callable[[Any], bool]] = {
    "os": _is_name,
    "arch": _is_name,
    "cores": _is_count,
    "memory_gb": _is_count,
    "gpu": lambda value: isinstance(value, list) and len(value) <= MAX_GPUS and all(map(_is_text, value)),
    "translated": lambda value: value is None or isinstance(value, bool),
}


def _slug(text: str) -> str:
    ascii_only = text.lower().encode("ascii", "ignore").decode()
    return re.sub(r"[-.]*-[-.]*|\.{2,}", "-", re.sub(r"[^a-z0-9.]+", "-", ascii_only)).strip("-.")


# Pure: what the commands print ------------------------------------------------------------------


def parse_sw_vers(text: str) -> tuple[str, str]:
    """Version and build of macOS from the output of ``sw_vers``; empty where it does not tell."""
    told = _pairs(text)
    return _fact(told.get("ProductVersion", "")), _fact(told.get("BuildVersion", ""))


def parse_sysctl(text: str) -> dict[str, str]:
    """Value by name from the output of ``sysctl name ...``, which leaves out the names it does not know."""
    return _pairs(text)


def parse_system_profiler(text: str) -> tuple[str, ...]:
    """The GPUs in the output of ``system_profiler SPDisplaysDataType -json``, with their core counts.

    The displays it lists below each GPU have names and serial numbers: they are not looked at.
    """
    try:
        cards = json.loads(text)["SPDisplaysDataType"]
        found = [(card.get("sppci_model") or card["_name"], card.get("sppci_cores")) for card in cards]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    names = (f"{name} ({cores} cores)" if cores else str(name) for name, cores in found)
    return tuple(_fact(name) for name in names)[:MAX_GPUS]


def parse_cpuinfo(text: str) -> str:
    """The model of the CPU from ``/proc/cpuinfo``; on arm64, where Linux has no name for it, its numbers."""
    told = _pairs(text)
    numbers = [f"{key[4:]} {told[key]}" for key in ("CPU implementer", "CPU part") if key in told]
    return _fact(told.get("model name") or told.get("Model") or " ".join(numbers))


def parse_os_release(told: Mapping[str, str]) -> str:
    """Distribution and version from ``os-release(5)``: ``debian 12``."""
    return _fact(f"{told.get('ID', 'linux')} {told.get('VERSION_ID', '')}")


def normalised(machine: str) -> str:
    """An architecture by the one name it has here, for what ``uname -m`` calls it."""
    return _ARCHITECTURES.get(machine.lower(), machine.lower())


def _pairs(text: str) -> dict[str, str]:
    """``key: value`` lines; of a repeated key the first, which is a machine's first core."""
    pairs = (line.partition(":") for line in reversed(text.splitlines()) if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _fact(text: str) -> str:
    """Text as `Host.from_json` takes it: on one line, printable, bounded."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())[:MAX_TEXT].strip()


# The edge ---------------------------------------------------------------------------------------


def output_of(
    command: Sequence[str], seconds: float, limit: int = MAX_OUTPUT, cwd: Path | None = None
) -> str | None:
    """What *command* prints, whatever its exit code.

    Args:
        command: Program and arguments.
        seconds: After that long it is killed, with what it started.
        limit: Bytes of output that are read.
        cwd: Where it runs; here where None.

    Returns:
        None where it cannot be run, does not end in time, or prints more than *limit*.
    """
    # Tools of macOS take 11 and later for 10.16 where a user has set this to 1 for old programs.
    environment = {**os.environ, "SYSTEM_VERSION_COMPAT": "0"}
    deadline = time.monotonic() + seconds
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=cwd,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return None
    read: list[bytes] = []
    stream = process.stdout or io.BytesIO()
    # In a thread, since a program that outlives its parent can hold the pipe open for good.
    reader = threading.Thread(target=lambda: read.append(stream.read(limit + 1)), daemon=True)
    reader.start()
    reader.join(seconds)
    ended = bool(read) and len(read[0]) <= limit
    if ended:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            ended = False
    if not ended:
        _kill(process)
        reader.join(1)
    if not reader.is_alive():
        stream.close()
    return read[0].decode("utf-8", "replace") if ended else None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and what it started, which is a session of its own, and wait for its end."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _system() -> str:
    return platform.system().lower().replace("darwin", "macos")


@lru_cache(maxsize=None)
def native_arch() -> str:
    """What programs made for this machine run as: ``arm64`` on an Apple-silicon Mac, also under Rosetta 2."""
    return "arm64" if _translated() else normalised(platform.machine())


@lru_cache(maxsize=None)
def _translated() -> bool | None:
    """Whether Rosetta 2 runs this process: it does where an x86-64 process finds an arm64 machine.

    That is surer than ``sysctl.proc_translated``, which tells of the `sysctl` process itself.
    """
    if _system() != "macos":
        return None
    if normalised(platform.machine()) == "arm64":
        return False
    told = output_of(["/usr/sbin/sysctl", "-i", "hw.optional.arm64"], seconds=5)
    return None if told is None else parse_sysctl(told).get("hw.optional.arm64") == "1"


@lru_cache(maxsize=None)
def this_host() -> Host:
    """The facts about this machine; what cannot be had is empty."""
    import psutil  # noqa: PLC0415 - not needed to list the sessions

    system = _system()
    version, build, chip, gpu = _macos() if system == "macos" else _elsewhere()
    return Host(
        os=system,
        os_version=version,
        os_build=build,
        arch=normalised(platform.machine()),
        chip=chip,
        cores=psutil.cpu_count() or 1,
        memory_gb=max(1, round(psutil.virtual_memory().total / 2**30)),
        gpu=gpu,
        translated=_translated(),
    )


def _macos() -> tuple[str, str, str, tuple[str, ...]]:
    version, build = parse_sw_vers(output_of(["/usr/bin/sw_vers"], seconds=5) or "")
    # The slow one of the three: it asks the window server and each display.
    displays = output_of(["/usr/sbin/system_profiler", "SPDisplaysDataType", "-json"], seconds=20)
    gpu = parse_system_profiler(displays or "")
    told = parse_sysctl(output_of(["/usr/sbin/sysctl", "-i", "machdep.cpu.brand_string"], seconds=5) or "")
    chip = _fact(told.get("machdep.cpu.brand_string", ""))
    if _translated() and not chip.startswith("Apple"):
        # Under Rosetta 2 the CPU is a `VirtualApple`; chip and GPU of an Apple-silicon Mac share a name.
        chip = gpu[0].partition(" (")[0] if gpu else "Apple silicon"
    return version, build, chip, gpu


def _elsewhere() -> tuple[str, str, str, tuple[str, ...]]:
    try:
        version = parse_os_release(platform.freedesktop_os_release())
    except OSError:
        version = ""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            chip = parse_cpuinfo(file.read(MAX_OUTPUT))
    except OSError:
        chip = _fact(platform.processor())
    return version, "", chip, ()
