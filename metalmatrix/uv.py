"""Calls of uv: found beside this package, never asked to download a Python, always with a time limit."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalmatrix.errors import ToolMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_CONFIG_FILE",
)
"""What decides which index uv asks (docs.astral.sh/uv/reference/environment); a cached answer is of one."""

# What uv writes when it could not ask, as opposed to when the answer was no (tried with 0.9 to 0.13).
_UNREACHABLE = (
    "failed to fetch",
    "request failed",
    "error sending request",
    "error decoding response",
    "network connectivity is disabled",
    "network was disabled",
    "timed out",
)


@dataclass(frozen=True)
class Answer:
    """What uv said.

    Attributes:
        code: The exit code; None where it was stopped at its time limit.
        out: Standard output.
        err: Standard error.
    """

    code: int | None
    out: str
    err: str

    @property
    def unreachable(self) -> bool:
        """Whether uv failed because the package index did not answer."""
        text = self.err.lower()
        return self.code != 0 and (self.code is None or any(phrase in text for phrase in _UNREACHABLE))


_FINDING = threading.Lock()


def find_uv() -> str:
    """The uv executable.

    Raises:
        ToolMissingError: There is none.
    """
    # The first use of sysconfig, which the uv package asks, fails in one of several threads (Python 3.11).
    with _FINDING:
        return _find_uv()


@functools.cache
def _find_uv() -> str:
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - not needed to list the sessions

        return os.fspath(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ToolMissingError("uv is not installed", "python3 -m pip install uv")
    return found


def run_uv(
    arguments: Sequence[str], *, stdin: str = "", seconds: float = 120, env: Mapping[str, str] | None = None
) -> Answer:
    """Run uv to its end, or to the time limit."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # An active environment is none of uv's business here, and these two would change the question.
        if name not in {"VIRTUAL_ENV", "UV_EXCLUDE_NEWER", "UV_PYTHON"}
    }
    environment |= {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1", **(env or {})}
    try:
        done = subprocess.run(  # noqa: PLW1510 - the exit code is the answer
            [find_uv(), *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return Answer(None, "", f"uv did not answer within {seconds:g} s")
    return Answer(done.returncode, done.stdout, done.stderr)
