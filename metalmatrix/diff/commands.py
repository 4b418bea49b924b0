"""`diff` on the command line: what has changed between two tables, and the gate of CI."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from metalmatrix.diff import render
from metalmatrix.diff.compare import compare
from metalmatrix.diff.gate import findings
from metalmatrix.diff.sources import current, table_of
from metalmatrix.errors import UsageError
from metalmatrix.output import print_json, tell

if TYPE_CHECKING:
    import argparse


def diff(options: argparse.Namespace) -> int:
    """Say what has changed; 1 where a cell is a surprise, an expectation is stale, or a cell is lost."""
    if options.json and options.markdown:
        raise UsageError("--json and --markdown are two renderings", "give one of them")
    old = table_of(options.old, tell)
    new = table_of(options.new, tell) if options.new else current()
    changes = compare(old, new)
    found = findings(changes, new)
    for name, table in (("before", old), ("after", new)):
        if table["missing"]:
            tell(f"the table {name} is partial: {len(table['missing'])} cells of its last run have no result")
    if options.json:
        print_json(
            {
                "schema": 1,
                "as_of": {"old": old["as_of"], "new": new["as_of"]},
                "changes": [asdict(change) for change in changes],
                "gate": [finding.to_json() for finding in found],
            }
        )
    elif options.markdown:
        sys.stdout.write(render.markdown(old, new, changes, found))
    else:
        lines = [render.headline(old, new, changes), *render.text(changes, found)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(bool(found))
