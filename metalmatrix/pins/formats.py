"""The pins in every form but the requirements file: each begins with what it is and how that is known.

Nothing is escaped here, since nothing needs it: names, versions, file names and hashes are validated where
a lock is made, an address where it is read, and whatever somebody else wrote stands in a comment.  Pure.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from metalmatrix.asking import install
from metalmatrix.pins.pins import comment, header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metalmatrix.pins.addresses import Address
    from metalmatrix.pins.pins import PinSet
    from metalmatrix.resolving.lock import Wheel

MAC = "sys_platform == 'darwin' and platform_machine == 'arm64'"
"""The marker of a Mac with Apple silicon (PEP 508)."""

GROUP = "known-good"
"""The dependency group of a ``pyproject.toml`` (PEP 735)."""


def constraints(pins: PinSet) -> str:
    """A constraints file: every version of the set, adding none to what a project asks for."""
    wanted = " ".join(f'"{requirement}"' for requirement in asked_for(pins))
    lines = [*header(pins, f"uv pip install --only-binary :all: -c FILE {wanted} -e ."), ""]
    for package in pins.lock.packages:
        lines += map(comment, pins.reasons.get(package.name, []))
        lines.append(f"{package.name}=={package.version}")
    return _text(lines)


def conda(pins: PinSet) -> str:
    """A conda ``environment.yml``: Python and pip are conda's, the pins are pip's, by hash.

    conda writes the lines of its ``pip`` section to a requirements file, so they may hold hashes.  The name
    of an environment may hold dots; ``CONDA_SUBDIR`` is for a conda that was installed under Rosetta 2.
    """
    cell = pins.report.cell
    lines = [
        *header(
            pins,
            "CONDA_SUBDIR=osx-arm64 conda env create -f environment.yml",
            f'"$(conda run -n {cell.id} which python)"',
        ),
        f"name: {json.dumps(cell.id)}",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        f"  - {json.dumps(f'python={cell.python}')}",
        "  - pip",
        "  - pip:",
    ]
    for package, line in zip(pins.lock.packages, pins.lock.requirements().splitlines(), strict=True):
        lines += (f"      {comment(text)}" for text in pins.reasons.get(package.name, []))
        lines.append(f"      - {json.dumps(line)}")
    return _text(lines)


def pylock(pins: PinSet, addresses: Mapping[str, Address], folder: str = "") -> str:
    """A ``pylock.toml`` (PEP 751) for Macs.

    Every wheel of such a file must have a ``url`` or a ``path``: uv 0.13, pip 26 and packaging 26 all refuse
    one that has name and hash alone, whether the package has an ``index`` or not.

    Args:
        pins: What is handed out.
        addresses: Where each wheel is, by its sha256.
        folder: Where the wheels are instead, relative to the file; empty for the addresses.
    """
    python = pins.report.cell.python
    lines = [
        *header(pins, f"uv venv --python {python} && uv pip sync pylock.toml"),
        "",
        'lock-version = "1.0"',
        f'environments = ["{MAC}"]',
        f'requires-python = "=={python}.*"',
        'created-by = "metalmatrix"',
    ]
    for package in pins.lock.packages:
        lines.append("")
        lines += map(comment, pins.reasons.get(package.name, []))
        lines += ["[[packages]]", f'name = "{package.name}"', f'version = "{package.version}"', "wheels = ["]
        there = [wheel for wheel in package.wheels if folder or wheel.sha256 in addresses]
        lines += (f"    {{ {_wheel(wheel, addresses, folder)} }}," for wheel in there)
        lines.append("]")
    return _text(lines)


def fill(pins: PinSet, folder: str) -> tuple[str, ...]:
    """How the folder of a ``pylock.toml`` without addresses is filled, in sentences for its header."""
    python = pins.report.cell.python
    return (
        f"it names no addresses: the wheels are to be in {folder}/ beside it. To put them there, on a Mac:",
        (
            f"nox -s pins -- {pins.report.cell.id} > requirements.txt && python{python} -m pip download "
            f"--require-hashes --no-deps --dest {folder} -r requirements.txt"
        ),
    )


def command(pins: PinSet) -> str:
    """One line of uv that installs the set into an environment of the cell's Python.

    It names every package.  The bounds as of a day would make a shorter line, and not the same set: what is
    yanked later is chosen no more, and uv chooses for the macOS that it runs on.
    """
    every = shlex.join(f"{package.name}=={package.version}" for package in pins.lock.packages)
    return f"uv pip install --only-binary :all: --no-deps {every}\n"


def group(pins: PinSet) -> str:
    """The dependency group of a ``pyproject.toml`` with its table: framework, plugin, bounds and companions.

    The rest is left to the project's own lock, which has to agree with everything else that it needs.
    """
    marker = f"{MAC} and {_pythons(pins)}"
    lines = ["[dependency-groups]", f"{GROUP} = ["]
    lines += (f"  {line}" for line in header(pins, f"uv sync --group {GROUP}"))
    for requirement in asked_for(pins):
        name = Requirement(requirement).name
        lines += (f"  {comment(text)}" for text in pins.reasons.get(name, []))
        lines.append(f"  {json.dumps(f'{requirement}; {marker}')},")
    lines.append("]")
    return _text(lines)


def asked_for(pins: PinSet) -> tuple[str, ...]:
    """What is to be asked for by name, the companions in the versions that were found."""
    found = (f"{name}=={pins.lock.versions[name]}" for name in pins.companions)
    return (*install.requirements(pins.report.cell, pins.lock), *found)


def _pythons(pins: PinSet) -> str:
    """The marker of the cell's Python, or of the Pythons from the first to the last that it stands for."""
    minors = sorted(int(python.partition(".")[2]) for python in pins.pythons or (pins.report.cell.python,))
    if len(minors) == 1:
        return f"python_version == '3.{minors[0]}'"
    return f"python_version >= '3.{minors[0]}' and python_version < '3.{minors[-1] + 1}'"


def _wheel(wheel: Wheel, addresses: Mapping[str, Address], folder: str) -> str:
    parts = [f'name = "{wheel.file}"']
    if folder:
        parts.append(f'path = "{folder}/{wheel.file}"')
    else:
        address = addresses[wheel.sha256]
        parts.append(f'url = "{address.url}"')
        if address.size:
            parts.append(f"size = {address.size}")
    return ", ".join([*parts, f'hashes = {{ sha256 = "{wheel.sha256}" }}'])


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
