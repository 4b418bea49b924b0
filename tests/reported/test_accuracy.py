"""The page that keeps score: whole, current, and never markup of somebody else's."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from metalmatrix import cli
from metalmatrix.cli import parser
from metalmatrix.errors import UsageError
from metalmatrix.reported.accuracy import HEADER, REGENERATE, render
from metalmatrix.reported.reports import load_reports
from metalmatrix.reported.score import PAGE, score
from metalmatrix.running.results import Store
from metalmatrix.table import show
from metalmatrix.verdicts.report import cell_report
from tests.clone import ROOT
from tests.public import CELL, FACTS, SOUND, public
from tests.samples import HOSTILE, evidence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metalmatrix.reported.reports import Report
    from metalmatrix.verdicts.evidence import Evidence

READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def page(*reports: Report) -> str:
    """The page of these reports."""
    return render(score(reports, [], FACTS), reports, FACTS)


def under(text: str, title: str) -> str:
    """What stands under a title of the page."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_it_is_current() -> None:
    """docs/accuracy.md is what the data and the results of this clone give; else: run its first line."""
    assert (ROOT / PAGE).read_text(encoding="utf-8") == show.accuracy_page(), REGENERATE


def test_it_begins_with_what_makes_it() -> None:
    """The first line is the command, and the command is understood."""
    assert page().startswith(f"<!-- made by `{REGENERATE}`; do not edit -->\n")
    assert parser().parse_args(REGENERATE.split()[3:]).write


def test_every_observation_is_there_with_its_link() -> None:
    """Each report stands once in the comparison and once among the effects, under its own address."""
    text = show.accuracy_page()
    for report in load_reports():
        assert text.count(f"[{report.id}](<{report.source_url}>)") == 2


def test_a_disagreement_comes_first() -> None:
    """What was wrong is above what was right, and in the headline's number."""
    text = page(public(id="wrong", outcome="import-fails"), public(id="right", outcome="works"))
    assert "[wrong]" in under(text, "Disagreements")
    assert "[right]" in under(text, "Agreements")
    assert text.index("## Disagreements") < text.index("## Agreements")
    assert "agreed with 1 of 2 observations of imports (0 failed, 1 went well; 1 pair). 0 obs" in text
    assert "1 observation cannot be compared." in page(SOUND, public(metal=""))


def test_without_observations_it_says_so() -> None:
    """An empty page claims nothing."""
    assert "No observation of an import can be compared yet." in page()
    assert under(page(), "Agreements").strip() == under(page(), "Disagreements").strip() == "None."


@pytest.mark.parametrize(
    ("report", "row"),
    [
        (SOUND, "2.14.0, metal 1.1.0, Python 3.9-3.11 | likely, becomes degraded"),
        (public(outcome="fit-fails"), "Python 3.9-3.11 | likely, becomes broken at fit"),
        (public(outcome="works"), "Python 3.9-3.11 | stays likely"),
        (public(keras=">=3.7"), "| likely, becomes degraded, where its Keras is \\>=3.7 |"),
        (
            public(tf_dist="tensorflow", tf="2.18.1", date="2025-05"),
            "2.18.1, metal 1.1.0, Python 3.9-3.11 | stays broken at link | TensorFlow 2.18.1 or metal 1.1.0",
        ),
        (
            public(tf="2.12.0", metal="0.8.0", python=("3.10",)),
            "2.12.0, metal 0.8.0, Python 3.10 | likely, becomes degraded",
        ),
        (public(metal=""), "no cell | no change | TensorFlow 2.14.0 |"),
        (public(tf=""), "no cell | no change | metal 1.1.0 |"),
        (public(apple_silicon=False), "no cell | no change | none |"),
        (public(subtype="rosetta-avx"), "no cell | no change | TensorFlow 2.14.0 or metal 1.1.0 |"),
    ],
)
def test_what_a_report_does_is_told(report: Report, row: str) -> None:
    """For which cells it is evidence, what becomes of their verdict, and beside which others it is shown."""
    assert row in under(page(report), "What each report does to the verdicts")


@pytest.mark.parametrize("message", HOSTILE)
def test_what_others_wrote_is_text(message: str) -> None:
    """No text of a report is markup, and no address is a link unless it is one."""
    hostile = public(
        id=message, error=message, tf_dist=message, chip=message, confidence=message, source_url=message
    )
    tokens = [token for made in READER.parse(page(hostile)) for token in (made, *(made.children or ()))]
    types = {token.type for token in tokens}
    assert not types & {"link_open", "image", "html_inline", "code_block", "fence"}
    assert [token.content.strip() for token in tokens if token.type == "html_block"] == [HEADER]
    rows = [token.type for token in tokens].count("tr_open")
    assert rows == 4  # two tables, each with its head and the one report


class TestCommand:
    @pytest.fixture
    def clone(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """A clone without results."""
        monkeypatch.setattr(show, "default_results", lambda: Store(tmp_path / "results"))
        return tmp_path

    def test_it_prints_the_page(self, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Without an option it is shown, and nothing is written."""
        assert cli.main(["accuracy"]) == 0
        assert capsys.readouterr().out == show.accuracy_page()
        assert list(clone.iterdir()) == []

    def test_it_prints_json_alone(self, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With --json, standard output is the list of all observations."""
        assert clone.is_dir()
        assert cli.main(["accuracy", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [item["observation"] for item in found] == [report.id for report in load_reports()]

    def test_it_writes_the_page(self, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With --write the page of the clone is what is shown without."""
        (clone / "docs").mkdir()
        (clone / PAGE).write_text("stale", encoding="utf-8")
        assert cli.main(["accuracy", "--write"]) == 0
        assert (clone / PAGE).read_text(encoding="utf-8") == show.accuracy_page()
        assert capsys.readouterr() == ("", "  written: accuracy.md\n")

    def test_outside_of_a_clone_there_is_nothing_to_write(self, clone: Path) -> None:
        """In another project's folder no page is made: the error says what to type."""
        (clone / "docs").mkdir()
        with pytest.raises(UsageError, match=r"there is no docs/accuracy\.md here") as caught:
            show.write_accuracy()
        assert list((clone / "docs").iterdir()) == []
        assert caught.value.hint


class TestExplanation:
    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
        """What `explain` prints of a cell with this evidence."""

        def print_of(*found: Evidence, options: tuple[str, ...] = ()) -> str:
            item = cell_report(CELL, found, floor=None)
            monkeypatch.setattr("metalmatrix.verdicts.explain.Explainer.reports", lambda *_: [item])
            assert cli.main(["explain", CELL.id, *options]) == 0
            return capsys.readouterr().out

        return print_of

    def test_it_ends_with_the_score(self, told: Callable[..., str]) -> None:
        """Who reads what `linked` says reads how often it was right: the number of the page."""
        line = " ".join(told(evidence("linked", "ok", set="")).split("\n\n")[-1].split())
        assert line == show.current_score().line
        counted = re.search(r"agreed with .*\)", line)
        assert counted
        assert counted[0] in (ROOT / PAGE).read_text(encoding="utf-8").replace("`", "")

    def test_it_does_not_where_linked_says_nothing(self, told: Callable[..., str]) -> None:
        """Of a cell without a plugin nothing was foreseen, and JSON stays JSON."""
        assert "observations" not in told(evidence("resolved", "ok"))
        assert json.loads(told(evidence("linked", "ok", set=""), options=("--json",)))[0]["cell"] == CELL.id
