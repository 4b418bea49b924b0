"""TensorFlow itself from a conda channel: the conda solver's answer for any platform, and its installation.

The solver is py-rattler's, a Python package (the extra `conda`), which answers for ``osx-arm64`` wherever the
channel can be reached.  What it chose is installed by it too, and by hash: so what runs is the set that was
recorded, whichever conda a machine has beside it.  Channels are the user's, as ``CONDA_CHANNELS``, a
variable of conda's, names them; else conda-forge, by its name.

Each question is a child process of its own, since a solver ends by itself neither where a channel does not
answer nor where it searches for long.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib.util
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from metalmatrix.errors import ResultError
from metalmatrix.files import PACKAGE
from metalmatrix.resolving.lock import Lock
from metalmatrix.resolving.question import MACOS_TARGET, Answer, Question
from metalmatrix.running.host import output_of
from metalmatrix.text import plain

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.cells.cell import Cell

OSX = "osx-arm64"
SUBDIRS = {"macos-arm64": OSX, "linux-x86_64": "linux-64", "linux-aarch64": "linux-aarch64"}
"""What conda calls the platforms."""

SOLVER = f"the conda solver, for macOS {MACOS_TARGET} on Apple silicon"
NOT_ASKED = "no conda channel has been asked for its packages"
NOT_HERE = f"{NOT_ASKED}: py-rattler is not installed here"
HOW = "`python -m pip install -e '.[conda]'` in a clone, then `python -m metalmatrix explain {}`"
"""What to type for an answer, where a channel can be reached."""

SOLVE_SECONDS = 180
INSTALL_SECONDS = 1200
_LONGEST = 1500


def is_here() -> bool:
    """Whether py-rattler is."""
    return importlib.util.find_spec("rattler") is not None


def channels() -> list[str]:
    """The channels to ask, by name or address."""
    named = [name.strip() for name in os.environ.get("CONDA_CHANNELS", "").split(",")]
    return list(filter(None, named)) or ["conda-forge"]


def question(cell: Cell, as_of: dt.date, subdir: str = OSX) -> Question:
    """What the conda solver is asked for a cell: its Python and its TensorFlow, under no bounds."""
    wanted = (f"python={cell.python}", f"tensorflow=={cell.framework}")
    return Question(cell.python, wanted, (), as_of, platform=subdir)


def solve(asked: Question) -> Answer:
    """What the conda solver says, now; *unknown* where it cannot be asked."""
    if not is_here():
        return Answer("unknown", message=NOT_HERE)
    said = _child(SOLVE_SECONDS, asked.requirements, asked.platform, asked.as_of.isoformat())
    if "no" in said:
        return Answer("fails", message=_line(said["no"]), blame="tensorflow")
    try:
        return Answer("ok", Lock.from_json(said["packages"]))
    except KeyError:
        return Answer("unknown", message=f"the conda channel could not be asked: {_line(said.get('down'))}")
    except ResultError as error:
        return Answer("unknown", message=f"the conda solver's answer is not understood: {error.what}"[:500])


def install(lock: Lock, folder: Path) -> str:
    """Install a lock, all of whose packages are conda's, into a folder; why not, where that fails."""
    specs = [f"{package.name} =={package.version} {package.build}" for package in lock.packages]
    said = _child(INSTALL_SECONDS, specs, "", "", str(folder.resolve()), lock.to_json())
    return "" if "packages" in said else _line(said.get("no") or said.get("down"))


def _child(seconds: int, *arguments: object) -> dict[str, Any]:
    """What the child says: ``packages``; ``no``, the solver's own words; or ``down``, why it cannot say."""
    command = [sys.executable, "-m", "metalmatrix.resolving.conda", json.dumps([channels(), *arguments])]
    printed = output_of(command, seconds, cwd=PACKAGE.parent)
    if printed is None:
        return {"down": f"no answer within {seconds} s"}
    try:
        said = json.loads(printed.rpartition("\n")[2])
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"down": "the solver ended without a word"}


def _line(text: object) -> str:
    """A message in a line, without addresses."""
    return plain(re.sub(r"\S*://\S+", "(address)", str(text)), _LONGEST)


# In the child ----------------------------------------------------------------------------------


def _virtual_packages(subdir: str) -> list[Any]:
    """What stands for the machine that is asked for: this one, or the Mac that uv resolves for as well."""
    import rattler  # noqa: PLC0415 - an extra

    mac = (("__unix", "0", "0"), ("__osx", MACOS_TARGET, "0"), ("__archspec", "1", "m1"))
    if subdir != OSX:
        return list(rattler.VirtualPackage.detect())
    return [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
        )
        for name, version, build in mac
    ]


async def _answer(
    names: list[str],
    specs: list[str],
    subdir: str = "",
    as_of: str = "",
    folder: str = "",
    wanted: list[Any] | None = None,
) -> dict[str, Any]:
    """What is printed: the packages that satisfy *specs*, which are in *folder* then, where one is named."""
    import rattler  # noqa: PLC0415 - an extra
    from rattler.exceptions import SolverError  # noqa: PLC0415

    config = rattler.Config.load_from_default_locations("rattler")
    client = rattler.Client.from_config(config)
    end = dt.datetime.combine(dt.date.fromisoformat(as_of), dt.time.max, dt.timezone.utc) if as_of else None
    try:
        records = await rattler.solve(
            names,
            specs,
            gateway=rattler.Gateway.from_config(config, client=client),
            platforms=[subdir, "noarch"] if subdir else None,  # type: ignore[list-item]
            virtual_packages=_virtual_packages(subdir),
            exclude_newer=end,
            timestamp_policy="allow-missing",  # of a channel that tells no days all counts
        )
    except SolverError as error:
        return {"no": str(error)[:_LONGEST]}
    found = [
        {
            "name": record.name.normalized,
            "version": str(record.version),
            "wheels": [{"file": record.file_name, "sha256": record.sha256.hex() if record.sha256 else ""}],
        }
        for record in sorted(records, key=lambda record: record.name.normalized)
    ]
    if folder:
        if found != wanted:
            return {"down": "the channel has other files under these names than it had"}
        await rattler.install(
            records, folder, show_progress=False, execute_link_scripts=False, client=client, config=config
        )
    return {"packages": found}


def _in_child(arguments: str) -> None:
    try:
        said = asyncio.run(_answer(*json.loads(arguments)))
    except Exception as error:  # noqa: BLE001 - whatever the library, a channel or the disk raises
        said = {"down": (str(error) or type(error).__name__).partition("\n")[0][:_LONGEST]}
    sys.stdout.write("\n" + json.dumps(said))


if __name__ == "__main__":
    _in_child(sys.argv[1])
