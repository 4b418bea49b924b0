"""What of resolving is pure: reading what uv wrote, what is asked and how often, and what is remembered."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix import resolve
from metalmatrix.cell import Cell
from metalmatrix.lock import Lock
from metalmatrix.resolve import Answer, Question, Resolver, explain_failure, held_framework, reason
from metalmatrix.uv import Answer as Said
from tests.samples import lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = dt.date(2026, 11, 20)
QUESTION = Question("3.11", ("tensorflow==2.15.1",), (), DAY)

# Recorded from uv 0.13.8, 2026-11-21, as `ask` calls it; host names taken out.
NO_WHEEL_FOR_THE_PYTHON = """\
error: No solution found when resolving dependencies
  cause: Because tensorflow-macos==2.12.0 has no wheels with a matching Python ABI tag (e.g., `cp312`) and you require tensorflow-macos==2.12.0, we can conclude that your requirements are unsatisfiable.

hint: You require CPython 3.12 (`cp312`), but we only found wheels for `tensorflow-macos` (v2.12.0) with the following Python ABI tags: `cp38`, `cp39`, `cp310`, `cp311`
"""  # noqa: E501 - as it was
WOULD_BE_BUILT = """\
error: No solution found when resolving dependencies
  cause: Because numpy>=1.19.2,<=1.19.5 has no usable wheels and only the following versions of numpy are available:
             numpy<=1.19.5
             numpy>1.20.dev0
         we can conclude that numpy>=1.19.2,<1.20.dev0 cannot be used.
         And because tensorflow-macos<=2.5.0 depends on numpy>=1.19.2,<1.20.dev0 and you require tensorflow-macos==2.5.0, we can conclude that your requirements are unsatisfiable.

hint: Wheels are required for `numpy` because building from source is disabled for all packages (i.e., with `--no-build`)
"""  # noqa: E501 - as it was
NO_SUCH_VERSION = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of tensorflow==2.99.0 and you require tensorflow==2.99.0, we can conclude that your requirements are unsatisfiable.
"""  # noqa: E501 - as it was
CONFLICT = """\
error: No solution found when resolving dependencies
  cause: Because tensorflow==2.20.0 depends on numpy>=1.26.0 and you require tensorflow==2.20.0, we can conclude that you require numpy>=1.26.0.
         And because you require numpy<1.20, we can conclude that your requirements are unsatisfiable.
"""  # noqa: E501 - as it was
NO_SUCH_PACKAGE = """\
error: No solution found when resolving dependencies
  cause: Because tensorflow-cpux was not found in the package registry and you require tensorflow-cpux, we can conclude that your requirements are unsatisfiable.
"""  # noqa: E501 - as it was
REFUSED = """\
error: Request failed after 3 retries in 8.6s
  cause: Failed to fetch: http://localhost:9/simple/tensorflow-macos/
  cause: error sending request for url (http://localhost:9/simple/tensorflow-macos/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
OFFLINE = """\
error: No solution found when resolving dependencies
  cause: Because tensorflow-macos was not found in the cache and you require tensorflow-macos==2.12.0, we can conclude that your requirements are unsatisfiable.

hint: Packages were unavailable because the network was disabled. When the network is disabled, registry packages may only be read from the cache.
"""  # noqa: E501 - as it was
# The same in the spelling of uv 0.9.
OLDER = """\
  \u00d7 No solution found when resolving dependencies:
  ╰─▶ Because there is no version of tensorflow==2.99.0 and you require tensorflow==2.99.0, we can conclude
      that your requirements are unsatisfiable.
"""


class TestExplaining:
    @pytest.mark.parametrize(
        ("stderr", "begins", "blame"),
        [
            (
                NO_WHEEL_FOR_THE_PYTHON,
                "Because tensorflow-macos==2.12.0 has no wheels with a matching Python ABI tag (e.g.,",
                "tensorflow-macos",
            ),
            (
                WOULD_BE_BUILT,
                "Because numpy>=1.19.2,<=1.19.5 has no usable wheels and only the following",
                "numpy",
            ),
            (
                NO_SUCH_VERSION,
                "Because there is no version of tensorflow==2.99.0 and you require tensorflow==2.99.0,",
                "tensorflow",
            ),
            (
                CONFLICT,
                "Because tensorflow==2.20.0 depends on numpy>=1.26.0 and you require tensorflow==2.20.0,",
                "tensorflow",
            ),
            (
                NO_SUCH_PACKAGE,
                "Because tensorflow-cpux was not found in the package registry",
                "tensorflow-cpux",
            ),
            (OLDER, "Because there is no version of tensorflow==2.99.0", "tensorflow"),
        ],
        ids=["python", "build", "version", "conflict", "package", "older uv"],
    )
    def test_the_sentence_and_whom_to_blame(self, stderr: str, begins: str, blame: str) -> None:
        """The resolver's own derivation on one line, and the package that it comes down to."""
        sentence, blamed = explain_failure(stderr)
        assert sentence.startswith(begins)
        assert blamed == blame

    def test_who_has_no_wheel_is_blamed_before_who_needs_it(self) -> None:
        """The derivation may begin with another package: the one without a wheel is to blame."""
        said = (
            "No solution found\n  cause: Because keras==1 depends on numpy==2 and numpy==2 has no wheels, no."
        )
        assert explain_failure(said)[1] == "numpy"

    def test_a_derivation_is_told_to_its_end(self) -> None:
        """Every line of it, in one line, and what uv advises."""
        sentence, _ = explain_failure(WOULD_BE_BUILT)
        assert sentence.startswith(
            "Because numpy>=1.19.2,<=1.19.5 has no usable wheels and only the following"
        )
        assert " available: numpy<=1.19.5 numpy>1.20.dev0 we can conclude that numpy" in sentence
        assert " hint: Wheels are required for `numpy` because building from source is disabled" in sentence
        assert explain_failure(CONFLICT)[0] == (
            "Because tensorflow==2.20.0 depends on numpy>=1.26.0 and you require tensorflow==2.20.0, we can "
            "conclude that you require numpy>=1.26.0. And because you require numpy<1.20, we can conclude "
            "that your requirements are unsatisfiable."
        )

    def test_extras_are_no_part_of_a_name(self) -> None:
        """A package is blamed by its name alone."""
        said = "No solution found\n  cause: Because keras[x]>=3 has no wheels, no."
        assert explain_failure(said)[1] == "keras"

    def test_an_address_is_not_told(self) -> None:
        """Which index was asked is nobody's business but that of who asked."""
        said = "No solution found\n  cause: Because x was not found at https://user:secret@host/simple, no."
        assert "secret" not in explain_failure(said)[0]
        assert "host" not in explain_failure(said)[0]

    @given(st.text(max_size=200))
    def test_anything_uv_may_write_is_read(self, text: str) -> None:
        """Whatever is written, one bounded line comes of it, and a name or none."""
        sentence, blame = explain_failure("No solution found\n" + text)
        assert len(sentence) <= 2000
        assert "\n" not in sentence
        assert not set(blame) - set("abcdefghijklmnopqrstuvwxyz0123456789._-")


class TestReason:
    def test_the_causes_stand_in_a_row_without_addresses(self) -> None:
        """From what happened to why, on one line."""
        assert reason(REFUSED) == (
            "Request failed after 3 retries in 8.6s: Failed to fetch: (address): error sending request for "
            "url (address): client error (Connect): tcp connect error: Connection refused (os error 111)"
        )

    def test_nothing_is_nothing(self) -> None:
        """An empty text gives an empty reason."""
        assert reason("") == ""

    def test_it_is_bounded(self) -> None:
        """A flood is cut."""
        assert len(reason("error: x\n" * 10_000)) <= 500


class TestAsking:
    @pytest.fixture
    def said(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None, str], Answer]:
        """Asks with a uv that ends like this."""

        def ask(code: int | None, err: str) -> Answer:
            monkeypatch.setattr(resolve, "run_uv", lambda *_, **__: Said(code, "", err))
            return resolve.ask(QUESTION)

        return ask

    def test_a_refusal_is_a_failure(self, said: Callable[[int | None, str], Answer]) -> None:
        """The answer was no: that is known, and says why."""
        answer = said(1, NO_SUCH_VERSION)
        assert (answer.outcome, answer.blame, answer.unreachable) == ("fails", "tensorflow", False)

    @pytest.mark.parametrize(
        ("code", "err"), [(2, REFUSED), (1, OFFLINE), (None, "uv did not answer within 120 s")]
    )
    def test_an_index_out_of_reach_is_unknown(
        self, code: int | None, err: str, said: Callable[[int | None, str], Answer]
    ) -> None:
        """What could not be asked is unknown, never a failure, and holds no address."""
        answer = said(code, err)
        assert (answer.outcome, answer.unreachable) == ("unknown", True)
        assert answer.message.startswith("the package index could not be asked: ")
        assert "localhost" not in answer.message

    def test_another_error_of_uv_is_unknown(self, said: Callable[[int | None, str], Answer]) -> None:
        """An error that is no answer says nothing of the cell, and the index was not to blame."""
        answer = said(2, "error: unexpected argument '--x' found")
        assert (answer.outcome, answer.unreachable) == ("unknown", False)
        assert answer.message == "the resolver failed: unexpected argument '--x' found"

    def test_a_lock_that_is_not_understood_is_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A uv that writes another format is told, and nothing is guessed."""

        def run_uv(arguments: list[str], **_: object) -> Said:
            output = arguments[arguments.index("--output-file") + 1]
            with open(output, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write('[[packages]]\nname = "six"\n')
            return Said(0, "", "")

        monkeypatch.setattr(resolve, "run_uv", run_uv)
        answer = resolve.ask(QUESTION)
        assert answer.outcome == "unknown"
        assert answer.message.startswith("the resolver's lock is not understood: ")

    def test_uv_is_asked_for_macos_wheels_of_the_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The requirements and bounds of the question, for macOS arm64, wheels only, up to the day's end."""
        seen: dict[str, object] = {}

        def run_uv(arguments: list[str], env: dict[str, str]) -> Said:
            seen["arguments"], seen["env"] = arguments, env
            for key, at in (("wanted", 2), ("bounds", 4)):
                with open(arguments[at], encoding="utf-8") as file:  # noqa: PTH123
                    seen[key] = file.read()
            return Said(1, "", NO_SUCH_VERSION)

        monkeypatch.setattr(resolve, "run_uv", run_uv)
        resolve.ask(Question("3.9", ("tensorflow==2.9.0", "tensorflow-metal==1.1.0"), ("numpy<2",), DAY))
        assert seen["wanted"] == "tensorflow==2.9.0\ntensorflow-metal==1.1.0"
        assert seen["bounds"] == "numpy<2"
        line = " ".join(map(str, seen["arguments"])) + " "  # type: ignore[call-overload]
        for option in (
            "--only-binary :all: ",
            "--python-platform aarch64-apple-darwin ",
            "--python-version 3.9 ",
            "--exclude-newer 2026-11-20T23:59:59Z ",
        ):
            assert option in line
        assert seen["env"] == {"MACOSX_DEPLOYMENT_TARGET": "13.0"}


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
    monkeypatch.setattr(resolve, "cache_dir", lambda: tmp_path)
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
        assert "tensorflow==2.15.1 tensorflow-metal==1.1.0" not in index.requirements

    def test_what_disagrees_is_asked_together(self, index: Index) -> None:
        """One shared package in two versions: only the resolver can say what both would take."""
        index.knows("tensorflow==2.15.1", "tensorflow==2.15.1", "six==1.16.0")
        index.knows("tensorflow-metal==1.1.0", "tensorflow-metal==1.1.0", "six==1.17.0")
        index.knows("tensorflow==2.15.1 tensorflow-metal==1.1.0", "tensorflow==2.15.1", "six==1.16.0")
        answer = Resolver(DAY).answer(PLUGIN, "plain")
        assert answer.lock == lock("six==1.16.0", "tensorflow==2.15.1")
        assert "tensorflow==2.15.1 tensorflow-metal==1.1.0" in index.requirements

    def test_what_fails_together_fails(self, index: Index) -> None:
        """Each alone can be had, and both at once cannot."""
        index.knows("tensorflow==2.15.1", "tensorflow==2.15.1", "six==1.16.0")
        index.knows("tensorflow-metal==1.1.0", "tensorflow-metal==1.1.0", "six==1.17.0")
        assert Resolver(DAY).answer(PLUGIN, "plain").outcome == "fails"

    def test_a_plugin_that_breaks_a_bound_is_asked_together(self, index: Index) -> None:
        """The plugin alone is asked for without bounds: where its set breaks one, both are asked under it."""
        index.knows("tensorflow==2.15.1", "tensorflow==2.15.1")
        index.knows("tensorflow-metal==1.1.0", "tensorflow-metal==1.1.0", "setuptools==82.0.0")
        index.knows("tensorflow==2.15.1 tensorflow-metal==1.1.0", "tensorflow==2.15.1", "setuptools==81.0.0")
        resolver = Resolver(DAY)
        pinned, plain = (resolver.answer(PLUGIN, which).lock for which in ("pinned", "plain"))
        assert isinstance(pinned, Lock)
        assert isinstance(plain, Lock)
        assert (pinned.versions["setuptools"], plain.versions["setuptools"]) == ("81.0.0", "82.0.0")
        together = [q for q in index.asked if len(q.requirements) == 2]
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
    def test_every_part_of_a_question_is_in_its_name(self, other: Question) -> None:
        """Two questions that differ anywhere are remembered apart."""
        assert other.key != QUESTION.key
        assert Question("3.11", ("tensorflow==2.15.1",), (), DAY).key == QUESTION.key


def test_progress_is_told_now_and_then(index: Index) -> None:
    """Whoever waits hears how many questions are asked, and always the last."""
    told: list[str] = []
    cells = [
        Cell.parse(f"py3.{minor}-tf2.17.{patch}-nometal") for minor in (9, 10, 11, 12) for patch in (0, 1)
    ]
    Resolver(DAY).resolve(cells, told.append)
    assert told == ["asked the resolver 10 of 16 questions", "asked the resolver 16 of 16 questions"]
    assert len(index.asked) == 16
