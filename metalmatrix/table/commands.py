"""`table` and `static` on the command line: the matrix with its runs, and every published combination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.cells import history
from metalmatrix.output import print_json, tell
from metalmatrix.resolving.answers import answered_as_of
from metalmatrix.table import feed, show
from metalmatrix.table.overview import overview
from metalmatrix.table.terminal import print_overview, print_report
from metalmatrix.verdicts.explain import Explainer

if TYPE_CHECKING:
    import argparse


def table(options: argparse.Namespace) -> int:
    """Show what is known, and write it; 1 where a verdict is a surprise."""
    report = show.current_report()
    written = show.write_site(report)
    if options.json:
        print_json(feed.render(report))
    else:
        print_report(report)
        tell(f"written: {', '.join(f'site/{path.name}' for path in written)}")
    return int(any(item.surprise for item in report.cells))


def static(options: argparse.Namespace) -> int:
    """Give every published combination its verdict.

    Raises:
        IndexUnreachableError: It was needed for one of them.
    """
    as_of = options.as_of or answered_as_of()
    explainer = Explainer(as_of, fresh=options.fresh)
    reports = explainer.reports(history.cells(), tell)
    if options.json:
        print_json({"as_of": as_of.isoformat(), "cells": [report.to_json() for report in reports]})
    else:
        print_overview(overview(reports), as_of.isoformat())
    explainer.reached()
    return 0
