"""A traceback, or whatever was pasted: read within bounds, and what it tells of versions and the machine.

It is hostile text.  It is read up to a limit, freed of escapes and of characters that reorder a line before
anything looks at it, and never run.  Every walk over it is bounded: a name is looked up a few times, and what
follows it is matched where it stands.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from metalmatrix.errors import UsageError, told
from metalmatrix.text import plain_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = 2**20
"""Bytes that are kept of each end of a text: what was typed stands at one, what failed at the other."""

_MOST = 2**28
"""Bytes that are read of what does not end."""

_CUT = "\n[... the middle of this text was too long and is left out ...]\n"
_TRIES = 50

_VERSION = re.compile(
    r"(?:[ =\t:_-]|[Vv]ersion){1,30}v?(\d{1,4}(?:\.\d{1,6}){1,3}(?:(?:a|b|rc)\d{1,3})?)(?![0-9A-Za-z_])"
)
_MINOR = re.compile(r"3\.?(\d{1,2})(?![0-9])")
_MACOS = re.compile(
    r"[ :=\t]{0,3}(?:[A-Z][a-z]{2,10} )?(?:v|version )?(1[0-9]|2[0-9])((?:\.\d{1,2}){0,2})(?![0-9])"
)

_NAMES = ("tensorflow", "tensorflow-macos", "tensorflow_macos", "tensorflow-metal", "tensorflow_metal")
_SPELLED = {"TensorFlow": "tensorflow", "Tensor Flow": "tensorflow"}
_PYTHON_BEFORE = ("lib/python", "Python ", "python@", "-cp", "Python version: ")
_MACOS_BEFORE = ("macOS", "MacOS", "ProductVersion")
_UV_MARKS = ("uv pip ", "uv add ", "uv sync")
_CONDA_MARKS = ("/miniconda", "/anaconda", "/miniforge", "/mambaforge", "conda install", "conda list")


@dataclass(frozen=True)
class Clues:
    """What a text tells of where it is from; each is empty where it does not.

    Attributes:
        python: The minor version of Python.
        macos: The version of macOS.
        versions: Versions by name: ``tensorflow``, ``tensorflow-macos``, ``tensorflow-metal``.
        manager: ``uv``, ``conda`` or ``pip``.
    """

    python: str = ""
    macos: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    manager: str = "pip"

    @property
    def framework(self) -> str:
        """The version of TensorFlow."""
        return self.versions.get("tensorflow-macos") or self.versions.get("tensorflow", "")

    @property
    def plugin(self) -> str:
        """The version of the plugin."""
        return self.versions.get("tensorflow-metal", "")


def read(name: str, stdin: IO[bytes] | None = None) -> str:
    """The text of a file, or of standard input for ``-``, fit to be matched.

    Raises:
        UsageError: There is nothing to read.
    """
    try:
        if name == "-":
            data = _ends(stdin or sys.stdin.buffer)
        else:
            if not Path(name).is_file():
                raise UsageError(f"{name} is no file", "--traceback FILE, or - and paste")
            with Path(name).open("rb") as file:
                data = _ends(file)
    except OSError as error:
        raise UsageError(f"the traceback cannot be read: {told(error)}") from error
    text = clean(data)
    if not text.strip():
        raise UsageError("the traceback is empty", "paste all of it, then Ctrl-D on a line of its own")
    return text


def clean(data: bytes) -> str:
    """What was read as text: escapes, controls and what reorders a line taken out."""
    return plain_lines(data.decode("utf-8", "replace"), 4 * KEPT)


def _ends(file: IO[bytes]) -> bytes:
    """The beginning and the end of what a file has."""
    head, tail, read = file.read(KEPT), b"", KEPT
    while read < _MOST:
        more = file.read(KEPT)
        if not more:
            break
        read += len(more)
        tail = (tail + more)[-KEPT:]
    middle = _CUT.encode() if read > 2 * KEPT else b""
    return head + middle + tail


def clues(text: str) -> Clues:
    """What *text* tells of where it is from."""
    versions: dict[str, str] = {}
    for name in (*_NAMES, *_SPELLED):
        for place in _places(text, name):
            found = _VERSION.match(text, place)
            if found:
                versions.setdefault(_SPELLED.get(name, name.replace("_", "-")), found[1])
                break
    return Clues(
        python=_python(text),
        macos=_macos(text),
        versions=versions,
        manager=_manager(text),
    )


def _places(text: str, name: str) -> Iterator[int]:
    """The ends of the first occurrences of a name that is not the end of another."""
    place = text.find(name)
    for _ in range(_TRIES):
        if place < 0:
            return
        if place == 0 or not (text[place - 1].isalnum() or text[place - 1] in "-_"):
            yield place + len(name)
        place = text.find(name, place + 1)


def _python(text: str) -> str:
    for before in _PYTHON_BEFORE:
        place = text.find(before)
        for _ in range(_TRIES):
            if place < 0:
                break
            found = _MINOR.match(text, place + len(before))
            if found and 4 <= int(found[1]) <= 30:
                return f"3.{int(found[1])}"
            place = text.find(before, place + 1)
    return ""


def _macos(text: str) -> str:
    for before in _MACOS_BEFORE:
        for place in _places(text, before):
            found = _MACOS.match(text, place)
            if found and not (found[1] == "10" and not found[2]):
                return found[1] + found[2]
    return ""


def _manager(text: str) -> str:
    if any(mark in text for mark in _UV_MARKS):
        return "uv"
    return "conda" if any(mark in text for mark in _CONDA_MARKS) else "pip"
