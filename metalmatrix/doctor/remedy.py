"""The commands that mend something, right for how the environment was made, and quoted for zsh and bash.

The data writes them with placeholders; what is filled in is the path of an interpreter, pins of the table and
paths that were seen, each quoted (`shlex.quote`: zsh and bash read it alike).  Nothing that a distribution or
a text says of itself becomes a part of a command.  Pure.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalmatrix.doctor.known import Pins

PLACEHOLDER = re.compile(r"\{([a-z-]+)\}")
NEW = ".venv-metal"
_WHEELS = "--only-binary :all:"


@dataclass(frozen=True)
class Place:
    """Where commands are typed.

    Attributes:
        manager: ``uv``, ``conda`` or ``pip``.
        python: The interpreter's path; empty where there is only a text.
        minor: Its minor version; empty where it is not known.
        has_wheels: Whether the pins, which are for Apple silicon, can be installed there.
    """

    manager: str = "pip"
    python: str = ""
    minor: str = ""
    has_wheels: bool = True

    @property
    def quoted(self) -> str:
        """The interpreter, for a shell; macOS has no ``python`` outside of an environment."""
        return shlex.quote(self.python) if self.python else "python3"


def commands(fix: Iterable[str], place: Place, pins: Pins | None, values: dict[str, str]) -> tuple[str, ...]:
    """The lines to type.

    Args:
        fix: Lines with placeholders.  A line with one that cannot be filled is left out, and where that is
            the pins, all of them: half is worse.
        place: Where they are typed.
        pins: What is to be installed; None where there is no set for this Python.
        values: Paths that were seen, by the placeholder's name.
    """
    fix = tuple(fix)
    installs = any("{pins}" in line or "{new" in line for line in fix)
    if installs and (pins is None or not place.has_wheels):
        return ()
    if installs and pins and place.minor and pins.python != place.minor:
        fix = ("{new}",)
    lines: list[str] = []
    for line in fix:
        if line in {"{new}", "{new-conda}"} and pins:
            lines += _new(place, pins, conda=line == "{new-conda}" or place.manager == "conda")
            continue
        parts = PLACEHOLDER.split(line)
        filled = [_filled(name, place, pins, values) for name in parts[1::2]]
        if all(filled) and all(part.isprintable() for part in filled):
            lines.append("".join(text + more for text, more in zip(parts[::2], [*filled, ""])))
    return tuple(lines)


def _filled(name: str, place: Place, pins: Pins | None, values: dict[str, str]) -> str:
    """What stands for a placeholder; empty where nothing does."""
    if name == "pins":
        return arguments(pins) if pins else ""
    if name == "python":
        return place.quoted
    python = f" --python {place.quoted}" if place.python else ""
    if name == "install":
        return f"uv pip install{python}" if place.manager == "uv" else f"{place.quoted} -m pip install"
    if name == "uninstall":
        uv = f"uv pip uninstall{python}"
        return uv if place.manager == "uv" else f"{place.quoted} -m pip uninstall -y"
    if name == "doctor":
        return f"python3 -m metalmatrix doctor{python}"
    return shlex.quote(values[name]) if name in values else ""


def arguments(pins: Pins) -> str:
    """The pins as arguments of an installer: wheels only, as they were resolved."""
    return " ".join([_WHEELS, *map(shlex.quote, pins.requirements)])


def _new(place: Place, pins: Pins, *, conda: bool) -> list[str]:
    """An environment of a native Python of its own, with the pins in it."""
    if conda:
        return [
            f"CONDA_SUBDIR=osx-arm64 conda create -y -n metal -c conda-forge python={pins.python}",
            "conda activate metal",
            "conda config --env --set subdir osx-arm64",
            f"python -m pip install {arguments(pins)}",
        ]
    # The whole name of the Python: a uv that runs under Rosetta 2 would take one of its own kind.
    made = f"venv --python cpython-{pins.python}-macos-aarch64-none {NEW}"
    into = f"pip install --python {NEW} {arguments(pins)}"
    if place.manager == "uv":
        return [f"uv {made}", f"uv {into}"]
    python = place.quoted
    return [f"{python} -m pip install uv", f"{python} -m uv {made}", f"{python} -m uv {into}"]
