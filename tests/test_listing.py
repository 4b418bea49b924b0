"""Listing the sessions: instant, pure, and every way to select cells."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.clone import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BARE = "import nox\n\n@nox.session\ndef one(session):\n    pass\n"


def listed(*arguments: str, cwd: Path = ROOT, home: Path | None = None) -> list[dict[str, object]]:
    """What `nox -l --json` lists under the arguments."""
    env = os.environ | {"NOX_SCRIPT_MODE": "none", "PYTHONDONTWRITEBYTECODE": "1"}
    if home:
        env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home), "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "nox", *arguments, "--list", "--json"],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def sources() -> list[Path]:
    """Every file of the clone, but for what git, nox and coverage keep."""
    folders = (".git", ".nox", ".coverage")
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
    return sorted(path for path in paths if not path.parts[0].startswith(folders))


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["-s", "matrix"], 227),
        (["-s", "matrix", "-p", "3.11"], 58),
        (["-t", "tf2_15"], 40),
        (["-t", "metal1_2"], 42),
        (["-k", "tf2_15 and py3_9 and nometal"], 2),
        (["-s", "matrix(py3.9-tf2.12.0-metal0.8.0)"], 1),
        ([], 227),
    ],
)
def test_cells_are_selected_by_every_means_of_nox(arguments: list[str], count: int) -> None:
    """By session, Python, tag, keyword and id; without any, nox runs the whole matrix."""
    assert len(listed(*arguments)) == count


def test_listing_writes_nothing_and_asks_nobody(tmp_path: Path) -> None:
    """A home that is empty stays empty, and a network that is not there is not missed."""
    before = sources()
    listed(home=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert sources() == before


def test_listing_200_cells_is_instant(tmp_path: Path) -> None:
    """The median of five listings is within half a second of a noxfile with one session, in the same run."""
    (tmp_path / "noxfile.py").write_text(BARE, encoding="utf-8")

    def seconds(folder: Path) -> float:
        begin = time.perf_counter()
        listed(cwd=folder)
        return time.perf_counter() - begin

    pairs = [(seconds(ROOT), seconds(tmp_path)) for _ in range(5)]
    assert statistics.median(ours - bare for ours, bare in pairs) < 0.5
