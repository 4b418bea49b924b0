"""Asking uv: what it is asked, how what it wrote is read, and what an index out of reach is."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.resolving import ask as asking
from metalmatrix.resolving.ask import explain_failure, reason
from metalmatrix.resolving.question import Answer, Question
from metalmatrix.resolving.uv import Answer as Said

if TYPE_CHECKING:
    from collections.abc import Callable

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
            monkeypatch.setattr(asking, "run_uv", lambda *_, **__: Said(code, "", err))
            return asking.ask(QUESTION)

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

        monkeypatch.setattr(asking, "run_uv", run_uv)
        answer = asking.ask(QUESTION)
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

        monkeypatch.setattr(asking, "run_uv", run_uv)
        asking.ask(Question("3.9", ("tensorflow==2.9.0", "tensorflow-metal==1.1.0"), ("numpy<2",), DAY))
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
        asking.ask(Question("3.9", ("six",), (), DAY, platform="macos-x86_64"))
        line = " ".join(map(str, seen["arguments"]))  # type: ignore[call-overload]
        assert "--python-platform x86_64-apple-darwin " in line
        asking.ask(Question("3.9", ("six",), (), DAY, platform="linux-x86_64"))
        assert "--python-platform" not in seen["arguments"]  # type: ignore[operator]
