"""`update` on the command line: releases, wheels, kernels, answers, the doctor's data, in that order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from metalmatrix.cells import history
from metalmatrix.cells.matrix_file import load
from metalmatrix.doctor import known_write
from metalmatrix.kernels import kernel_update
from metalmatrix.output import tell
from metalmatrix.published.update import NOTHING_NEW
from metalmatrix.published.update import main as update_releases
from metalmatrix.resolving import answer_update
from metalmatrix.wheels import wheel_update
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    import argparse


def update(options: argparse.Namespace) -> int:
    """Show what has been published since, or write it.

    Raises:
        IndexUnreachableError: It could not be asked.
    """
    say = sys.stdout.write
    say("releases: ")
    code = update_releases(force=options.force)
    before = load_facts()
    after = wheel_update.regenerate(tell, force=options.force).facts
    say(f"wheels: {wheel_update.diff(before, after) or NOTHING_NEW}")
    kernels, _ = kernel_update.regenerate(after, tell, force=options.force)
    say(f"kernels: {kernels or NOTHING_NEW}")
    history.read_anew()
    matrix = load()
    changes = answer_update.regenerate(matrix.as_of, matrix.cells, tell, force=options.force)
    say(f"the resolver's answers, as of {matrix.as_of}: {changes or NOTHING_NEW}")
    if options.force and known_write.write():
        say("what the doctor knows: written\n")
    return code
