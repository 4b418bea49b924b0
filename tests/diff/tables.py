"""Small tables for the tests of `diff`, as plain data: with what the feed has and little more."""

from __future__ import annotations

import copy
from typing import Any

from metalmatrix.diff.document import validated
from metalmatrix.table import feed
from metalmatrix.verdicts.report import Report
from tests.samples import DAY

CELL = "py3.11-tf2.17.1-metal1.1.0"
OLD_SET, NEW_SET = "a" * 16, "b" * 16


def cell(name: str = CELL, verdict: str = "likely", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """One cell of a feed."""
    return {
        "cell": name,
        "verdict": verdict,
        "stage": "",
        "message": f"it is {verdict}",
        "macos": "12.0",
        "plain": verdict,
        "evidence": [],
        "neighbours": [],
        "holds_back": [],
        "python": "3.11",
        "framework": "2.17.1",
        "distribution": "tensorflow",
        "plugin": "1.1.0",
        "plugin_distribution": "tensorflow-metal",
        "plain_stage": "",
        "plain_message": f"it is {verdict}",
        "untested": "",
        "expected": None,
        "surprise": False,
        "pinned_set": None,
        "plain_set": None,
        **more,
    }


def seen(kind: str, source: str, outcome: str = "ok", message: str = "m", **more: str) -> dict[str, str]:
    """One observation about the pinned set."""
    found = {"kind": kind, "set": "pinned", "outcome": outcome, "message": message, "date": "2026-11-20"}
    return {**found, "source": source, **more}


def table(*cells: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A feed of these cells that its schema accepts."""
    made = {**feed.render(Report(DAY, ())), "cells": list(cells), **more}
    validated(copy.deepcopy(made))
    return made
