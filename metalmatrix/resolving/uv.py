"""Calls of uv: found beside this package, never asked to download a Python, always with a time limit."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.errors import ToolMissingError
from metalmatrix.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INDEX = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_CONFIG_FILE",
)
_HOW = (
    *("UV_CACHE_DIR", "UV_CONCURRENT_DOWNLOADS", "UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT", "UV_INDEX_STRATEGY"),
    *(
        "UV_INSECURE_HOST",
        "UV_KEYRING_PROVIDER",
        "UV_LINK_MODE",
        "UV_NATIVE_TLS",
        "UV_OFFLINE",
        "UV_SYSTEM_CERTS",
    ),
)
"""What a shell may say of where uv looks and how it gets there (docs.astral.sh/uv/reference/environment).
What else it may say, as in ``UV_RESOLUTION=lowest``, would change the answers, and does not reach uv.
``UV_INDEX_<NAME>_USERNAME`` and ``_PASSWORD`` reach it as well."""

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


def index_settings() -> list[str]:
    """What decides which index uv asks, and how it answers: the variables, and the user's and system's files.

    They may hold passwords: use them for a digest, never as text.
    """
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = [
        home / "uv" / "uv.toml",
        Path("/etc/uv/uv.toml"),
        Path(os.environ.get("UV_CONFIG_FILE") or os.devnull),
    ]
    found = [os.environ.get(name, "") for name in _INDEX]
    for path in files:
        try:
            found.append(read_bounded(path))
        except (OSError, UnicodeDecodeError):
            found.append("")
    return found


def run_uv(
    arguments: Sequence[str], *, stdin: str = "", seconds: float = 120, env: Mapping[str, str] | None = None
) -> Answer:
    """Run uv to its end, or to the time limit."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # An active environment is none of uv's business here.
        if name != "VIRTUAL_ENV"
        and (not name.startswith("UV_") or name in _INDEX + _HOW or name.startswith("UV_INDEX_"))
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
            cwd=tempfile.gettempdir(),  # the working folder's uv.toml would change answers
        )
    except subprocess.TimeoutExpired:
        return Answer(None, "", f"uv did not answer within {seconds:g} s")
    return Answer(done.returncode, done.stdout, done.stderr)
