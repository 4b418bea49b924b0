"""``site/compat.json``: the whole table for machines, by ``data/compat.schema.json``.

A key may be added within a schema's number; one that is taken away, or means something else, makes another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metalmatrix.files import PACKAGE
from metalmatrix.verdicts.verdict import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalmatrix.resolving.lock import Lock
    from metalmatrix.verdicts.report import CellReport, Report

SCHEMA = 2
SCHEMA_FILE = PACKAGE / "data" / "compat.schema.json"
"""What the feed is by; it is published beside it."""


def render(report: Report) -> dict[str, Any]:
    """The report as plain data: what `explain --json` says of each cell, and what the table says below."""
    return {
        "schema": SCHEMA,
        "regenerate": "nox -s table",
        "as_of": report.as_of.isoformat(),
        "verdicts": VERDICTS,
        "hosts": list(report.hosts),
        "missing": list(report.missing),
        "problems": list(report.problems),
        "score": report.score,
        "excluded": [{"cell": cell.id, "reason": reason} for cell, reason in report.excluded],
        "cells": [cell_data(item) for item in report.cells],
        "sets": sets(report.cells),
    }


def cell_data(item: CellReport) -> dict[str, Any]:
    """One cell of the feed."""
    return {
        **item.to_json(),
        "python": item.cell.python,
        "framework": item.cell.framework,
        "distribution": item.cell.distribution,
        "plugin": item.cell.plugin,
        "plugin_distribution": item.cell.plugin_distribution,
        "plain_stage": item.plain.stage,
        "plain_message": item.plain.message,
        "untested": item.untested,
        "expected": item.expect.verdict if item.expect else None,
        "surprise": item.surprise,
        "pinned_set": _digest(item.pinned_lock),
        "plain_set": _digest(item.plain_lock),
    }


def _digest(lock: Lock | None) -> str | None:
    return lock.digest if lock else None


def sets(items: Iterable[CellReport]) -> dict[str, dict[str, str]]:
    """Version by package of each distinct set, under the digest by which the cells name it."""
    locks = {lock.digest: lock for item in items for lock in (item.pinned_lock, item.plain_lock) if lock}
    return {digest: locks[digest].versions for digest in sorted(locks)}
