"""``site/compat.json``: the whole table for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metalmatrix.verdicts.verdict import VERDICTS

if TYPE_CHECKING:
    from metalmatrix.verdicts.report import Report

SCHEMA = 1


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
        "cells": [
            {
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
            }
            for item in report.cells
        ],
    }
