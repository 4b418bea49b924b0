"""What the commands of all packages share on the command line."""

from __future__ import annotations

import argparse
import datetime as dt
from typing import Callable

Add = Callable[[str, str, str], argparse.ArgumentParser]
"""Adds a command: its name, a sentence, examples; a package's ``arguments.py`` takes it and adds its own."""


def json_too(*commands: argparse.ArgumentParser) -> None:
    """Give each of the *commands* the option ``--json``."""
    for command in commands:
        command.add_argument("--json", action="store_true", help="print JSON alone on standard output")


def day(text: str) -> dt.date:
    """A day on the command line, of which the index can know."""
    try:
        given = dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it like 2026-11-20") from error
    if given > dt.datetime.now(dt.timezone.utc).date():
        raise argparse.ArgumentTypeError(f"{text} is still to come: nothing is known of its uploads")
    return given
