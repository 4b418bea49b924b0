"""The summary of a CI job: how many cells have which verdict, what surprises, what changed, the table; pure.

GitHub shows what is appended to the file that ``GITHUB_STEP_SUMMARY`` names, as Markdown of at most 1 MiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.table import layout, markdown
from metalmatrix.verdicts.report import counts
from metalmatrix.verdicts.verdict import SIGNS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalmatrix.site.publication import Publication

_MOST = 40
"""Changes that are told; of more it is told how many."""


def render(publication: Publication) -> str:
    """The whole summary."""
    return "\n".join(_lines(publication)) + "\n"


def _lines(publication: Publication) -> Iterator[str]:
    escape, report = markdown.escape, publication.table
    found = counts(report.cells)
    yield "## TensorFlow on Apple silicon"
    yield ""
    yield " · ".join(f"{escape(SIGNS[word])} {found[word]} {word}" for word in VERDICTS if word in found)
    yield ""
    for warning in layout.warnings(report):
        yield f"> {escape(warning)}"
        yield ""
    for section in layout.sections(report):
        if section.title == layout.SURPRISES:
            yield f"### {section.title}"
            yield ""
            yield from (f"- **{escape(note.cells)}**: {escape(note.text)}" for note in section.notes)
            yield ""
    if publication.changes is not None:
        yield "### What changed"
        yield ""
        for change in publication.changes[:_MOST]:
            words = " → ".join(word for word in (change.before, change.after) if word)
            told = f"{change.told} Cause: {change.cause}" if change.cause else change.told
            yield f"- {escape(change.kind)}: **{escape(change.cell)}** {escape(words)}: {escape(told)}"
        if (more := len(publication.changes) - _MOST) > 0:
            yield f"- and {more} more"
        if not publication.changes:
            yield "Nothing."
        yield ""
    yield from markdown.table(report)
