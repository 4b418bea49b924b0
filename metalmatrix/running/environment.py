"""Isolated environments: made by uv, linked from its cache, changed in place, removed after use.

A locked folder is in use; an unlocked one was left behind by a run that was killed, and the next run
removes it.  So a run never holds more environments than it has workers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from metalmatrix.errors import ToolMissingError
from metalmatrix.files import cache_dir
from metalmatrix.resolving import conda
from metalmatrix.resolving.ask import reason
from metalmatrix.resolving.uv import run_uv
from metalmatrix.running import bytecode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from metalmatrix.resolving.lock import Lock

INSTALL_SECONDS = 1200
"""How long one installation may take: 600 MB on a slow line."""


class InstallError(Exception):
    """An environment could not be made; *unreachable* where that is the index's fault."""

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable


@dataclass
class Environment:
    """An environment in use.

    Attributes:
        folder: Where it is.
        lock: What is installed in it; None where that is not known.
    """

    folder: Path
    lock: Lock | None = None

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def _sites(self) -> list[Path]:
        """Its ``site-packages``."""
        return [*self.folder.glob("lib/python*/site-packages"), self.folder / "Lib/site-packages"]

    def keep_bytecode(self) -> None:
        """Keep what was compiled of what is installed, for the next environment."""
        for site in self._sites:
            if self.lock and site.is_dir():
                bytecode.keep(site, self.lock)

    def sync(self, lock: Lock) -> None:
        """Install exactly *lock*, by hash and from wheels; what is there already stays.

        Raises:
            InstallError: uv could not install it, with its reason.
        """
        if lock.by_conda.packages:
            self._sync_conda(lock)
            return
        self.keep_bytecode()
        before, self.lock = self.lock, None
        wanted = self.folder / "requirements.txt"
        wanted.write_text(lock.requirements(), encoding="utf-8")
        arguments = ["pip", "sync", str(wanted), "--python", str(self.python), "--require-hashes"]
        arguments += ["--only-binary", ":all:", "--quiet"]
        # All there is to know is in the lock: with the wheels in uv's cache, the index need not be asked.
        said = run_uv([*arguments, "--offline"], seconds=INSTALL_SECONDS)
        if said.code != 0:
            said = run_uv(arguments, seconds=INSTALL_SECONDS)
        if said.code != 0:
            raise InstallError(f"it could not be installed: {reason(said.err)}", unreachable=said.unreachable)
        # uv (0.13) takes the bytecode of packages away with them, but not that of modules of one file, which
        # Python believes for any source of the same size that was unpacked within the same second.
        for site in self._sites:
            shutil.rmtree(site / "__pycache__", ignore_errors=True)
            if site.is_dir():
                bytecode.lend(site, lock.without(before) if before else lock)
        self.lock = lock

    def _sync_conda(self, lock: Lock) -> None:
        """Install what is conda's, and then what comes from wheels, without what that requires."""
        if why := conda.install(lock.by_conda, self.folder):
            raise InstallError(f"it could not be installed: {why}")
        wheels = lock.without(lock.by_conda)
        if wheels.packages:
            wanted = self.folder / "requirements.txt"
            wanted.write_text(wheels.requirements(), encoding="utf-8")
            arguments = ["pip", "install", "--requirements", str(wanted), "--python", str(self.python)]
            arguments += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--quiet"]
            said = run_uv(arguments, seconds=INSTALL_SECONDS)
            if said.code != 0:
                told = f"its plugin could not be installed: {reason(said.err)}"
                raise InstallError(told, unreachable=said.unreachable)


@contextlib.contextmanager
def environment(
    name: str, python: Path | Callable[[Path], None], *, keep: bool = False, reuse: bool = False
) -> Iterator[Environment]:
    """A virtual environment of *python*, empty unless it is reused, for as long as the context lasts.

    Args:
        name: A cell's id; two runs of one cell wait for each other.
        python: The interpreter to make it of; or what makes another kind of environment at a folder.
        keep: Leave the environment where it is, to be looked at.
        reuse: Take the one that was kept, if there is one.

    Raises:
        ToolMissingError: The interpreter cannot make one.
    """
    root = cache_dir() / "environments"
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not (reuse and (folder / "KEPT").exists()):
            shutil.rmtree(folder, ignore_errors=True)
            if callable(python):
                python(folder)
            else:
                _make_venv(folder, python)
        try:
            yield (place := Environment(folder))
            place.keep_bytecode()
        finally:
            if keep:
                (folder / "KEPT").touch()
            else:
                shutil.rmtree(folder, ignore_errors=True)


def _make_venv(folder: Path, python: Path) -> None:
    said = run_uv(["venv", str(folder), "--python", str(python), "--quiet", "--no-project"])
    if said.code != 0:
        raise ToolMissingError(f"no environment could be made with {python.name}: {reason(said.err)}")


def sweep(root: Path) -> None:
    """Remove the environments under *root* that no run holds and nobody asked to keep."""
    for folder in root.iterdir():
        if folder.is_symlink() or not folder.is_dir() or (folder / "KEPT").exists():
            continue
        with contextlib.suppress(Timeout), FileLock(root / f"{folder.name}.lock", blocking=False):
            shutil.rmtree(folder, ignore_errors=True)
