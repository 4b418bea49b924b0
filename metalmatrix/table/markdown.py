"""The table in Markdown: the same fields and notes as in the terminal, every text escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metalmatrix.table import layout
from metalmatrix.text import plain
from metalmatrix.verdicts.report import counts
from metalmatrix.verdicts.verdict import SIGNS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalmatrix.verdicts.report import Report

HEADER = "<!-- made by `nox -s table`; do not edit -->"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&@!])")

# What needs no escape between angle brackets (CommonMark, 6.5): no blank, bracket, backslash or entity.
_ADDRESS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*/[A-Za-z0-9._~:/?#@!$&'()*+,=%-]*")


def escape(text: str, limit: int = 400) -> str:
    """Text of any origin as Markdown that shows it, and does nothing else (CommonMark, 2.4)."""
    escaped = _SPECIAL.sub(r"\\\1", plain(text, limit))
    # GitHub makes links of bare addresses, whatever stands before them.
    return re.sub(r"(?i)(https?|ftp|www|mailto|xmpp)(?=[:.])", r"\1&#8203;", escaped)


def is_address(text: str) -> bool:
    """Whether a text is an address that may be made a link of: https, a host, and nothing that ends it."""
    return _ADDRESS.fullmatch(text) is not None


def link(address: str, text: str = "") -> str:
    """A link to an address, under *text* or itself; an address that may be something else is only shown."""
    if not is_address(address):
        return f"{escape(text)} {escape(address)}".strip()
    return f"[{escape(text)}](<{address}>)" if text else f"<{address}>"


def render(report: Report) -> str:
    """The whole table as a Markdown document."""
    score = [escape(report.score), ""] if report.score else []
    return "\n".join([HEADER, "", *table(report), "", *score, *_below(report)]) + "\n"


def table(report: Report) -> Iterator[str]:
    """The lines of the table and its legend."""
    yield from _grid(layout.grid(report.cells), "framework")
    for product, lite in layout.lite_grids(report.cells):
        yield ""
        yield from _grid(lite, escape(product))
    found = counts(report.cells)
    yield ""
    signs = (
        f"{escape(SIGNS[word])} *{word}* {meaning}" for word, meaning in VERDICTS.items() if word in found
    )
    yield f"As of {report.as_of}, Pythons in each field. " + " · ".join(signs) + "."
    if any(item.plain_is_worse for item in report.cells):
        yield r"\* with pins; a plain install fares worse."


def _grid(grid: layout.Grid, head: str) -> Iterator[str]:
    yield f"| {head} | " + " | ".join(map(escape, grid.plugins)) + " |"
    yield "| --- |" + " --- |" * len(grid.plugins)
    for framework in grid.frameworks:
        fields = (
            "<br>".join(
                f"{escape(line.label)} {line.pythons}".rstrip()
                for line in grid.fields.get((framework, plugin), ())
            )
            for plugin in grid.plugins
        )
        yield f"| **{framework}** | " + " | ".join(fields) + " |"


def _below(report: Report) -> Iterator[str]:
    for warning in layout.warnings(report):
        yield f"> {escape(warning)}"
        yield ""
    for section in layout.sections(report):
        yield f"## {section.title}"
        yield ""
        for note in section.notes:
            command = f"; to see it again: `{note.command}`" if note.command else ""
            source = f" ({link(note.source)})" if note.source else ""
            yield f"- **{escape(note.cells)}**: {escape(note.text)}{source}{command}"
        yield ""
