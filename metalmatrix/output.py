"""The command line's own voice: progress on standard error, data on standard output."""

from __future__ import annotations

import json
import sys


def tell(line: str) -> None:
    """Say how far it is."""
    print(f"  {line}", file=sys.stderr, flush=True)  # noqa: T201


def print_json(data: object) -> None:
    """Print what a program asked for, and nothing else."""
    print(json.dumps(data, indent=1))  # noqa: T201
