"""``site/junit.xml``: the table for a CI that shows tests; pure.

A cell is a test of what is expected of it: a *surprise* fails, for better or for worse.  A broken cell that
nobody expects otherwise is a finding and no failure, and one of which nothing is known is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from metalmatrix.table import layout
from metalmatrix.text import plain

if TYPE_CHECKING:
    from metalmatrix.verdicts.report import CellReport, Report

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<!-- made by `nox -s table` -->'
_LONGEST = 700


def render(report: Report) -> str:
    """The whole file."""
    suite = ET.Element(
        "testsuite",
        name="metalmatrix",
        tests=str(len(report.cells)),
        failures=str(sum(item.surprise for item in report.cells)),
        errors="0",
        skipped=str(sum(_skipped(item) for item in report.cells)),
        timestamp=f"{report.as_of}T00:00:00",
    )
    for item in report.cells:
        case = ET.SubElement(
            suite, "testcase", classname=f"metalmatrix.py{item.cell.python}", name=item.cell.id
        )
        if item.surprise and item.expect:
            told = f"{item.verdict.word}, expected {item.expect.verdict}: {item.expect.note}"
            failure = ET.SubElement(case, "failure", type="surprise", message=_text(told))
            failure.text = _text(item.verdict.message)
        elif _skipped(item):
            ET.SubElement(case, "skipped", message=_text(f"unknown: {item.verdict.message}"))
        ET.SubElement(case, "system-out").text = _text(f"{item.headline}: {item.verdict.message}")
    if problems := layout.warnings(report):
        ET.SubElement(suite, "system-err").text = "\n".join(map(_text, problems))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root, " ")
    return "\n".join([_HEAD, ET.tostring(root, "unicode"), ""])


def _skipped(item: CellReport) -> bool:
    return item.verdict.word == "unknown" and not item.surprise


def _text(text: str) -> str:
    """A text that XML 1.0 can hold: no control characters, and none that is no character."""
    return plain(text, _LONGEST).translate({0xFFFE: None, 0xFFFF: None})
