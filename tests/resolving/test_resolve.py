"""Resolving: what is asked and how often, how two answers become one, and what is remembered."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.resolving import answers, resolve
from metalmatrix.resolving.lock import Lock
from metalmatrix.resolving.question import Answer, Question
from metalmatrix.resolving.resolve import Resolver, held_framework
from tests.samples import lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = dt.date(2026, 11, 20)
QUESTION = Question("3.11", ("tensorflow==2.15.1",), (), DAY)
TOGETHER = "tensorflow==2.15.1 six>=1.15.0 wheel~=0.35"
"""The framework with what `tensorflow-metal` 1.1.0 requires."""


class Index:
    """An index that knows some answers; every question that is asked of it is noted."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.answers: dict[tuple[str, ...], Answer] = {}

    def knows(self, requirements: str, *pins: str) -> None:
        """That these requirements are answered with these pins."""
        self.answers[tuple(requirements.split())] = Answer("ok", lock(*pins))

    def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        return self.answers.get(question.requirements, Answer("fails", None, "no such thing", "x"))

    @property
    def requirements(self) -> list[str]:
        """The requirements of the questions, in order."""
        return sorted(" ".join(question.requirements) for question in self.asked)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Index:
    """An index instead of uv, and an empty cache."""
    made = Index()
    monkeypatch.setattr(resolve, "ask", made)
    monkeypatch.setattr(resolve, "load_answers", dict)
    monkeypatch.setattr(answers, "cache_dir", lambda: tmp_path)
    return made


PLUGIN = Cell.parse("py3.11-tf2.15.1-metal1.1.0")
FREE = Cell.parse("py3.11-tf2.21.0-nometal")
"""No repair applies to it: both of its sets are one question."""


class TestUnion:
    def test_what_agrees_is_not_asked_together(self, index: Index) -> None:
        """Framework and plugin that agree about all they share are one set, without a third question."""
        index.knows("tensorflow==2.15.1", "tensorflow==2.15.1", "six==1.17.0")
        index.knows("tensorflow-metal==1.1.0", "tensorflow-metal==1.1.0", "six==1.17.0")
        answer = Resolver(DAY).answer(PLUGIN, "plain")
        assert answer.lock == lock("six==1.17.0", "tensorflow==2.15.1", "tensorflow-metal==1.1.0")
        assert TOGETHER not in index.requirements

    def test_what_disagrees_is_asked_together(self, index: Index) -> None:
        """One shared package in two versions: only the resolver can say what both would take."""
        index.knows("tensorflow==2.15.1", "tensorflow==2.15.1", "six==1.16.0")
        index.knows("tensorflow-metal==1.1.0", "tensorflow-metal==1.1.0", "six==1.17.0")
        index.knows(TOGETHER, "tensorflow==2.15.1", "six==1.16.0")
        answer = Resolver(DAY).answer(PLUGIN, "plain")
        assert answer.lock == lock("six==1.16.0", "tensorflow==2.15.1", "tensorflow-metal==1.1.0")
        assert TOGETHER in index.requirements

    def test_what_fails_together_fails(self, index: Index) -> None:
        """Each alone can be had, and both at once cannot."""
        index.knows("tensorflow==2.15.1", "tensorflow==2.15.1", "six==1.16.0")
        index.knows("tensorflow-metal==1.1.0", "tensorflow-metal==1.1.0", "six==1.17.0")
        assert Resolver(DAY).answer(PLUGIN, "plain").outcome == "fails"

    def test_a_plugin_that_breaks_a_bound_is_asked_together(self, index: Index) -> None:
        """The plugin alone is asked for without bounds: where its set breaks one, both are asked under it."""
        index.knows("tensorflow==2.15.1", "tensorflow==2.15.1")
        index.knows("tensorflow-metal==1.1.0", "tensorflow-metal==1.1.0", "setuptools==82.0.0")
        index.knows(TOGETHER, "tensorflow==2.15.1", "setuptools==81.0.0")
        resolver = Resolver(DAY)
        pinned, plain = (resolver.answer(PLUGIN, which).lock for which in ("pinned", "plain"))
        assert isinstance(pinned, Lock)
        assert isinstance(plain, Lock)
        assert (pinned.versions["setuptools"], plain.versions["setuptools"]) == ("81.0.0", "82.0.0")
        together = [q for q in index.asked if len(q.requirements) == 3]
        assert [q.bounds for q in together] == [("setuptools<82",)]

    def test_the_part_that_fails_is_told(self, index: Index) -> None:
        """A plugin without wheels fails the cell in its own words, and nothing is asked together."""
        index.knows("tensorflow==2.15.1", "tensorflow==2.15.1")
        answer = Resolver(DAY).answer(PLUGIN, "plain")
        assert (answer.outcome, answer.message) == ("fails", "no such thing")
        assert all(len(q.requirements) == 1 for q in index.asked)

    def test_each_question_is_asked_once(self, index: Index) -> None:
        """Many cells are few questions: the plugin is asked for once for all frameworks of a Python."""
        ids = [
            f"py3.11-tf{tf}-{plugin}" for tf in ("2.15.1", "2.16.2") for plugin in ("nometal", "metal1.1.0")
        ]
        index.knows("tensorflow-metal==1.1.0", "tensorflow-metal==1.1.0")
        for version in ("2.15.1", "2.16.2"):
            index.knows(f"tensorflow=={version}", f"tensorflow=={version}")
        resolver = Resolver(DAY)
        cells = list(map(Cell.parse, ids))
        resolver.resolve(cells)
        for cell in cells:
            for which in ("pinned", "plain"):
                assert resolver.answer(cell, which).outcome == "ok"
        assert len(index.asked) == len(set(index.asked)) == 2 * 2 + 1


class TestBinaries:
    def test_a_set_without_a_tensorflow_is_a_failure(self, index: Index) -> None:
        """An empty wheel that requires itself resolves, and there is no TensorFlow in the set."""
        index.knows("tensorflow-macos==2.15.1", "tensorflow-macos==2.15.1")
        cell = Cell("3.11", "2.15.1", "none", "tensorflow-macos")
        answer = Resolver(DAY).answer(cell, "plain")
        assert (answer.outcome, answer.blame) == ("fails", "tensorflow-macos")
        assert answer.message == (
            "it resolves, but tensorflow-macos 2.15.1 is an empty wheel for macOS arm64: no TensorFlow is in "
            "the set; tensorflow==2.15.1 holds the binaries"
        )

    def test_an_empty_wheel_that_brings_the_real_one_is_fine(self, index: Index) -> None:
        """The other name's wheel holds the binaries: the set has a TensorFlow."""
        index.knows("tensorflow-macos==2.16.2", "tensorflow-macos==2.16.2", "tensorflow==2.16.2")
        answer = Resolver(DAY).answer(Cell("3.11", "2.16.2", "none", "tensorflow-macos"), "plain")
        assert answer.outcome == "ok"
        assert answer.lock is not None
        assert held_framework(answer.lock) == ("tensorflow", "2.16.2")

    def test_a_release_that_is_not_known_yet_is_believed(self) -> None:
        """What was published after the data was written may well hold binaries."""
        assert held_framework(lock("tensorflow==99.0")) == ("tensorflow", "99.0")
        assert held_framework(lock("six==1.17.0")) is None


class TestRemembering:
    def answer(self, *, fresh: bool = False) -> Answer:
        """The answer of a new process."""
        return Resolver(DAY, fresh=fresh).answer(FREE, "plain")

    @pytest.fixture(autouse=True)
    def known(self, index: Index) -> None:
        """An index that knows the framework."""
        index.knows("tensorflow==2.21.0", "tensorflow==2.21.0")

    def test_an_answer_is_remembered(self, index: Index) -> None:
        """A second process asks nothing."""
        first = self.answer()
        assert self.answer() == first
        assert len(index.asked) == 1

    def test_a_refusal_is_remembered_too(self, index: Index) -> None:
        """That there is none of it is an answer."""
        index.answers.clear()
        first = self.answer()
        assert (first.outcome, first.message) == ("fails", "no such thing")
        assert self.answer() == first
        assert len(index.asked) == 1

    def test_fresh_asks_again(self, index: Index) -> None:
        """`--fresh` believes no cache."""
        self.answer()
        self.answer(fresh=True)
        assert len(index.asked) == 2

    @pytest.mark.parametrize(
        "change",
        [
            lambda _: "",
            lambda _: "[]",
            lambda _: "\x00",
            lambda text: text[:-20],
            lambda text: text.replace("2.21.0", "2.20.0", 1),
            lambda text: text.replace('"ok"', '"unknown"'),
            lambda text: text.replace('"ok"', '"fails"'),
            lambda text: text.replace('"ok"', '["ok"]'),
            lambda text: text.replace('"message": ""', '"message": 5'),
            lambda text: json.dumps({**json.loads(text), "lock": None}),
            lambda text: json.dumps({**json.loads(text), "lock": [{"name": "x"}]}),
            lambda text: json.dumps({**json.loads(text), "lock": 5}),
        ],
    )
    def test_a_damaged_answer_is_asked_again(
        self, change: Callable[[str], str], index: Index, tmp_path: Path
    ) -> None:
        """A file that is not what was written is not believed, and is written anew."""
        first = self.answer()
        (path,) = (tmp_path / "answers").iterdir()
        sound = path.read_text(encoding="utf-8")
        path.write_text(change(sound), encoding="utf-8")
        assert path.read_text(encoding="utf-8") != sound
        assert self.answer() == first
        assert len(index.asked) == 2
        assert path.read_text(encoding="utf-8") == sound

    def test_another_index_is_another_question(self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        """An answer is of the index that was asked."""
        self.answer()
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://localhost:9/simple")
        self.answer()
        assert len(index.asked) == 2

    def test_a_day_that_is_not_over_is_not_remembered(self, index: Index) -> None:
        """Uploads of the day may still come, so the same question is asked again."""
        today = dt.datetime.now(dt.timezone.utc).date()
        for _ in range(2):
            Resolver(today).answer(FREE, "plain")
        assert len(index.asked) == 2

    def test_an_index_out_of_reach_is_asked_once_and_not_remembered(
        self, index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """After the first question without an answer the others wait for nothing; nothing is written."""
        index.answers[("tensorflow==2.21.0",)] = Answer("unknown", message="down", unreachable=True)
        monkeypatch.setattr(resolve, "WORKERS", 1)
        resolver = Resolver(DAY)
        resolver.resolve([FREE, Cell.parse("py3.12-tf2.21.0-nometal")])
        assert len(index.asked) == 1
        assert resolver.unreachable == "down"
        assert [resolver.answer(FREE, which).outcome for which in ("pinned", "plain")] == ["unknown"] * 2
        assert not (tmp_path / "answers").exists()

    @pytest.mark.parametrize(
        "other",
        [
            Question("3.10", ("tensorflow==2.15.1",), (), DAY),
            Question("3.11", ("tensorflow==2.15.0",), (), DAY),
            Question("3.11", ("tensorflow==2.15.1",), ("numpy<2",), DAY),
            Question("3.11", ("tensorflow==2.15.1",), (), dt.date(2026, 11, 19)),
            Question("3.11", ("tensorflow==2.15.1",), (), DAY, ("numpy==1.26.4",)),
            Question("3.11", ("tensorflow==2.15.1",), (), DAY, (), "linux-x86_64"),
        ],
    )
    def test_every_part_of_a_question_is_in_its_name(
        self, other: Question, index: Index, tmp_path: Path
    ) -> None:
        """Two questions that differ anywhere are remembered apart."""
        resolver = Resolver(DAY)
        resolver.ask_all([QUESTION])
        resolver.ask_all([other])
        assert len(list((tmp_path / "answers").iterdir())) == 2
        Resolver(DAY).ask_all([QUESTION, other])
        assert len(index.asked) == 2

    def test_what_ships_is_not_asked(self, index: Index, tmp_path: Path) -> None:
        """An answer of the data is taken as it is, and leaves nothing in the user's cache; fresh asks."""
        shipped = {Question("3.11", ("tensorflow==2.21.0",), (), DAY): Answer("fails", None, "no", "x")}
        assert Resolver(DAY, known=shipped).answer(FREE, "plain").message == "no"
        assert not index.asked
        assert not (tmp_path / "answers").exists()
        assert Resolver(DAY, fresh=True, known=shipped).answer(FREE, "plain").outcome == "ok"

    def test_another_day_is_another_question(self, index: Index) -> None:
        """What ships is as of its own day, and no other's."""
        shipped = {Question("3.11", ("tensorflow==2.21.0",), (), DAY): Answer("fails", None, "no", "x")}
        other = Resolver(dt.date(2026, 11, 19), known=shipped)
        assert other.answer(FREE, "plain").outcome == "ok"
        assert len(index.asked) == 1


def test_what_cannot_be_had_plain_is_not_asked_under_bounds(index: Index) -> None:
    """Bounds only take versions away: a refusal holds for the pinned set as well."""
    cell = Cell.parse("py3.11-tf2.15.1-nometal")
    resolver = Resolver(DAY)
    assert {resolver.answer(cell, which).outcome for which in ("pinned", "plain")} == {"fails"}
    assert [question.bounds for question in index.asked] == [()]


def test_plugins_that_require_the_same_are_one_question(index: Index) -> None:
    """1.1.0 and 1.2.0 ask for the same packages: together with a framework they are resolved once."""
    index.knows("tensorflow==2.15.1", "tensorflow==2.15.1", "six==1.16.0")
    for version in ("1.1.0", "1.2.0"):
        index.knows(f"tensorflow-metal=={version}", f"tensorflow-metal=={version}", "six==1.17.0")
    index.knows(TOGETHER, "tensorflow==2.15.1", "six==1.16.0")
    resolver = Resolver(DAY)
    for version in ("1.1.0", "1.2.0"):
        made = resolver.answer(Cell.parse(f"py3.11-tf2.15.1-metal{version}"), "plain").lock
        assert made is not None
        assert made.versions["tensorflow-metal"] == version
    assert len([q for q in index.asked if len(q.requirements) == 3 and not q.bounds]) == 1


def test_progress_is_told_now_and_then(index: Index) -> None:
    """Whoever waits hears how many questions are asked, and always the last."""
    told: list[str] = []
    cells = [Cell.parse(f"py3.{minor}-tf2.17.{patch}-nometal") for minor in range(8, 14) for patch in (0, 1)]
    Resolver(DAY).resolve(cells, told.append)
    assert told == ["asked the resolver 10 of 12 questions", "asked the resolver 12 of 12 questions"]
    assert len(index.asked) == 12
