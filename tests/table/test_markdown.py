from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from metalmatrix.cells.cell import Cell
from metalmatrix.table.markdown import HEADER, escape, link, render
from metalmatrix.text import plain
from metalmatrix.verdicts.report import CellReport, Report
from metalmatrix.verdicts.verdict import Verdict
from tests.samples import DAY, HOSTILE, realistic, report_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from markdown_it.token import Token

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NOTHING = "\u200b"  # what breaks an address apart
MARKUP = st.text(alphabet=st.sampled_from("ab1 \n\t*_`~[]()<>!#|\\&;:/.-+=$@\"'{}^x"), max_size=40)
CELL = Cell.parse("py3.11-tf2.15.1-metal1.1.0")
SLOW = Verdict("degraded", "fit", "is slow", "https://example.com/1")
STARTS = ("http://", "https://", "ftp://", "www.", "mailto:", "xmpp:")


def inline(tokens: list[Token]) -> Iterator[Token]:
    """Every inline token, nested ones too."""
    for token in tokens:
        for child in token.children or ():
            yield child
            yield from inline([child])


def read(text: str) -> str:
    """What a reader sees of *text* in a note's place, if nothing of it is markup."""
    tokens = READER.parse(f"- **cells**: {escape(text)}")
    assert [token.type for token in tokens if token.level == 0] == ["bullet_list_open", "bullet_list_close"]
    found = list(inline(tokens))
    assert [t.type for t in found if t.type not in {"text", "text_special"}] == [
        "strong_open",
        "strong_close",
    ]
    return "".join(token.content for token in found)


@given(st.text(max_size=60) | MARKUP)
@example("_x_ __y__")
@example("*x* **y** ~~z~~")
@example("`x` <b> &amp; [a](b) ![c](d)")
def test_an_escaped_text_is_seen_as_it_is_and_does_nothing(text: str) -> None:
    """Whatever it is: one paragraph of text, without a link, an image, a tag, a table or emphasis."""
    assert read(text).replace(NOTHING, "").rstrip() == f"cells: {plain(text, 400)}".rstrip()


@given(st.text(max_size=40) | MARKUP)
@example("a|b")
def test_an_escaped_text_is_one_field_of_a_table(text: str) -> None:
    """In a table no text makes a second field or row."""
    tokens = READER.parse(f"| {escape(text)} | x |\n| --- | --- |\n| {escape(text)} | x |")
    types = [token.type for token in tokens]
    assert (types.count("th_open"), types.count("td_open"), types.count("tr_open")) == (2, 2, 2)


@given(st.text(max_size=20), st.sampled_from(STARTS), st.text(max_size=20))
def test_a_bare_address_is_no_link(before: str, start: str, after: str) -> None:
    """GitHub makes links of bare addresses, whatever stands before them: none is left whole."""
    seen = read(f"{before}{start}{after}").lower()
    assert not any(start in seen for start in STARTS)


@pytest.mark.parametrize("message", HOSTILE)
def test_what_others_wrote_is_text(message: str) -> None:
    """In the whole document nothing that came from elsewhere is markup."""
    text = render(report_of(message))
    assert not {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"}} - {"\n"}
    tokens = READER.parse(text)
    types = {token.type for token in inline(tokens)}
    assert types <= {
        "text", "text_special", "strong_open", "strong_close", "em_open", "em_close", "code_inline",
        "softbreak", "html_inline",
    }  # fmt: skip
    assert {token.content for token in inline(tokens) if token.type == "html_inline"} <= {"<br>"}
    assert [token.content.strip() for token in tokens if token.type == "html_block"] == [HEADER]
    assert "code_block" not in {token.type for token in tokens}
    assert "fence" not in {token.type for token in tokens}


@pytest.mark.parametrize("message", HOSTILE)
def test_the_structure_does_not_depend_on_what_others_wrote(message: str) -> None:
    """The headings, lists and tables are those of the same report with harmless words."""
    blocks = [
        [token.type for token in READER.parse(render(report_of(text)))] for text in (message, "harmless")
    ]
    assert blocks[0] == blocks[1]


@given(
    st.text(max_size=30) | MARKUP | MARKUP.map("https://example.com/".__add__), st.text(max_size=10) | MARKUP
)
@example("https://example.com/a?b=1&copy;2", "")
@example("https://example.com/a?b=1&c=2", "x")
@example("https://example.com/>", "")
@example("javascript:alert(1)", "x")
def test_a_link_leads_to_its_address_or_nowhere(address: str, text: str) -> None:
    """An address that can be one is linked as it is; anything else is text, in a note and in a table."""
    for made in (f"- a ({link(address, text)})", f"| a {link(address, text)} |\n| --- |"):
        found = list(inline(READER.parse(made)))
        links = [token.attrs["href"] for token in found if token.type == "link_open"]
        assert links in ([], [address.replace("'", "%27")], [address])
        assert {token.type for token in found} <= {"text", "text_special", "link_open", "link_close"}


def test_a_reported_failure_links_its_source() -> None:
    """In the document, the note of a verdict that a report makes has the link."""
    item = CellReport(CELL, SLOW, SLOW, None, "", ())
    (note,) = [line for line in render(Report(DAY, (item,))).splitlines() if line.startswith("- **")]
    assert "degraded: is slow (<https://example.com/1>); to see it again: `nox -s explain" in note


def test_it_reads_like_this(golden: Callable[[str, str], None]) -> None:
    """The whole document of the realistic report."""
    golden("table.md", render(realistic()))


def test_a_table_has_a_field_for_each_framework_and_plugin() -> None:
    """Every row has as many fields as the head, also where there is no cell."""
    tokens = READER.parse(render(realistic()))
    rows = "".join({"tr_open": "\n", "td_open": "x", "th_open": "x"}.get(token.type, "") for token in tokens)
    assert rows.split() == ["xxx"] * 6


def test_it_begins_with_what_makes_it() -> None:
    """The first line tells the command, and that it is not to be edited."""
    assert render(Report(DAY, ())).startswith("<!-- made by `nox -s table`; do not edit -->\n")
