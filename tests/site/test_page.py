"""The page as a text: what it holds, what it may do, and how large it is."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from metalmatrix.files import PACKAGE
from metalmatrix.site import page
from metalmatrix.site.dossiers import shared
from metalmatrix.verdicts.verdict import SIGNS, VERDICTS
from tests.samples import HOSTILE
from tests.site import pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalmatrix.diff.change import Change

MOST_BYTES = 300_000
OWNED = "</script></style><script>document.title='owned'</script>"


class Reader(HTMLParser):
    """What is in a page: its elements with their attributes, and the text beside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.raw: dict[str, str] = {}
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        self._in = (attributes.get("type") or tag) if tag in {"script", "style"} else ""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the library's own
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.raw[self._in] = self.raw.get(self._in, "") + data
        else:
            self.text += f"{data} "

    def all(self, attribute: str) -> list[str]:
        """Every value of an attribute."""
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


@pytest.fixture(scope="module")
def history() -> str:
    """The page of the whole history."""
    return pages.whole_page()


def test_the_whole_history_is_small(history: str) -> None:
    """6,776 combinations with all evidence, the script and the style, uncompressed."""
    assert len(history.encode()) < MOST_BYTES
    assert f"<strong>{len(pages.history_reports()):,}</strong>" in history


def test_it_has_no_way_to_ask_anybody(history: str) -> None:
    """No source, no style sheet, no form's address, no frame: links are all that leads out, by https."""
    read = Reader(history)
    tags = {tag for tag, _ in read.elements}
    assert tags & {"img", "iframe", "object", "embed", "base", "video", "audio", "source", "svg"} == set()
    (icon,) = [attributes for tag, attributes in read.elements if tag == "link"]
    assert (icon["rel"], icon["href"][:14]) == ("icon", "data:image/svg")
    assert {name for _, attributes in read.elements for name in attributes} & {
        "src", "srcset", "style", "action", "formaction", "background", "poster", "ping", "onclick", "onload",
    } == set()  # fmt: skip
    assert "url(" not in read.raw["style"]
    assert "@import" not in read.raw["style"]
    assert "fetch(" not in read.raw["script"]
    outside = [
        href
        for href in read.all("href")
        if not re.match(r"#|compat\.|junit\.xml|ops\.html|pins/py3|data:image/svg", href)
    ]
    assert outside
    assert {href[:8] for href in outside} == {"https://"}


def test_its_policy_lets_nothing_else_run(history: str) -> None:
    """The policy names the hashes of the very script and style that are there, and forbids the rest."""
    read = Reader(history)
    (policy,) = [a["content"] for _, a in read.elements if a.get("http-equiv") == "Content-Security-Policy"]
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(read.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy


def test_what_it_points_at_is_there(history: str) -> None:
    """Every anchor is there once, and every link within the page leads to one, or to a cell that is on it."""
    read = Reader(history)
    anchors = read.all("id")
    assert len(anchors) == len(set(anchors))
    cells = {item.cell.id for item in pages.history_reports()}
    inside = {href[1:] for href in read.all("href") if href.startswith("#")}
    assert inside <= set(anchors) | cells
    labels = {
        part
        for a in ("aria-labelledby", "aria-describedby")
        for value in read.all(a)
        for part in value.split()
    }
    assert labels <= set(anchors) | {"cell-h"}  # the panel's own, put there with it


def test_every_verdict_has_its_sign_and_its_colours() -> None:
    """The style tells each word by its sign as well, and in the grid by its first letter."""
    style = (PACKAGE / "site" / "templates" / "page.css").read_text(encoding="utf-8")
    assert len({word[0] for word in VERDICTS}) == len(VERDICTS)
    for word, sign in SIGNS.items():
        assert re.search(rf'(?m)^\.{word}, \.{word[0]} {{.*--mark: "{re.escape(sign)} "; }}$', style)


def test_it_says_that_nothing_ran() -> None:
    """Where no Mac ran anything the page says so; where one did, which, and what was rehearsed."""
    told = " ".join(Reader(pages.whole_page()).text.split())
    assert "No Mac has run any of them yet." in told
    assert "No chip to choose yet: nothing has run on a Mac." in told
    seen = " ".join(Reader(page.render(pages.ran())).text.split())
    assert "6 of them ran on Macs: M1 (virtual) with macOS 14.7, M2 with macOS 15.2." in seen
    assert "1 of them rehearsed on another platform" in seen
    assert "No Mac has run" not in seen
    assert "partial: the last run was cut off" in seen
    assert "A surprise: expected broken" in seen


def test_the_grid_is_the_report(history: str) -> None:
    """Every field stands in the table with its words, and its Pythons where there is more than a refusal."""
    read = Reader(history)
    assert sum(tag == "td" and not a for tag, a in read.elements) >= 44 * 22
    row = history[history.index('<th scope="row">2.16.2</th>') :].partition("\n")[0]
    lines = [
        (word, "*" in star, pythons)
        for word, star, pythons in re.findall(r"class=\w>([a-z-]+)(\*?)(?:<i>([^<]*)</i>)?</a>", row)
    ]
    assert lines[:2] == [("likely", True, "3.9-3.12"), ("degraded", False, "3.9-3.12")]


class TestChanges:
    def text(self, changes: tuple[Change, ...] | None) -> str:
        """What is said of them."""
        told = page.render(pages.ran(changes))
        return " ".join(Reader(told[told.index('id="changes"') : told.index('id="score"')]).text.split())

    def test_each_is_told_with_its_cause(self) -> None:
        """What was lost, what was gained, from what to what, and why."""
        told = self.text(pages.CHANGES)
        assert (
            "lost py3.12-tf2.17.1-metal1.1.0 likely → broken broken at device: SIGSEGV Cause: macOS 15.2"
            in told
        )
        assert "gained py3.11-tf2.15.1-metal1.1.0 broken → works ran on a Mac" in told
        assert "gone py3.9-tf2.12.0-nometal likely installs" in told

    def test_none_is_not_the_same_as_unknown(self) -> None:
        """A page without an earlier one to compare with does not say that nothing changed."""
        assert "Nothing." in self.text(())
        assert "without an earlier one to compare with" in self.text(None)

    def test_too_many_are_counted(self) -> None:
        """A page of changes alone is no page: of many the number is told."""
        many = pages.CHANGES[:1] * (page.MOST_CHANGES + 7)
        assert "And 7 more" in self.text(many)
        assert self.text(many).count("SIGSEGV") == page.MOST_CHANGES


class TestHostile:
    @pytest.mark.parametrize("message", [*HOSTILE, OWNED, "'\"><b onclick=alert(1)>", "{{ 7 * 7 }}{% raw %}"])
    def test_what_others_wrote_is_text(self, message: str) -> None:
        """In every field: the page has the elements and attributes of one with harmless words."""
        harmless, read = (Reader(page.render(pages.hostile(text))) for text in ("harmless", message))
        assert [tag for tag, _ in read.elements] == [tag for tag, _ in harmless.elements]
        assert [sorted(a) for _, a in read.elements] == [sorted(a) for _, a in harmless.elements]
        assert read.raw["script"] == harmless.raw["script"]
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", read.text
        )
        assert {href.partition(":")[0] for href in read.all("href") if ":" in href and href[0] != "#"} <= {
            "https",
            "data",  # the icon
        }
        model = json.loads(read.raw["application/json"])
        assert set(model["frameworks"]) == {"2.15.1", "2.17.1", "2.18.1"}

    @pytest.mark.parametrize(
        "address", ["javascript:alert(1)", "http://example.com/", 'https://a/" x', "data:text/html,x"]
    )
    def test_only_a_sound_address_is_a_link(self, address: str) -> None:
        """A source that is no https address is shown, and leads nowhere."""
        assert address not in Reader(page.render(pages.hostile(address))).all("href")
        sound = "https://example.com/issues/1?a=b&c=d"
        assert Reader(page.render(pages.hostile(sound))).all("href").count(sound) >= 3


def test_the_script_knows_words_and_numbers_alone(history: str) -> None:
    """No message is in the data of the script: versions, names of releases, verdicts, numbers."""
    model = json.loads(Reader(history).raw["application/json"])
    found: set[str] = set()

    def walk(data: object) -> None:
        if isinstance(data, str):
            found.add(data)
        for inner in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
            walk(inner)

    walk(model)
    assert {text for text in found if not re.fullmatch(r"[\w.\- ]{0,40}|[✓+!✗?-]", text)} == set()


def test_an_empty_publication_is_a_page() -> None:
    """A matrix without cells has a page that hands out nothing."""
    from dataclasses import replace

    from metalmatrix.reported.score import Score
    from metalmatrix.verdicts.report import Report
    from tests.samples import DAY

    nothing = replace(pages.ran(), table=Report(DAY, ()), score=Score(()))
    assert "Nothing is handed out" in page.render(nothing)
    assert shared(()).dossiers == ()


def test_it_is_the_same_each_time(golden: Callable[[str, str], None]) -> None:
    """The sample's page as it is read, without its looks; made twice it is the same to the letter."""
    told = page.render(pages.ran())
    assert told == page.render(pages.ran())
    lines = (" ".join(line.split()) for line in Reader(told).text.splitlines())
    golden("page.txt", "".join(f"{line}\n" for line in lines if line))
