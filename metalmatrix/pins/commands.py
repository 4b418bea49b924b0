"""`pins` on the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from metalmatrix.asking.commands import meant
from metalmatrix.errors import UsageError
from metalmatrix.output import tell
from metalmatrix.pins.pins import choose, requirements
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.searching.breaks import dated, load_breaks

if TYPE_CHECKING:
    import argparse


def pins(options: argparse.Namespace) -> int:
    """Print the pins of the best cell that is meant.

    Raises:
        IndexUnreachableError: It was needed for one of them.
        UsageError: No cell that is meant may be handed out.
    """
    query, _, explainer = meant(options.cells)
    reports = explainer.reports(query.cells, tell)
    explainer.reached()
    chosen = choose(reports, degraded=options.allow_degraded)
    lock = explainer.lock(chosen.cell)
    if lock is None:
        raise UsageError(f"{chosen.cell.id} has no lock", f"nox -s explain -- {chosen.cell.id}")
    for note in query.notes:
        tell(note)
    if len(reports) > 1:
        tell(f"{chosen.cell.id}: the best of {len(reports)} cells that are meant")
    repairs = dated(repairs_for(chosen.cell), chosen.cell, load_breaks())
    sys.stdout.write(requirements(chosen, lock, repairs, explainer.as_of))
    return 0
