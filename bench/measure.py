"""One command measured, and several that take turns.

Processor time is that of the whole tree of processes, as far as each waited for its children: user and system
seconds (``wait4(2)``).  The peak of memory that is told there is none of the command's on Linux: a process keeps
that of the one it was started from.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


class FailedError(Exception):
    """A command did not do what it was to do: its time says nothing."""


@dataclass(frozen=True)
class Sample:
    """What one command took.

    Attributes:
        seconds: Wall-clock seconds.
        cpu: User and system seconds of its whole tree.
        code: Its exit code.
    """

    seconds: float
    cpu: float
    code: int

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {**asdict(self), "seconds": round(self.seconds, 4), "cpu": round(self.cpu, 4)}


@dataclass(frozen=True)
class Contestant:
    """One way to do a job.

    Attributes:
        name: What it is called on the page.
        shown: The command as a person types it: no folder of this machine is in it.
        command: The command.
        cwd: Where it runs.
        env: All of its environment's variables.
        prepare: Called before each time, and not measured.
        codes: Exit codes that mean that the work was done.
        times: How often it takes its turn, where that is less often than the others.
    """

    name: str
    shown: str
    command: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    prepare: Callable[[], None] = lambda: None
    codes: tuple[int, ...] = (0,)
    times: int = sys.maxsize


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limit: float = 3600,
    codes: Iterable[int] = (0,),
) -> tuple[Sample, str]:
    """Run a command to its end; what it took, and what it wrote to standard output.

    Args:
        command: Its first word is a program's path.
        cwd: Where it runs.
        env: All of its environment's variables.
        limit: Seconds after which it and its group are killed.
        codes: Exit codes that mean that it did its work.

    Raises:
        FailedError: It ended with another code; the end of what it wrote is in the message.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        timer = threading.Timer(limit, _kill, [process.pid])
        timer.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            _kill(process.pid)
            raise
        finally:
            timer.cancel()
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if process.returncode not in codes:
        raise FailedError(
            f"{' '.join(command)[:300]} ended with {process.returncode}: {''.join(texts)[-1500:]}"
        )
    return Sample(seconds, used.ru_utime + used.ru_stime, process.returncode), texts[0]


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def side_by_side(
    contestants: Sequence[Contestant], times: int, tell: Callable[[str], None], *, limit: float = 3600
) -> list[dict[str, Any]]:
    """Let all take turns, *times* times, each time with another that begins; everything that was measured.

    Raises:
        FailedError: One of them did not do its work.
    """
    samples: dict[str, list[Sample]] = {one.name: [] for one in contestants}
    for number in range(times):
        first = number % len(contestants)
        for one in (*contestants[first:], *contestants[:first]):
            if number >= one.times:
                continue
            one.prepare()
            sample, _ = run(one.command, cwd=one.cwd, env=one.env, limit=limit, codes=one.codes)
            samples[one.name].append(sample)
            tell(f"{one.name}: {sample.seconds:.2f} s, {sample.cpu:.2f} s of processor time")
    return [
        {
            "name": one.name,
            "command": one.shown,
            "samples": [sample.to_json() for sample in samples[one.name]],
        }
        for one in contestants
    ]


def median(entry: Mapping[str, Any], key: str = "seconds") -> float:
    """The median of what was measured of one contestant, or of any list of samples under that key."""
    return float(statistics.median(sample[key] for sample in entry["samples"]))


def plain_environment(**more: str) -> dict[str, str]:
    """The shell's variables that a measured command gets: none that change what nox, pip or uv do.

    Where the index is and how to get there stays as it is set up.
    """
    kept = ("INDEX", "CERT", "PROXY", "TIMEOUT", "RETRIES")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("METALMATRIX", "NOX", "TOX", "VIRTUALENV", "PYTHON", "COVERAGE", "VIRTUAL_ENV", "CI")
        )
        and (not name.startswith(("UV_", "PIP_")) or any(word in name for word in kept))
    } | {"NOX_SCRIPT_MODE": "none", "NO_COLOR": "1", "COLUMNS": "200", **more}


def used_bytes(*folders: Path) -> int:
    """What the files below *folders* take on the disk, those with several names once."""
    seen: dict[tuple[int, int], int] = {}
    waiting = [os.fspath(folder) for folder in folders]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # it went away meanwhile
                    status = entry.stat(follow_symlinks=False)
                    seen[status.st_dev, status.st_ino] = status.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return sum(seen.values())
