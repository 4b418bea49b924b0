"""What machines read: badges, JUnit, a job's summary, the table in a README, the files of cells."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
from markdown_it import MarkdownIt

from metalmatrix.errors import UsageError
from metalmatrix.pins.pins import choose
from metalmatrix.site import badge, junit, summary
from metalmatrix.site.embed import BEGIN, END, embedded
from metalmatrix.site.publication import best_of
from metalmatrix.table import feed
from metalmatrix.verdicts.report import Report
from tests.samples import DAY, HOSTILE, cell_of, realistic, report_of
from tests.site import pages

if TYPE_CHECKING:
    from collections.abc import Callable

SUITE = "testsuite"


class TestBadge:
    @pytest.mark.parametrize(
        ("cell", "message", "color"),
        [
            ("py3.11-tf2.15.1-metal1.1.0", "✓ works", "brightgreen"),
            ("py3.11-tf2.17.1-nometal", "+ likely", "green"),
            ("py3.12-tf2.17.1-metal1.1.0", "✗ broken", "red"),
            ("py3.12-tf2.18.1-metal1.1.0", "? unknown", "lightgrey"),
        ],
    )
    def test_a_cell_has_its_word_with_its_sign(self, cell: str, message: str, color: str) -> None:
        """What shields.io takes, and nothing more: version, label, message, colour."""
        told = badge.of_cell(cell_of(realistic(), cell))
        assert (told["schemaVersion"], told["message"], told["color"]) == (1, message, color)
        assert set(told) == {"schemaVersion", "label", "message", "color"}

    def test_the_best_of_a_python_says_which(self) -> None:
        """The set and its verdict; where nothing is handed out, that."""
        best, *_ = [item for item in best_of(pages.ran().cells) if item.cell.python == "3.11"]
        assert badge.of_python("3.11", best)["message"] == "2.15.1, metal 1.1.0: ✓ works"
        (early,) = [item for item in best_of(pages.history_reports()) if item.cell.python == "3.14"]
        told = badge.of_python("3.14", early)["message"]
        assert told == "2.22.0rc0 (pre-release), no plugin: + likely"
        assert badge.of_python("3.7", None)["message"] == "nothing is known to be good"


class TestBest:
    def test_an_older_macos_has_a_line_of_its_own(self) -> None:
        """Metal 1.2.0 asks for 12.1: whoever has 12.0 is told what there is for them."""
        mine = [item for item in best_of(pages.history_reports()) if item.cell.python == "3.12"]
        assert (mine[0].cell.plugin, mine[0].macos) == ("1.2.0", "12.1")
        floors = [float(item.macos or 0) for item in mine]
        assert floors == sorted(floors, reverse=True)
        assert len(set(floors)) == len(floors) > 1

    def test_a_prerelease_has_the_best_final_release_behind_it(self) -> None:
        """Whoever wants final releases alone is told what there is, though it asks for the same macOS."""
        good = [item for item in pages.history_reports() if item.cell.python == "3.11"]
        early = next(i for i in good if i.cell.framework == "2.17.0rc1" and i.cell.plugin == "1.1.0")
        finals = [i for i in good if i.cell.framework in {"2.17.0", "2.17.1"} and i.cell.plugin == "none"]
        found = list(best_of((early, *finals)))
        assert [i.cell.framework for i in found] == ["2.17.0rc1", "2.17.1"]
        assert {i.macos for i in found} == {early.macos}

    def test_it_is_what_the_pins_hand_out(self) -> None:
        """The first of each Python is what `pins` chooses of the same cells."""
        reports = pages.history_reports()
        first: dict[str, str] = {}
        for item in best_of(reports):
            first.setdefault(item.cell.python, item.cell.id)
        assert set(first) == {item.cell.python for item in reports}
        for python, cell in first.items():
            assert choose(item for item in reports if item.cell.python == python).cell.id == cell

    def test_what_is_degraded_is_never_the_best(self) -> None:
        """It is handed out with its note to who asks for it, and offered to nobody."""
        assert {item.verdict.word for item in best_of(pages.ran().cells)} == {"works", "likely"}
        only = tuple(i for i in pages.ran().cells if i.verdict.word == "degraded")
        assert list(best_of(only)) == []


class TestJunit:
    def test_a_surprise_fails_and_nothing_else(self) -> None:
        """Broken cells that nobody expects otherwise are findings; unknown ones are skipped."""
        (suite,) = ET.fromstring(junit.render(realistic()))  # noqa: S314 - our own
        cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
        assert len(cases) == len(realistic().cells) == int(suite.attrib["tests"])
        failed = [name for name, case in cases.items() if case.find("failure") is not None]
        assert failed == ["py3.11-tf2.15.1-metal1.1.0"]
        assert suite.attrib["failures"] == "1"
        assert "works, expected broken" in cases[failed[0]].find("failure").attrib["message"]  # type: ignore[union-attr]
        skipped = {name for name, case in cases.items() if case.find("skipped") is not None}
        assert skipped == {i.cell.id for i in realistic().cells if i.verdict.word == "unknown"}
        assert "it has schema 3" in (suite.findtext("system-err") or "")

    @pytest.mark.parametrize("message", [*HOSTILE, "]]><x/>", "\x00\ufffe\uffff"])
    def test_what_others_wrote_is_text(self, message: str) -> None:
        """Any message makes a file that XML's reader takes, with the elements of one with harmless words."""
        texts = [junit.render(report_of(text)) for text in ("harmless", message)]
        shapes = [[element.tag for element in ET.fromstring(text.encode()).iter()] for text in texts]  # noqa: S314
        assert shapes[0] == shapes[1]

    def test_it_reads_like_this(self, golden: Callable[[str, str], None]) -> None:
        """The whole file of the realistic report."""
        golden("junit.xml", junit.render(realistic()))


class TestSummary:
    def test_it_reads_like_this(self, golden: Callable[[str, str], None]) -> None:
        """The whole summary of the sample."""
        golden("summary.md", summary.render(pages.ran()))

    def test_it_tells_what_changed_only_where_that_is_known(self) -> None:
        """Without an earlier publication it says nothing of changes; with one that is the same, that."""
        assert "What changed" not in summary.render(pages.ran(None))
        assert "Nothing." in summary.render(pages.ran(()))
        many = summary.render(pages.ran(pages.CHANGES[:1] * 1000))
        assert "and 960 more" in many
        assert len(many.encode()) < 2**20

    @pytest.mark.parametrize("message", HOSTILE)
    def test_what_others_wrote_is_text(self, message: str) -> None:
        """The blocks are those of the same summary with harmless words, and no element comes of a message."""
        reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        read = [reader.parse(summary.render(pages.hostile(text))) for text in ("harmless", message)]
        assert [token.type for token in read[0]] == [token.type for token in read[1]]
        html = [
            child.content
            for token in read[1]
            for child in token.children or ()
            if child.type == "html_inline"
        ]
        assert set(html) <= {"<br>"}


class TestEmbedded:
    TEXT = f"# Mine\r\n\n{BEGIN}\nold\n{END}\ntail"

    def test_what_stands_between_the_markers_is_replaced(self) -> None:
        """The rest stays as it is, and doing it again changes nothing."""
        made = embedded(self.TEXT, ["| a |", "| - |"], "README.md")
        assert made == f"# Mine\r\n\n{BEGIN}\n\n| a |\n| - |\n\n{END}\ntail"
        assert embedded(made, ["| a |", "| - |"], "README.md") == made

    def test_it_has_the_line_ends_of_the_document(self) -> None:
        """A file of Windows stays one."""
        made = embedded(f"{BEGIN}\r\nold\r\n{END}\r\n", ["| a |"], "README.md")
        assert made == f"{BEGIN}\r\n\r\n| a |\r\n\r\n{END}\r\n"

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("# Mine", "does not have"),
            (f"{BEGIN}\n", END),
            (f"{BEGIN}{BEGIN}{END}", "2 times"),
            (f"{END}\n{BEGIN}", "before"),
        ],
    )
    def test_a_document_without_its_place_is_left_alone(self, text: str, what: str) -> None:
        """What is wrong with the markers is told, and what to put where."""
        with pytest.raises(UsageError, match=re.escape(what)) as caught:
            embedded(text, ["x"], "README.md")
        assert BEGIN in caught.value.hint
        assert END in caught.value.hint


class TestCellFile:
    SCHEMA = json.loads(feed.SCHEMA_FILE.read_text(encoding="utf-8"))

    def test_each_is_by_the_schema(self) -> None:
        """A file of a cell is a cell of the feed, with its sets, its lines and where its pins are."""
        from metalmatrix.site.write import cell_file

        validator = jsonschema_rs.validator_for(
            {
                **self.SCHEMA,
                "$ref": "#/$defs/cell-file",
                "type": "object",
                "required": [],
                "properties": self.SCHEMA["properties"] | {"schema": {}},
            }
        )
        for item in realistic().cells:
            made = json.loads(json.dumps(cell_file(item)))
            validator.validate(made)
            named = {made["pinned_set"], made["plain_set"]} - {None}
            assert named == set(made["sets"])
            good = item.verdict.word in {"works", "likely", "degraded"}
            assert bool(made["install"]) == good
            assert made["pins"] == (f"pins/{item.cell.id}.txt" if good else None)


def test_an_empty_matrix_has_feeds() -> None:
    """Nothing is an error of a matrix without cells."""
    nothing = replace(pages.ran(()), table=Report(DAY, ()))
    assert 'tests="0"' in junit.render(nothing.table)
    assert "TensorFlow on Apple silicon" in summary.render(nothing)
