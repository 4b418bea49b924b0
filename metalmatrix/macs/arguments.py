"""What `shards`, `merge`, `contribute` and `day` take on the command line."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.arguments import day, json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    shards = add(
        "shards",
        "Split the cells that nox lists among machines, evenly by the time they are expected to take.",
        """\
  python -m metalmatrix shards cells.json --runners macos-15 --minutes 45
  python -m metalmatrix shards cells.json --runners macos-26 'self-hosted,macOS,ARM64,m2 ubuntu-24.04'
  python -m metalmatrix shards - --shard 1/4                the sessions of the first of four, one a line
The list is what `nox -s matrix --list --json` prints; - reads it from standard input.""",
    )
    shards.add_argument("cells", metavar="LIST", help="the sessions, as nox lists them with --json")
    shards.add_argument(
        "--runners",
        nargs="+",
        default=[],
        metavar="LABELS",
        help="print a matrix of jobs for these kinds of machine, blanks between them",
    )
    shards.add_argument(
        "--minutes", type=_minutes, default=45.0, help="what each job is to take at most (45)"
    )
    shards.add_argument("--shard", metavar="N/M", help="print the sessions of one shard instead")

    merge = add(
        "merge",
        "Join results from elsewhere into results/: each validated, none overwritten by an older one.",
        """\
  python -m metalmatrix merge downloads/results-macos-15-1
  python -m metalmatrix merge artifacts/* --json
  python -m metalmatrix merge ~/another-clone/results/macos-15.2-apple-m2-16gb
What contradicts a result that is there is kept beside it, and the table shows both.""",
    )
    merge.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="a results folder, or one host's in it"
    )

    contribute = add(
        "contribute",
        "On a Mac, run what is missing of its chip and macOS, most telling first, and say what to attach.",
        """\
  python -m metalmatrix contribute
  python -m metalmatrix contribute --minutes 20
  python -m metalmatrix contribute --list                   what would run, first to last""",
    )
    contribute.add_argument("--minutes", type=_minutes, default=60.0, help="the time there is (60)")
    contribute.add_argument("--list", action="store_true", help="say what would run, and run nothing")

    moved = add(
        "day",
        "Move the day of matrix.toml, as of which everything is resolved.",
        """\
  python -m metalmatrix day 2026-11-20
  python -m metalmatrix day today                           for a run beside the pinned one""",
    )
    moved.add_argument("day", type=_day, metavar="DAY", help="a day, or today (UTC)")

    json_too(merge, contribute)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= 7 * 24 * 60:
        raise argparse.ArgumentTypeError(f"{text!r} are no minutes")
    return minutes


def _day(text: str) -> dt.date:
    return dt.datetime.now(dt.timezone.utc).date() if text == "today" else day(text)
