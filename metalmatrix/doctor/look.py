"""An edge: looks at an environment from outside, by what its interpreter says and its files hold.

The interpreter is asked in a child process, by `probe`, within limits; whatever comes back is validated.
Distributions are read as the `packages` check reads them, with the code of ``checks/``.  Nothing of the
environment is imported, and no file is read without a limit.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metalmatrix.errors import ToolMissingError, UsageError
from metalmatrix.running.checklist import checks_dir
from metalmatrix.running.host import normalised, output_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 10.0
"""That an interpreter has to say what it is."""

_ANSWER = 2**18  # bytes
_FOLDERS = 64
_CONDA_FILES = 4096
_CONDA_BYTES = 2**22  # of one record: that of python lists 4,000 files
_CONDA_NAMES = ("python", "tensorflow", "tensorflow-base", "tensorflow-deps", "numpy", "h5py", "grpcio")
_SCRIPT = Path(__file__).with_name("probe.py")

_NOX = "_nox_script_mode"
"""The folder of the environment that nox makes for itself, of the dependencies in a noxfile's script block.

It names itself in VIRTUAL_ENV there and unsets CONDA_PREFIX (or the other way round, with a backend of
conda's): https://github.com/wntrblm/nox, `run_script_mode` of nox/_cli.py."""


@dataclass(frozen=True)
class CondaPackage:
    """A package that conda installed: the fields of its record in ``conda-meta``."""

    name: str
    version: str
    subdir: str
    channel: str


@dataclass(frozen=True)
class Environment:
    """What was seen of an environment.

    Attributes:
        chosen: How it came to be looked at, in a few words.
        python: The path of the interpreter.
        version: ``3.11.7``.
        implementation: ``cpython``.
        machine: What the interpreter runs as: ``arm64``, ``x86_64``.
        free_threaded: Whether it is a build without the GIL.
        manager: What made the environment: ``uv``, ``conda`` or ``pip``.
        virtual: Whether it is a virtual environment.
        prefix: The folder of the environment.
        folders: Where it looks for packages, in order.
        user_site: The user's own folder, where TensorFlow 2.20 looks for plugins from anywhere.
        distributions: What is installed, the first found first (`checkdists.Distribution`).
        problems: What could not be read, in sentences.
        conda: The packages of conda that matter here.
    """

    chosen: str
    python: str
    version: str
    implementation: str = "cpython"
    machine: str = ""
    free_threaded: bool = False
    manager: str = "pip"
    virtual: bool = True
    prefix: str = ""
    folders: tuple[str, ...] = ()
    user_site: str = ""
    distributions: tuple[Any, ...] = ()
    problems: tuple[str, ...] = ()
    conda: tuple[CondaPackage, ...] = ()

    @property
    def minor(self) -> str:
        """The minor version of Python, ``3.11``."""
        return ".".join(self.version.split(".")[:2])

    def first(self, name: str) -> Any:  # noqa: ANN401 - a Distribution of checks/, which has no types
        """The distribution of that normalised name that Python finds first, or None."""
        return next((item for item in self.distributions if item.name == name), None)


def checks_module(name: str) -> Any:  # noqa: ANN401 - plain code for Python 3.8
    """A module of ``checks/``, which is a folder of scripts and no package."""
    folder = str(checks_dir())
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def active(variables: Mapping[str, str]) -> tuple[str, str]:
    """The interpreter to look at where none is named, and how it was chosen.

    Raises:
        UsageError: The environment that is active has no interpreter, or nox hides which one it is.
    """
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        folder = variables.get(variable)
        if folder and Path(folder).name != _NOX:
            return interpreter(folder), f"the active environment, by {variable}"
    if Path(sys.prefix).name == _NOX:
        raise UsageError(
            "nox runs in an environment of its own and cannot see which one is active",
            "nox -s doctor -- --python .venv",
        )
    return sys.executable, "the Python that runs this, since no environment is active"


def interpreter(path: str) -> str:
    """The interpreter that a path means: itself, or that of an environment's folder.

    Raises:
        UsageError: There is none.
    """
    tried = [path]
    if os.path.isdir(path):  # noqa: PTH112 - a path is a string here, for the sake of old Pythons' symlinks
        places = (("bin", "python"), ("bin", "python3"), ("Scripts", "python.exe"), ("python.exe",))
        tried = [os.path.join(path, *place) for place in places]  # noqa: PTH118
    for found in tried:
        if os.path.isfile(found) and os.access(found, os.X_OK):  # noqa: PTH113
            return os.path.abspath(found)  # noqa: PTH100 - a symbolic link is the environment
    raise UsageError(f"{path} is no Python interpreter, and no environment with one", "--python .venv")


def look(python: str, chosen: str) -> Environment:
    """What can be seen of the environment of an interpreter.

    Args:
        python: The path of the interpreter.
        chosen: How it was chosen.

    Raises:
        ToolMissingError: It does not say what it is: it crashes, hangs, or prints something else.
    """
    told = _asked(python)
    folders = tuple(told["folders"])
    found, problems = checks_module("checkdists").installed(folders)
    conda = _conda(Path(told["prefix"], "conda-meta"))
    manager = "conda" if conda and not told["virtual"] else (told["maker"] or "pip")
    return Environment(
        chosen=chosen,
        python=python,
        version=told["version"],
        implementation=told["implementation"],
        machine=normalised(told["machine"]),
        free_threaded=told["free_threaded"],
        manager=manager,
        virtual=told["virtual"] or bool(conda),
        prefix=told["prefix"],
        folders=folders,
        user_site=told["user_site"],
        distributions=tuple(found),
        problems=tuple(problems) + tuple(item.problem for item in found if item.problem)[:10],
        conda=conda,
    )


def _asked(python: str) -> dict[str, Any]:
    """What the interpreter says of itself, validated."""
    # Python 2 has no -I; where that is all that is wrong, the answer comes by the second way.
    for flags in (["-I", "-S"], ["-E", "-s", "-S"]):
        answer = output_of([python, *flags, str(_SCRIPT)], SECONDS, limit=_ANSWER)
        told = _validated(answer or "")
        if told is not None:
            return told
        if answer is None:
            break  # it hung, or floods: once is enough
    raise ToolMissingError(
        f"The interpreter {python} does not say what it is: it cannot be started, crashes, or does not "
        f"end within {SECONDS:g} s.",
        f"make the environment anew, or name another: --python PATH; `{python} -V` may say why",
    )


_PATTERNS = {
    "version": r"\d{1,3}\.\d{1,3}\.\d{1,3}",
    "implementation": r"[a-z0-9_]{1,20}",
    "machine": r"[A-Za-z0-9_]{1,20}",
    "maker": r"(?:uv)?",
}


def _validated(answer: str) -> dict[str, Any] | None:
    """The answer of `probe`, or None where it is none."""
    try:
        told = json.loads(answer.strip().splitlines()[-1])
        right = all(re.fullmatch(pattern, told[name]) for name, pattern in _PATTERNS.items())
        folders = told["folders"]
        texts = [told["prefix"], told["user_site"], *folders]
        right = right and len(folders) <= _FOLDERS
        right = right and all(isinstance(text, str) and "\0" not in text for text in texts)
        right = right and all(type(told[name]) is bool for name in ("virtual", "free_threaded"))
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return None
    return told if right else None


def _conda(folder: Path) -> tuple[CondaPackage, ...]:
    """The packages of `_CONDA_NAMES` that conda says it installed."""
    try:
        names = sorted(os.listdir(folder))[:_CONDA_FILES]  # noqa: PTH208
    except OSError:
        return ()
    found = []
    for name in names:
        if name.endswith(".json") and name.rsplit("-", 2)[0] in _CONDA_NAMES:
            record = _record(folder / name)
            if record:
                texts = (str(record.get(key, ""))[:200] for key in ("name", "version", "subdir", "channel"))
                found.append(CondaPackage(*texts))
    return tuple(found)


def _record(path: Path) -> dict[str, Any] | None:
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(_CONDA_BYTES + 1)
        record = json.loads(data.decode("utf-8")) if len(data) <= _CONDA_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
