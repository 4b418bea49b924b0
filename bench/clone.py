"""A clone of the project in a folder of its own, so that what is measured shares no cache with anybody."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.machine import ROOT
from bench.measure import plain_environment

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"
"""A proxy that nobody answers at: what is measured with it asks no index."""


@dataclass(frozen=True)
class Clone:
    """A clone, and the variables its commands get.

    Attributes:
        root: Its folder; the user's caches of its commands are beside it.
        env: All variables.
    """

    root: Path
    env: dict[str, str]

    @classmethod
    def make(cls, folder: Path, matrix: str | None = None, **env: str) -> Clone:
        """Lay a clone without bytecode under *folder*; *matrix* is another ``matrix.toml`` than ours."""
        root = folder / "clone"
        for name in ("metalmatrix", "checks"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("noxfile.py", "pyproject.toml", "matrix.toml"):
            shutil.copy(ROOT / name, root / name)
        if matrix is not None:
            (root / "matrix.toml").write_text(matrix, encoding="utf-8")
        return cls(root, plain_environment(PYTHONPATH=str(root), XDG_CACHE_HOME=str(folder / "cache"), **env))

    def metalmatrix(self, *arguments: str) -> list[str]:
        """The command line of ``python -m metalmatrix``."""
        return [sys.executable, "-m", "metalmatrix", *arguments]

    def nox(self, *arguments: str) -> list[str]:
        """The command line of nox."""
        return [sys.executable, "-m", "nox", *arguments]

    def without_bytecode(self) -> None:
        """As it was right after it was cloned."""
        for folder in self.root.rglob("__pycache__"):
            shutil.rmtree(folder)


def offline() -> dict[str, str]:
    """Variables with which no index can be asked."""
    return dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), NOWHERE) | {"UV_OFFLINE": "1"}
