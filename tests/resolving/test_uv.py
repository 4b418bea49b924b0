"""Calls of uv: found once, by whichever thread comes first, and told apart by how they failed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from metalmatrix.resolving.uv import Answer, run_uv

PARALLEL = """
from concurrent.futures import ThreadPoolExecutor
from metalmatrix.resolving.uv import run_uv
with ThreadPoolExecutor(8) as pool:
    assert {answer.code for answer in pool.map(lambda _: run_uv(["--version"]), range(8))} == {0}
"""


@pytest.mark.parametrize("attempt", range(5))
def test_many_threads_can_begin_at_once(attempt: int) -> None:
    """The first calls of a process may be many: none of them fails to find uv."""
    done = subprocess.run(
        [sys.executable, "-c", PARALLEL], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, (attempt, done.stderr)


def test_a_call_ends_at_its_limit() -> None:
    """A uv that does not answer is ended, and that counts as an index that did not answer."""
    answer = run_uv(["pip", "compile", "-"], seconds=0.001)
    assert answer.code is None
    assert answer.unreachable


@pytest.mark.parametrize(
    ("code", "stderr", "unreachable"),
    [
        (2, "error: Request failed after 3 retries in 7.3s\n  cause: Failed to fetch: x", True),
        (1, "No solution found\n hint: Packages were unavailable because the network was disabled.", True),
        (1, "error: No solution found when resolving dependencies", False),
        (2, "error: Couldn't parse requirement", False),
        (0, "warning: the request failed, and was done again", False),
    ],
)
def test_an_index_that_did_not_answer_is_told_from_a_no(code: int, stderr: str, *, unreachable: bool) -> None:
    """What uv writes decides whether the answer was no, or there was none."""
    assert Answer(code, "", stderr).unreachable is unreachable
