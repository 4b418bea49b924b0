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
    from pathlib import Path


def table(options: argparse.Namespace) -> int:
    """Show what is known, and publish it; 1 where a verdict is a surprise.

    Raises:
        MetalmatrixError: There is nothing to compare with, or no place for the table.
    """
    return publish(as_json=options.json, since=options.since, readme=options.readme)


def publish(*, as_json: bool, since: str | None = None, readme: Path | None = None) -> int:
    """The same without a command line: for `matrix`, which ends in it."""
    from metalmatrix.site import write  # noqa: PLC0415 - the page's templates, which `static` does not need

    report = show.current_report()
    if readme:
        write.embed(report, readme)
    made = write.publication(report, tell, since)
    written = [f"site/{path.name}" for path in write.write_site(made)]
    if as_json:  # a program asked: no person reads a summary of it
        print_json(feed.render(report))
    else:
        write.append_summary(made)
        print_report(report)
        tell(f"written: {', '.join(written)}, site/cells/, site/pins/, site/badge/")
        tell("to look at it: nox -s serve")
    return int(any(item.surprise for item in report.cells))


def static(options: argparse.Namespace) -> int:
    """Give every published combination its verdict.

    Raises:
        IndexUnreachableError: It was needed for one of them.
    """
    as_of = options.as_of or answered_as_of()
    explainer = Explainer(as_of, fresh=options.fresh)
    reports = explainer.reports(history.cells(options.target), tell)
    if options.json:
        print_json({"as_of": as_of.isoformat(), "cells": [report.to_json() for report in reports]})
    else:
        print_overview(overview(reports), as_of.isoformat(), target=options.target)
    explainer.reached()
    return 0
