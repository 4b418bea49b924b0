"""A plugin that is an sdist only, from the question to the verdict: never built, and never broken by it."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.asking import asked
from metalmatrix.asking.explanation import Explained
from metalmatrix.asking.words import Query
from metalmatrix.cells.cell import Cell
from metalmatrix.published import compiled, releases
from metalmatrix.published.releases import Release, Sdist
from metalmatrix.resolving import resolve
from metalmatrix.resolving.question import Answer, Question
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.running.plan import resolved
from metalmatrix.table.terminal import print_lines
from metalmatrix.verdicts.observe import from_linked, from_resolved
from metalmatrix.verdicts.report import CellReport, cell_report
from metalmatrix.verdicts.verdict import verdict
from metalmatrix.wheels.wheel_facts import load_facts
from tests.samples import DAY, lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metalmatrix.verdicts.evidence import Evidence

NAME = "tensorflow-metal-plugin"
FITS = Cell.parse("py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1")
OTHER = Cell.parse("py3.12-tf2.20.0-tensorflow_metal_plugin-0.4.1")
OLD = Cell.parse("py3.11-tf2.15.0-tensorflow_metal_plugin-0.1.0")
SENTENCE = (
    "Because you require tensorflow==2.20.0 and tensorflow==2.21.*, your requirements are unsatisfiable."
)


def tensorflow(version: str, *more: str) -> Answer:
    """An answer that holds a TensorFlow."""
    return Answer("ok", lock(f"tensorflow=={version}", *more))


@pytest.fixture
def sdist(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes what the sdist of 0.4.1 declares."""
    published = releases.published

    def change(**fields: object) -> None:
        release = published(NAME)["0.4.1"]
        assert release.sdist is not None
        made = replace(release, sdist=replace(release.sdist, **fields))  # type: ignore[arg-type]
        monkeypatch.setattr(
            releases, "published", lambda name: {"0.4.1": made} if name == NAME else published(name)
        )

    return change


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[tuple[str, ...], Answer]:
    """The resolver's answers by requirements; what is not there fails."""
    known: dict[tuple[str, ...], Answer] = {
        ("tensorflow==2.21.0",): tensorflow("2.21.0", "numpy==2.3.5"),
        ("tensorflow==2.20.0",): tensorflow("2.20.0", "numpy==2.3.4"),
        ("tensorflow-macos==2.15.0",): Answer("ok", lock("tensorflow-macos==2.15.0", "numpy==1.26.4")),
        ("tensorflow==2.21.*",): tensorflow("2.21.0", "numpy==2.3.5"),
        ("tensorflow>=2.16",): tensorflow("2.21.0", "numpy==1.26.4"),
    }

    def ask(question: Question) -> Answer:
        return known.get(question.requirements, Answer("fails", None, SENTENCE, "tensorflow"))

    monkeypatch.setattr(resolve, "ask", ask)
    monkeypatch.setattr("metalmatrix.resolving.answers.cache_dir", lambda: tmp_path)
    monkeypatch.setattr(resolve, "load_answers", dict)
    return known


def told(cell: Cell, answer: Answer) -> list[Evidence]:
    """The evidence of a cell of which the resolver says that."""
    linked = from_linked(cell, load_facts())
    assert linked is not None
    return [from_resolved(resolved(answer), "pinned", DAY.isoformat()), linked]


class TestResolving:
    @pytest.mark.usefixtures("answers")
    def test_what_it_declares_takes_its_place(self) -> None:
        """The plugin itself is never asked for; its requirements can be met, and who compiles it is told."""
        answer = Resolver(DAY).answer(FITS, "pinned")
        assert answer.outcome == "ok"
        assert answer.lock == lock("tensorflow==2.21.0", "numpy==2.3.5")
        assert answer.message == (
            "the requirements that the sdist of tensorflow-metal-plugin 0.4.1 declares can be met "
            "(tensorflow==2.21.*); it is compiled on the Mac by whoever installs it"
        )
        assert resolved(answer).message == answer.message

    @pytest.mark.usefixtures("answers")
    def test_what_a_build_may_change_is_unknown(self) -> None:
        """A conflict with what it declares, where its build may declare otherwise, is no verdict."""
        answer = Resolver(DAY).answer(OTHER, "pinned")
        assert answer == Answer(
            "unknown",
            message="tensorflow-metal-plugin 0.4.1 declares tensorflow==2.21.*, and this is TensorFlow "
            "2.20.0; it is compiled on the Mac, and may declare otherwise then",
            blame="tensorflow",
        )
        assert resolved(answer).asked
        assert verdict(OTHER, told(OTHER, answer)).word == "unknown"

    @pytest.mark.usefixtures("answers")
    def test_what_a_build_must_keep_is_not_installable(self, sdist: Callable[..., None]) -> None:
        """A framework that is ruled out for good is a failure, and nothing is asked to know it."""
        sdist(dynamic=())
        answer = Resolver(DAY).answer(OTHER, "pinned")
        assert (answer.outcome, answer.blame) == ("fails", "tensorflow")
        assert answer.message == (
            "tensorflow-metal-plugin 0.4.1 declares tensorflow==2.21.*, and this is TensorFlow 2.20.0"
        )
        found = verdict(OTHER, told(OTHER, answer))
        assert (found.word, found.stage) == ("not-installable", "resolve")

    @pytest.mark.parametrize(("dynamic", "outcome"), [((), "fails"), (("requires-dist",), "unknown")])
    def test_what_only_the_resolver_knows_is_told_in_its_sentence(
        self,
        dynamic: tuple[str, ...],
        outcome: str,
        sdist: Callable[..., None],
        answers: dict[tuple[str, ...], Answer],
    ) -> None:
        """A conflict about another package is the resolver's to find, and to tell."""
        sdist(requires=("numpy<2",), dynamic=dynamic)
        answers["numpy<2",] = Answer("ok", lock("numpy==1.26.4"))
        answer = Resolver(DAY).answer(FITS, "pinned")
        doubt = "; it is compiled on the Mac, and may declare otherwise then" if dynamic else ""
        assert answer == Answer(
            outcome,  # type: ignore[arg-type]
            message="tensorflow-metal-plugin 0.4.1 declares numpy<2, which cannot be met in this cell"
            f"{doubt}: {SENTENCE}",
            blame="tensorflow",
        )

    @pytest.mark.usefixtures("answers")
    def test_releases_that_declare_the_same_are_told_apart(self) -> None:
        """One question answers for both, and each is told by its own version."""
        resolver = Resolver(DAY)
        for version in ("0.1.0", "0.1.1", "0.1.0"):
            answer = resolver.answer(replace(FITS, plugin=version), "plain")
            assert f"tensorflow-metal-plugin {version} " in answer.message

    @pytest.mark.usefixtures("answers")
    def test_a_day_before_it_was_published(self) -> None:
        """As of an earlier day there is no such sdist, whatever it declares: the index's dates tell."""
        answer = Resolver(dt.date(2026, 9, 21)).answer(FITS, "pinned")
        assert (answer.outcome, answer.message) == (
            "fails",
            "tensorflow-metal-plugin 0.4.1 was uploaded on 2026-09-22, after 2026-09-21",
        )
        assert Resolver(dt.date(2026, 9, 22)).answer(FITS, "pinned").outcome == "ok"

    def test_a_requirement_for_other_machines_rules_nothing_out(
        self, sdist: Callable[..., None], answers: dict[tuple[str, ...], Answer]
    ) -> None:
        """What has a marker only the resolver can weigh."""
        line = 'tensorflow==2.21.*; sys_platform == "linux"'
        sdist(requires=(line,))
        answers[line,] = Answer("ok", lock("numpy==2.3.4"))
        assert compiled.refusal(OTHER, DAY) is None
        assert Resolver(DAY).answer(OTHER, "plain").outcome == "ok"

    def test_a_framework_that_cannot_be_had_is_not_the_plugins_doing(
        self, answers: dict[tuple[str, ...], Answer]
    ) -> None:
        """Whatever the build declares: without the framework there is nothing to install."""
        del answers["tensorflow==2.21.0",]
        answer = Resolver(DAY).answer(FITS, "pinned")
        assert (answer.outcome, answer.message) == ("fails", SENTENCE)

    def test_requirements_that_nobody_can_meet(self, answers: dict[tuple[str, ...], Answer]) -> None:
        """What it declares cannot be had even alone: the same doubt, and nothing is asked together."""
        del answers["tensorflow==2.21.*",]
        assert Resolver(DAY).answer(FITS, "pinned").outcome == "unknown"

    @pytest.mark.parametrize(
        ("dynamic", "outcome"), [(("requires-dist",), "fails"), (("requires-python",), "unknown")]
    )
    @pytest.mark.usefixtures("answers")
    def test_a_python_that_it_does_not_take(
        self, sdist: Callable[..., None], dynamic: tuple[str, ...], outcome: str
    ) -> None:
        """Installers do not even fetch an sdist for another Python, unless only its build knows which."""
        sdist(requires_python=">=3.13", dynamic=dynamic)
        answer = Resolver(DAY).answer(FITS, "pinned")
        assert answer.outcome == outcome
        assert answer.message.startswith("tensorflow-metal-plugin 0.4.1 needs Python >=3.13")
        assert answer.blame == NAME

    def test_a_second_tensorflow_is_no_set(
        self, sdist: Callable[..., None], answers: dict[tuple[str, ...], Answer]
    ) -> None:
        """Both names install the same files: a set with two versions of TensorFlow is not the cell's."""
        sdist(requires=("keras-hub",))
        answers["keras-hub",] = tensorflow("2.21.0", "numpy==1.26.4")
        answer = Resolver(DAY).answer(replace(OLD, plugin="0.4.1"), "plain")
        assert answer.outcome == "unknown"
        assert answer.message.endswith(": tensorflow 2.21.0 would be installed over tensorflow-macos 2.15.0")

    @pytest.mark.usefixtures("answers")
    def test_a_requirement_of_one_name_rules_out_the_other(self) -> None:
        """A TensorFlow from 2.16 on is not to be had beside tensorflow-macos 2.15.0."""
        answer = Resolver(DAY).answer(OLD, "plain")
        assert answer.outcome == "unknown"
        assert "declares tensorflow>=2.16, and this is TensorFlow 2.15.0;" in answer.message

    def test_an_empty_wheel_stays_a_failure(
        self, sdist: Callable[..., None], answers: dict[tuple[str, ...], Answer]
    ) -> None:
        """Where the framework's own wheel is empty, no declaration is to blame."""
        sdist(requires=("numpy<2",))
        answers["tensorflow-macos==2.15.1",] = Answer("ok", lock("tensorflow-macos==2.15.1"))
        answers["numpy<2",] = Answer("ok", lock("numpy==1.26.4"))
        cell = Cell("3.11", "2.15.1", "0.4.1", "tensorflow-macos", NAME)
        answer = Resolver(DAY).answer(cell, "plain")
        assert answer.outcome == "fails"
        assert "is an empty wheel for macOS arm64" in answer.message

    def test_an_index_out_of_reach_stays_one(self, answers: dict[tuple[str, ...], Answer]) -> None:
        """That nobody could be asked is told as such, and not as a property of the sdist."""
        down = Answer("unknown", message="down", unreachable=True)
        answers["tensorflow==2.21.*",] = down
        assert Resolver(DAY).answer(FITS, "pinned") == down
        assert not resolved(down).asked

    def test_an_answer_that_blames_nobody_is_an_answer(self) -> None:
        """Where no package stands out in the derivation the plugin is named: it was asked."""
        assert compiled.judged(FITS, Answer("fails", None, "no"), DAY).blame == NAME

    @pytest.mark.usefixtures("answers")
    def test_what_only_an_extra_needs_is_not_told(self, sdist: Callable[..., None]) -> None:
        """Requirements of extras are for the resolver to leave out; the sentence leaves them out as well."""
        sdist(requires=('pytest>=8; extra == "test"',))
        assert compiled.requirements(FITS) == ('pytest>=8; extra == "test"',)
        assert "declares no requirements" in compiled.not_linked(FITS)

    def test_a_message_fits_its_record(self, sdist: Callable[..., None]) -> None:
        """However much is declared, and however long the derivation is, a record's line holds it."""
        sdist(requires=tuple(f"package-number-{n}>=1.0" for n in range(200)))
        answer = compiled.judged(FITS, Answer("fails", None, "because " * 400, "x"), DAY)
        assert len(answer.message) <= 2500

    def test_a_plugin_with_wheels_is_asked_for_itself(self) -> None:
        """The rules are for sdists: another plugin is a question by its own name, and no answer changes."""
        cell = Cell.parse("py3.11-tf2.15.1-metal1.1.0")
        assert compiled.requirements(cell) == ("tensorflow-metal==1.1.0",)
        failure = Answer("fails", None, "no", "x")
        assert compiled.judged(cell, failure, DAY) is failure
        assert (compiled.not_linked(cell), compiled.not_run(cell)) == ("", "")


class TestVerdict:
    def test_it_is_unknown_at_link_and_says_what_can_be_said(self) -> None:
        """What installs is *unknown* at link; the sentence tells what is known and what cannot be."""
        found = verdict(FITS, told(FITS, tensorflow("2.21.0")))
        assert (found.word, found.stage) == ("unknown", "link")
        assert found.message == (
            "tensorflow-metal-plugin 0.4.1 is an sdist, compiled on the Mac: whether its library loads, and "
            "what its kernels compute, cannot be known from here. It is compiled against the TensorFlow "
            "installed there, declares tensorflow==2.21.* and needs Python >=3.10; what it will link with, "
            "and the tools that compile it, are not declared; nobody ran it on a Mac"
        )

    def test_the_evidence_is_no_link_evidence_of_another_plugin(self) -> None:
        """A version that the other plugin has as well is not taken for that one's wheel."""
        evidence = from_linked(replace(FITS, plugin="0.1.0"), load_facts())
        assert evidence is not None
        assert (evidence.kind, evidence.outcome, evidence.stage) == ("linked", "unknown", "")
        assert evidence.source == "the published sdist's PKG-INFO"

    def test_an_sdist_that_was_not_read_is_unknown_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a wheel and without what an sdist declares, the reason is that no wheel is known."""
        bare = Release(NAME, "0.4.1", "2026-09-22", yanked=False, wheels=())
        published = releases.published
        monkeypatch.setattr(
            releases, "published", lambda name: {"0.4.1": bare} if name == NAME else published(name)
        )
        report = cell_report(FITS, told(FITS, tensorflow("2.21.0")), floor=None)
        assert report.verdict.word == "unknown"
        assert report.verdict.message == (
            "no wheel of tensorflow-metal-plugin 0.4.1 for Python 3.12 is known; nobody ran it on a Mac"
        )


def shown(*reports: CellReport) -> str:
    """The explanation as it reads, wherever its lines break."""
    stream = io.StringIO()
    query = Query(tuple(report.cell for report in reports), ())
    print_lines(asked.answer(query, reports, [Explained(report) for report in reports], load_facts()), stream)
    return " ".join(stream.getvalue().split())


class TestExplaining:
    @pytest.mark.usefixtures("answers")
    def test_what_is_known_and_what_cannot_be(self) -> None:
        """That it installs is said as far as it is known, and never that wheels satisfy it."""
        answer = Resolver(DAY).answer(FITS, "pinned")
        text = shown(cell_report(FITS, told(FITS, answer), floor=None))
        assert "It is not known whether it works: tensorflow-metal-plugin 0.4.1 is an sdist" in text
        assert f"As far as is known here: {answer.message}." in text
        assert "published wheels" not in text

    def test_releases_of_which_the_same_is_said_share_a_line(
        self, answers: dict[tuple[str, ...], Answer]
    ) -> None:
        """In a list the version stands in its own column, and not in what is said."""
        answers["tensorflow>=2.16",] = answers["tensorflow==2.21.*",]
        cells = [replace(FITS, plugin=version) for version in releases.published(NAME)]
        resolver = Resolver(DAY)
        text = shown(*(cell_report(c, told(c, resolver.answer(c, "pinned")), floor=None) for c in cells))
        assert f"{NAME} 0.1.0-{cells[-1].plugin} {NAME} is an sdist, compiled on the Mac" in text


def test_the_data_has_every_sdist_that_is_all_there_is() -> None:
    """Each release that can only be compiled is there with what it declares, back to the first."""
    found = releases.published(NAME)
    assert {*found} >= {"0.1.0", "0.1.1", "0.1.2", "0.2.0", "0.4.1"}
    assert all(release.sdist or release.wheels for release in found.values())
    assert found["0.4.1"].sdist == Sdist(
        "tensorflow_metal_plugin-0.4.1.tar.gz",
        "7ce3f583d679fc4fda2f0aec1ab497681c0faf986e12912028b5159ecfcf2bd7",
        283_141,
        ("tensorflow==2.21.*",),
        ">=3.10",
        ("requires-dist",),
    )
