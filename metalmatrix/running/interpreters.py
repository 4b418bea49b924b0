"""Finds the CPython of a minor version that a cell's environment is made from, active or not.

Existing finders were tried first (2026-11-21).  ``uv python find`` (0.13) ends with an error at the first
pyenv shim of an inactive version instead of looking on, and it never looks into ``versions/``;
python-discovery (1.9, what nox and virtualenv use) reads only the versions that pyenv, mise or asdf have
*active*, and spends 0.3-0.9 s on a shim that fails.  So this module lists the places where Pythons are kept
and believes none of them: a candidate counts for what it says when it is run.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.errors import UsageError
from metalmatrix.running.host import native_arch, normalised, output_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TIMEOUT = 10.0
"""Seconds a candidate has to say what it is."""

# Folder by variable or default, and the pattern of the Pythons below it.  A Python is asked for by its full
# name, python3.11: macOS answers a plain python3 with a window that offers to install developer tools.
_MANAGERS = (
    ("PYENV_ROOT", "~/.pyenv", "versions/{v}[.-]*/bin/python{v}"),
    ("UV_PYTHON_INSTALL_DIR", "{data}/uv/python", "cpython-{v}.*/bin/python{v}"),
    ("MISE_DATA_DIR", "{data}/mise", "installs/python/{v}.*/bin/python{v}"),
    ("ASDF_DATA_DIR", "~/.asdf", "installs/python/{v}.*/bin/python{v}"),
)
_PLACES = (
    "/opt/homebrew/opt/python@{v}/bin/python{v}",
    "/Library/Frameworks/Python.framework/Versions/{v}/bin/python{v}",
    "/usr/local/opt/python@{v}/bin/python{v}",
    "/usr/local/bin/python{v}",
    "/usr/bin/python{v}",
)

# Without json, which would double the time.  abiflags has a `t` where there is no GIL, and so no wheel.
_PROBE = (
    "import os, sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], os.uname().machine, "
    "sys.abiflags, sys.base_prefix if sys.prefix != sys.base_prefix else '', sep='\\n')"
)


@dataclass(frozen=True)
class Search:
    """How a search ended.

    Attributes:
        python: The interpreter; None where there is none.
        passed_over: A sentence for each candidate that would not do.  They name paths: for the
            terminal of this machine, not for a file that leaves it.
    """

    python: Path | None
    passed_over: tuple[str, ...] = ()


def find_python(version: str) -> Path | None:
    """The CPython of a minor version (``3.11``) on this machine, and on Apple silicon a native one."""
    return search(version).python


@cache
def search(version: str) -> Search:
    """As `find_python`, with what was passed over and why.  Looks once in a process.

    Raises:
        UsageError: *version* is not of the form ``3.11``.
    """
    if not re.fullmatch(r"3\.[0-9]{1,2}", version):
        raise UsageError(f"{version[:40]!r} is no minor version of Python", "write it like 3.11")
    return choose(version, candidates(version, os.environ))


def how_to_install(version: str) -> str:
    """The command that installs that Python."""
    if native_arch() != normalised(platform.machine()):
        # A translated uv would install a Python of its own kind.
        return f"uv python install cpython-{version}-macos-aarch64-none"
    return f"uv python install {version}"


def candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """Where a Python of that version may be, the likeliest and the newest patch releases first."""
    name = f"python{version}"
    for folder in environment.get("PATH", "").split(os.pathsep):
        # A shim starts whatever is active: slow, and an error where nothing is.
        if Path(folder).is_absolute() and Path(folder).name != "shims":
            yield Path(folder, name)
    data = environment.get("XDG_DATA_HOME") or "~/.local/share"
    for variable, default, pattern in _MANAGERS:
        # expanduser() of pathlib raises where there is no home
        folder = environment.get(variable) or os.path.expanduser(default.format(data=data))  # noqa: PTH111
        found = Path(folder).glob(pattern.format(v=version))
        yield from sorted(found, key=lambda path: _patch(version, path.parts[-3]), reverse=True)
    yield from (Path(place.format(v=version)) for place in _PLACES)
    if sys.executable and sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield Path(sys.executable)


def _patch(version: str, folder: str) -> tuple[int, bool]:
    """What orders the folders of one minor version: the patch number, and final before candidate."""
    match = re.search(rf"{re.escape(version)}\.(\d+)(a|b|rc|-?dev)?", folder)
    return (int(match[1]), match[2] is None) if match else (-1, False)


def choose(version: str, paths: Iterable[Path]) -> Search:
    """The first of *paths* that is, by its own word, what is looked for."""
    passed_over: list[str] = []
    seen: set[Path] = set()
    for path in paths:
        if path in seen or not os.access(path, os.X_OK):
            continue
        seen.add(path)
        reason, base = _judged(version, path)
        if base and not reason:
            # A virtual environment comes and goes with its project: what it was made from stays.
            path = Path(base, "bin", f"python{version}")  # noqa: PLW2901
            reason, base = _judged(version, path)
            reason = reason or (base and "is a virtual environment of a virtual environment")
        if not reason:
            return Search(path, tuple(passed_over))
        passed_over.append(f"{path} {reason}")
    return Search(None, tuple(passed_over))


def _judged(version: str, path: Path) -> tuple[str, str]:
    """Why *path* will not do, empty where it will; and for a virtual environment, where its Python is."""
    told = (output_of([str(path), "-I", "-c", _PROBE], TIMEOUT, limit=4096) or "").split("\n")
    if len(told) != 6:
        return "does not say what it is when it is run", ""
    implementation, found, machine, flags, base, _ = told
    reasons = {
        f"is {implementation[:40]!a}, and TensorFlow is built for CPython": implementation != "cpython",
        f"is Python {found[:40]!a}": found != version,
        "is a free-threaded build, which TensorFlow has no wheels for": "t" in flags,
        f"runs as {machine[:40]!a}, which is not native to this machine": normalised(machine)
        != native_arch(),
    }
    return next((reason for reason, wrong in reasons.items() if wrong), ""), base
