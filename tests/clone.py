"""A clone of the project in a folder of its own, with the test's matrix and index, run by the real nox."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metalmatrix.resolving.uv import run_uv
from tests.fake_index import FakeWheel

ROOT = Path(__file__).parent.parent
HERE = f"3.{sys.version_info.minor}"
TAG = f"cp3{sys.version_info.minor}"

# Not the day of the answers that ship: these cells are to ask the test's own index.
MATRIX = """\
as-of = 2026-11-19

[axes]
python = [
{pythons}
]
tensorflow-macos = [
{frameworks}
]
tensorflow-metal = [
{plugins}
]

[limits]
seconds = {seconds}
{rest}
"""


def entries(versions: list[str]) -> str:
    """The lines of an axis."""
    return "\n".join(f'  "{version}",' for version in versions)


def framework(version: str, code: str, *, tag: str = TAG, sha256: str | None = None) -> list[FakeWheel]:
    """A release for the Mac, and its stand-in for any machine: a ``tensorflow`` package of *code*."""
    requires = ("six",)
    return [
        FakeWheel("tensorflow-macos", version, f"{tag}-{tag}-macosx_12_0_arm64", requires),
        FakeWheel(
            "tensorflow-cpu",
            version,
            requires=requires,
            files={"tensorflow/__init__.py": code},
            sha256=sha256,
        ),
    ]


SIX = FakeWheel("six", "1.17.0", files={"six.py": ""})


@dataclass(frozen=True)
class Clone:
    """A clone, and the environment its commands run in."""

    root: Path
    env: dict[str, str]

    @classmethod
    def make(cls, folder: Path, index: str | None, matrix: str) -> Clone:
        """Lay a clone out under *folder*, with results and caches of its own.

        Without an *index* it is the user's, and so is uv's cache of wheels.
        """
        root = folder / "clone"
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("metalmatrix", "checks"):
            shutil.copytree(ROOT / name, root / name, ignore=ignore)
        for name in ("noxfile.py", "pyproject.toml"):
            shutil.copy(ROOT / name, root / name)
        (root / "matrix.toml").write_text(matrix, encoding="utf-8")
        ours = ("METALMATRIX", "NOX") if index is None else ("METALMATRIX", "NOX", "UV_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        env |= {"NOX_SCRIPT_MODE": "none", "COLUMNS": "200"}
        if index is None:
            cache = run_uv(["cache", "dir"]).out.strip()
            env |= {"UV_CACHE_DIR": cache}
        else:
            env |= {"UV_DEFAULT_INDEX": index, "UV_CACHE_DIR": str(folder / "uv"), "UV_HTTP_RETRIES": "0"}
        return cls(root, env | {"XDG_CACHE_HOME": str(folder / "cache")})

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start nox in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "nox", *arguments],
            cwd=self.root,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def nox(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Run nox to its end: exit code and all output."""
        return self._run([sys.executable, "-m", "nox", *arguments], env, stderr=subprocess.STDOUT)

    def metalmatrix(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Run ``python -m metalmatrix``: exit code and standard output."""
        return self._run([sys.executable, "-m", "metalmatrix", *arguments], env, stderr=subprocess.PIPE)

    def _run(self, command: list[str], env: dict[str, str], stderr: int) -> tuple[int, str]:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.env | env,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
            timeout=900,
        )
        return done.returncode, done.stdout + (
            done.stderr if stderr == subprocess.PIPE and done.returncode else ""
        )

    def record(self, cell: str) -> dict[str, Any]:
        """The result of a cell, as it is on disk."""
        (path,) = self.root.glob(f"results/*/{cell}.json")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def feed(self) -> dict[str, dict[str, Any]]:
        """``site/compat.json``: its cells by id."""
        data = json.loads((self.root / "site" / "compat.json").read_text(encoding="utf-8"))
        return {cell["cell"]: cell for cell in data["cells"]}
