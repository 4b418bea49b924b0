"""Reading somebody's library with native code: in a process of its own, under limits, with a JSON answer.

A crash, too much memory or no end closes the child, and is an error with a name in the parent.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from metalmatrix.errors import ToolMissingError
from metalmatrix.files import PACKAGE
from metalmatrix.text import plain
from metalmatrix.wheels.macho import MachOError

if TYPE_CHECKING:
    from pathlib import Path

MAX_LIBRARY = 64 * 2**20
"""Bytes of a plugin's library; the largest so far has 5 MB."""

MAX_ANSWER = 32 * 2**20
MAX_SAID = 400
SECONDS = 120
MEMORY = 4 * 2**30
"""Limits of the child: seconds, and bytes of address space."""

_MISSING = 3
"""The child's exit code where a tool is missing."""


def ask(module: str, path: Path, does: str, extra: str, *more: str, seconds: float | None = None) -> Any:  # noqa: ANN401 - JSON
    """What ``python -m module path more`` answers.

    Args:
        module: The module; it begins with `limit`, and ends with `say`.
        path: The library.
        does: What the child does, for errors: *reading its binds*.
        extra: The extra of this package that brings the tools.
        more: What else the child is told.
        seconds: How long it may take; `SECONDS` where None.

    Raises:
        MachOError: It does not come to an answer within the limits, or says what is wrong.
        ToolMissingError: A tool is not installed.
    """
    seconds = SECONDS if seconds is None else seconds
    if path.stat().st_size > MAX_LIBRARY:
        raise MachOError(f"a plugin's library of more than {MAX_LIBRARY >> 20} MiB is not read")
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, str(path.resolve()), *more],
            capture_output=True,
            cwd=PACKAGE.parent,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MachOError(f"{does} does not come to its end in {seconds:g} s") from error
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise MachOError(f"{does} ended the reader with {name}: the file is damaged")
    try:
        answer = json.loads(child.stdout[:MAX_ANSWER])
    except ValueError as error:
        # What native code says before it gives up tells a small machine from a damaged file.
        said = plain(child.stderr[-MAX_SAID:].decode("utf-8", "replace"), MAX_SAID)
        raise MachOError(f"{does} broke off: {said or 'the file is damaged'}") from error
    if child.returncode == _MISSING:
        raise ToolMissingError(f"{does} needs {answer}", f'pip install "metalmatrix[{extra}]"')
    if child.returncode:
        raise MachOError(f"{does} failed: {answer}")
    return answer


def limit() -> None:
    """Set the child's own limits."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if sys.platform != "darwin":  # where the limit cannot be set below what is mapped already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def say(answer: object) -> int:
    """Answer."""
    sys.stdout.write(json.dumps(answer))
    return 0


def refuse(why: str) -> int:
    """Say what is wrong with the file."""
    say(why)
    return 1


def lack(tool: str) -> int:
    """Say which tool is missing."""
    say(tool)
    return _MISSING
