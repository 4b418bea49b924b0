"""`accuracy` on the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from metalmatrix.output import print_json, tell
from metalmatrix.table.show import accuracy_page, current_score, write_accuracy

if TYPE_CHECKING:
    import argparse


def accuracy(options: argparse.Namespace) -> int:
    """Say how often `linked` was right, or write the page that does."""
    if options.write:
        tell(f"written: {write_accuracy().name}")
    if options.json:
        print_json([item.to_json() for item in current_score().comparisons])
    elif not options.write:
        sys.stdout.write(accuracy_page())
    return 0
