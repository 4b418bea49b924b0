"""What stops a table in CI, and what does not; how it is told in a terminal and in a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from metalmatrix.diff import render
from metalmatrix.diff.compare import compare
from metalmatrix.diff.gate import Finding, findings
from tests.diff.tables import CELL, NEW_SET, OLD_SET, cell, seen, table
from tests.samples import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable


def stopped(old: dict[str, Any], new: dict[str, Any]) -> tuple[Finding, ...]:
    """What stops the new table."""
    return findings(compare(old, new), new)


def test_what_contradicts_its_expectation_stops_even_where_nothing_changed() -> None:
    """The entry of matrix.toml is what counts: a table that was wrong before is wrong now."""
    made = table(cell(verdict="broken", expected="works", surprise=True))
    (found,) = stopped(made, made)
    assert (found.reason, found.cell) == ("surprise", CELL)
    assert f"nox -s explain -- {CELL}" in found.hint


def test_a_declared_failure_that_works_now_is_a_stale_expectation() -> None:
    """The message says what to take out of matrix.toml, or what to write there."""
    new = table(cell(verdict="likely", expected="broken", surprise=True))
    (found,) = stopped(table(cell(verdict="broken", expected="broken")), new)
    assert found.reason == "stale"
    assert "[[expect]]" in found.hint
    assert 'verdict = "likely"' in found.hint


def test_what_is_lost_stops_unless_it_is_declared() -> None:
    """The table before is what is expected of a cell without an entry."""
    old = table(cell())
    (found,) = stopped(old, table(cell(verdict="degraded")))
    assert (found.reason, found.cell) == ("lost", CELL)
    assert f'[[expect]] with cell = "{CELL}", verdict = "degraded"' in found.hint
    assert stopped(old, table(cell(verdict="degraded", expected="degraded"))) == ()


@pytest.mark.parametrize(
    ("before", "after"), [("broken", "works"), ("works", "unknown"), ("likely", "works")]
)
def test_good_news_and_want_of_knowledge_stop_nobody(before: str, after: str) -> None:
    """What gets better has no entry to contradict, and unknown contradicts nothing."""
    assert stopped(table(cell(verdict=before)), table(cell(verdict=after))) == ()


def test_what_is_gone_or_new_stops_nobody() -> None:
    """Which cells there are is said in matrix.toml by whoever changes it."""
    assert stopped(table(cell()), table(cell("py3.12-tf2.17.1-nometal", "broken"))) == ()


def _all_kinds() -> tuple[dict[str, Any], dict[str, Any]]:
    names = [f"py3.11-tf2.1{number}.0-nometal" for number in range(8)]
    sets = {OLD_SET: {"numpy": "1.26.4"}, NEW_SET: {"numpy": "2.0.0"}}
    mac = "macos-15.2-apple-m2-16gb"
    old = table(
        cell(names[0], pinned_set=OLD_SET, plain="broken", plain_stage="import"),
        cell(names[1], "broken", stage="link", expected="broken"),
        cell(names[2]),
        cell(names[3]),
        cell(names[5], "works"),
        sets=sets,
    )
    fails = seen("ran", mac, "fails", "fit: the loss does not fall", date="2026-11-27")
    new = table(
        cell(names[0], "broken", stage="import", message="import: no", pinned_set=NEW_SET),
        cell(names[1], expected="broken", surprise=True),
        cell(names[2], "works", evidence=[seen("ran", mac, date="2026-11-27")]),
        cell(names[4]),
        cell(names[5], "degraded", expected="works", surprise=True, message="fit: slow", evidence=[fails]),
        sets=sets,
        hosts=[mac],
        as_of="2026-11-27",
    )
    return old, new


def test_it_reads_like_this(golden: Callable[[str, str], None]) -> None:
    """Every kind of change and every reason to stop, in a terminal and in a summary."""
    old, new = _all_kinds()
    changes = compare(old, new)
    found = findings(changes, new)
    assert {change.kind for change in changes} == {"lost", "gained", "changed", "new", "gone"}
    assert {item.reason for item in found} == {"lost", "surprise", "stale"}
    lines = [render.headline(old, new, changes), *render.text(changes, found)]
    golden("diff.txt", "".join(f"{line}\n" for line in lines))
    golden("diff.md", render.markdown(old, new, changes, found))


def test_hundreds_of_findings_are_counted() -> None:
    """Some are told, and how many there are; all of them are in the JSON."""
    names = [f"py3.11-tf2.{number}.0-nometal" for number in range(30)]
    old = table(*(cell(name) for name in names))
    new = table(*(cell(name, "broken") for name in names))
    found = stopped(old, new)
    assert len(found) == 30
    told = list(render.text((), found))
    assert "Stops the table: lost, and nobody has declared it (30)" in told
    assert "  and 10 more: --json lists all" in told


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_table_says_stays_text(text: str) -> None:
    """No message of a table becomes a colour, a link, a heading or a row of its own."""
    old = table(cell())
    new = table(cell(verdict="broken", message=text, evidence=[seen("reported", text, "fails", text)]))
    changes = compare(old, new)
    found = findings(changes, new)
    assert not any("\x1b" in line or "\n" in line for line in render.text(changes, found))
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(render.markdown(old, new, changes, found))
    kinds = {token.type for token in tokens}
    inline = {child.type for token in tokens for child in token.children or ()}
    assert inline <= {"text", "strong_open", "strong_close", "softbreak", "html_inline"} - {"html_inline"}
    assert not {"html_block", "code_block", "fence"} & kinds
    assert sum(token.type == "tr_open" for token in tokens) == 2
