"""The answers that ship: they read back as written, hostile data is refused, and none is missing."""

from __future__ import annotations

import datetime as dt
import json
from itertools import product
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells import history, matrix_file
from metalmatrix.cells.cell import CONDA_FORGE, is_version
from metalmatrix.errors import IndexUnreachableError, MatrixError
from metalmatrix.published import releases
from metalmatrix.published.compiled import sdist_of
from metalmatrix.resolving import answer_update, answers
from metalmatrix.resolving.answers import answered_as_of, dump_answers, load_answers, parse_answers
from metalmatrix.resolving.question import Answer, Question
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.verdicts.evidence import SETS
from tests.samples import lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DAY = dt.date(2026, 11, 20)
KNOWN: Mapping[Question, Answer] = {
    Question("3.11", ("b==2.0",), (), DAY): Answer("ok", lock("b==2.0", "six==1.17.0")),
    Question("3.9", ("b==10.0",), ("six<1.17",), DAY): Answer("ok", lock("b==10.0", "six==1.16.0")),
    Question("3.10", ("b==10.0",), (), DAY): Answer("fails", None, "Because <b> & [red]", "b"),
    Question("3.9", ("b==2.0",), (), DAY, platform="macos-x86_64"): Answer("fails", None, "no", "b"),
}


class TestFile:
    def test_it_reads_back(self) -> None:
        """Each answer, each lock and each sentence comes back as it was."""
        assert parse_answers(dump_answers(KNOWN, DAY)) == KNOWN

    def test_it_is_in_order(self) -> None:
        """By release, then by Python, both as versions: the same answers are the same bytes."""
        text = dump_answers(dict(reversed(tuple(KNOWN.items()))), DAY)
        assert text == dump_answers(KNOWN, DAY)
        entries = [json.loads(line) for line in text.splitlines()]
        assert [(e["requirements"], e["python"]) for e in entries if "python" in e] == [
            (["b==2.0"], "3.11"),
            (["b==10.0"], "3.9"),
            (["b==10.0"], "3.10"),
            (["b==2.0"], "3.9"),
        ]
        assert [e["name"] for e in entries if "package" in e] == ["b", "b", "six", "six"]

    def test_what_is_unknown_or_of_another_day_is_left_out(self) -> None:
        """Only answers ship, and only those of the day that the header names."""
        more = {
            Question("3.12", ("b==2.0",), (), DAY): Answer("unknown", message="down"),
            Question("3.11", ("b==2.0",), (), dt.date(2026, 1, 1)): Answer("fails", None, "no", "b"),
        }
        assert dump_answers({**KNOWN, **more}, DAY) == dump_answers(KNOWN, DAY)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"schema": 1', '"schema": 2'),
            ('"as_of": "2026-11-20"', '"as_of": "yesterday"'),
            ('{"package": 1', '{"package": 7'),
            ('"lock": "0 3"', '"lock": "0 9"'),
            ('"lock": "0 3"', '"lock": "0-99999999999999"'),
            ('"lock": "0 3"', '"lock": 7'),
            ('"lock": "0 3"', '"luck": ""'),
            ("b-2.0-py3", "../../b-2.0-py3"),
            ('"name": "b"', '"name": "-r evil"'),
            ('"requirements": ["b==2.0"]', '"requirements": 5'),
            ('{"python": "3.11"', "[" * 5000),
        ],
    )
    def test_damage_is_named(self, old: str, new: str) -> None:
        """A line that is not what was written is an error with its number, or the schema's."""
        text = dump_answers(KNOWN, DAY)
        assert old in text
        with pytest.raises(MatrixError, match=r"answers\.jsonl"):
            parse_answers(text.replace(old, new, 1))

    def test_an_empty_file_is_damaged(self) -> None:
        """Nothing at all is no data file."""
        with pytest.raises(MatrixError, match="line 1"):
            parse_answers("")


class TestShipped:
    def test_it_is_what_would_be_written(self) -> None:
        """The file is in its own order, with no line that nothing refers to."""
        text = answers.DATA.read_text(encoding="utf-8")
        assert dump_answers(load_answers(), answered_as_of()) == text

    def test_it_is_of_the_matrix_s_day(self) -> None:
        """One command, `update --force`, brings it to another day when the matrix moves."""
        assert answered_as_of() == matrix_file.load().as_of

    def test_every_cell_is_answered_without_asking(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No cell of the history or of the matrix needs the index, in either set, and no answer is idle.

        But for those of a conda channel, of which none ships.
        """

        def ask(question: Question) -> Answer:
            raise AssertionError(f"{question} is not in the data: {releases.REGENERATE}")

        monkeypatch.setattr("metalmatrix.resolving.resolve.ask", ask)
        monkeypatch.setattr("metalmatrix.resolving.resolve.recall", lambda _: None)
        resolver = Resolver(answered_as_of())
        cells = (*history.cells(), *history.cells("x86_64"), *history.litert(), *matrix_file.load().cells)
        cells = tuple(cell for cell in cells if cell.route != CONDA_FORGE)
        resolver.resolve(cells)
        outcomes = {
            (resolver.answer(cell, which).outcome, bool(sdist_of(cell))) for cell in cells for which in SETS
        }
        assert outcomes == {*product(("ok", "fails"), (False, True)), ("unknown", True)}
        assert resolver.answers.keys() == load_answers().keys()

    def test_it_holds_no_address(self) -> None:
        """File names and hashes, never where a file comes from."""
        assert "://" not in answers.DATA.read_text(encoding="utf-8")


class Index:
    """A resolver's answers for the update: the first package in a version that can be moved."""

    def __init__(self, six: str = "1.17.0", *, down: bool = False) -> None:
        self.six = six
        self.down = down
        self.asked = 0

    def __call__(self, question: Question) -> Answer:
        self.asked += 1
        if self.down:
            return Answer("unknown", message="down", unreachable=True)
        name, _, version = question.requirements[0].partition("==")
        if name == "tensorflow-metal" or question.python != "3.11" or not is_version(version):
            return Answer("fails", None, f"no wheel of {name}", name)
        return Answer("ok", lock(question.requirements[0], f"six=={self.six}"))


class TestUpdate:
    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where the data is to be, and an empty cache."""
        monkeypatch.setattr(answers, "cache_dir", lambda: tmp_path / "cache")
        return tmp_path / "answers.jsonl"

    def regenerate(
        self,
        path: Path,
        index: Index,
        monkeypatch: pytest.MonkeyPatch,
        *,
        force: bool = True,
        day: dt.date = DAY,
    ) -> str:
        """One update."""
        monkeypatch.setattr("metalmatrix.resolving.resolve.ask", index)
        return answer_update.regenerate(day, (), lambda _: None, force=force, path=path)

    def test_it_is_shown_and_written_with_force_only(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first time everything is new; without force nothing is written."""
        told = self.regenerate(path, Index(), monkeypatch, force=False)
        assert "+ Python 3.11: tensorflow==2.15.1: 2 packages\n" in told
        assert "+ Python 3.12: tensorflow==2.15.1: fails: no wheel of tensorflow\n" in told
        assert not path.exists()
        assert self.regenerate(path, Index(), monkeypatch) == told
        assert parse_answers(path.read_text(encoding="utf-8"))

    def test_what_is_known_is_not_asked(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A second time nothing is asked and nothing is new."""
        self.regenerate(path, Index(), monkeypatch)
        before, index = path.read_bytes(), Index("1.18.0")
        assert self.regenerate(path, index, monkeypatch) == ""
        assert (index.asked, path.read_bytes()) == (0, before)

    def test_another_day_is_asked_and_told_by_what_moved(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The diff names the packages that moved, not the questions that have another day."""
        self.regenerate(path, Index(), monkeypatch)
        told = self.regenerate(path, Index("1.18.0"), monkeypatch, day=DAY - dt.timedelta(1))
        assert "~ Python 3.11: tensorflow==2.15.1: six 1.17.0 -> 1.18.0\n" in told
        assert "~ the day: 2026-11-20 -> 2026-11-19\n" in told
        assert "Python 3.12: tensorflow==2.15.1" not in told

    def test_an_index_out_of_reach_changes_nothing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A half-asked data file is never written."""
        self.regenerate(path, Index(), monkeypatch)
        before = path.read_bytes()
        with pytest.raises(IndexUnreachableError, match="down"):
            self.regenerate(path, Index(down=True), monkeypatch, day=dt.date(2026, 1, 1))
        assert path.read_bytes() == before
