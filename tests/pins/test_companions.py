"""Companions: found with few questions, by real resolutions on a small index, and what drags is named."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from metalmatrix import cli
from metalmatrix.errors import UsageError
from metalmatrix.pins import companions
from metalmatrix.resolving import answers
from metalmatrix.resolving.question import Answer, Question
from metalmatrix.running.results import Store
from tests.fake_index import FakeIndex, FakeWheel
from tests.pins.made import item
from tests.samples import LINUX, lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from metalmatrix.verdicts.report import CellReport

DAY = dt.date(2026, 11, 20)
FRAMEWORKS = ("2.19.1", "2.18.1", "2.18.0", "2.17.1", "2.17.0", "2.16.1")
CANDIDATES = [item(f"py3.11-tf{version}-metal1.2.0", "likely") for version in FRAMEWORKS]


class TestParse:
    def test_a_companion_is_a_name_with_versions_or_without(self) -> None:
        """Spelled as the index spells it; named twice, the last counts."""
        found = companions.parse(["Keras_Hub>=0.20", "tensorflow-text", "keras-hub[x]==0.21"])
        assert [str(one) for one in found] == ["keras-hub[x]==0.21", "tensorflow-text"]

    @pytest.mark.parametrize(
        ("typed", "why"),
        [
            ("", "names no package"),
            ("-r evil.txt", "names no package"),
            ("a b", "names no package"),
            ("x\nevil==1", "names no package"),
            ("x" * 200, "names no package"),
            ("a @ https://evil.test/a.whl", "a name, with versions or without"),
            ("a; python_version > '3'", "a name, with versions or without"),
            ("Tensorflow_Macos==2.9", "no companion"),
            ("tensorflow-metal", "no companion"),
        ],
    )
    def test_what_is_no_companion_is_refused(self, typed: str, why: str) -> None:
        """No address, no option, no marker, no second line, and not what the words choose."""
        with pytest.raises(UsageError, match=why) as caught:
            companions.parse([typed])
        assert "\nevil" not in str(caught.value)

    def test_there_is_an_end(self) -> None:
        """A thousand are no command that somebody typed."""
        with pytest.raises(UsageError, match="more than"):
            companions.parse([f"a{number}" for number in range(21)])


class Resolver:
    """Answers as a resolver would that knows which frameworks a companion takes, and counts the questions.

    Args:
        takes: For each companion, the frameworks that it can stand beside; the newest comes with it alone.
    """

    def __init__(self, **takes: str) -> None:
        self.takes = {name.replace("_", "-"): versions.split() for name, versions in takes.items()}
        self.rounds: list[list[Question]] = []

    @property
    def asked(self) -> int:
        """How many questions there were."""
        return sum(map(len, self.rounds))

    def __call__(self, about: str, questions: Sequence[Question]) -> list[Answer]:
        assert about
        self.rounds.append(list(questions))
        return [self.answer(question) for question in questions]

    def answer(self, question: Question) -> Answer:
        """The newest framework that all of it can stand beside."""
        wanted = [Requirement(text) for text in question.requirements]
        fits = {*FRAMEWORKS, *(v for versions in self.takes.values() for v in versions)}
        pins = {}
        for one in wanted:
            if one.name == "tensorflow":
                fits = {version for version in fits if one.specifier.contains(version)}
            elif one.name == "tensorflow-metal":
                pins[one.name] = "1.2.0"
            else:
                fits &= set(self.takes[one.name])
                pins[one.name] = "1.0"
        if not fits:
            return Answer("fails", message=f"no {' and '.join(question.requirements)}", blame="x")
        pins["tensorflow"] = max(fits, key=Version)
        return Answer("ok", lock(*(f"{name}=={version}" for name, version in pins.items())))


def search(
    resolver: Resolver, *names: str, macos: str = "26.0", candidates: Sequence[CellReport] = CANDIDATES
) -> companions.Found:
    """The search of these companions."""
    return companions.search(
        candidates,
        companions.parse(names),
        DAY,
        resolver,
        own_lock=lambda cell: lock(f"tensorflow=={cell.framework}", "tensorflow-metal==1.2.0"),
        fits=lambda floor: Version(floor) <= Version(macos),
    )


class TestSearch:
    def test_the_best_set_is_asked_first_and_once(self) -> None:
        """It has them: one question for it, and one for each companion alone."""
        resolver = Resolver(a=" ".join(FRAMEWORKS), b=" ".join(FRAMEWORKS))
        found = search(resolver, "a", "b")
        assert found.report is CANDIDATES[0]
        assert set(found.lock.versions) == {"a", "b", "tensorflow", "tensorflow-metal"}
        assert [len(questions) for questions in resolver.rounds] == [3]

    def test_bounds_and_pins_are_part_of_the_question(self) -> None:
        """A companion takes no repair away, and what need not move is to stay."""
        resolver = Resolver(a=" ".join(FRAMEWORKS))
        search(resolver, "a")
        whole = resolver.rounds[0][0]
        assert whole.requirements == ("tensorflow==2.19.1", "tensorflow-metal==1.2.0", "a")
        assert whole.bounds == ("setuptools<82",)
        assert whole.preferred == ("tensorflow==2.19.1", "tensorflow-metal==1.2.0")

    def test_a_series_that_cannot_be_had_is_one_question(self) -> None:
        """Six sets, four series: the two that are newer are ruled out, and the first one left is taken."""
        resolver = Resolver(a="2.17.1 2.17.0 2.16.1")
        found = search(resolver, "a")
        assert found.report.cell.framework == "2.17.1"
        assert [len(questions) for questions in resolver.rounds] == [2, 4, 1]
        ranges = {question.requirements[0] for question in resolver.rounds[1]}
        assert "tensorflow>=2.18.0,<=2.18.1" in ranges
        assert all(question.bounds == () for question in resolver.rounds[1])
        assert any("py3.11-tf2.19.1-metal1.2.0 cannot be had with them" in text for text in found.said)

    @pytest.mark.parametrize("only", FRAMEWORKS)
    def test_whichever_it_is_it_is_found(self, only: str) -> None:
        """The ranges rule out nothing that can be had, also where a series has one of each."""
        assert search(Resolver(a=only), "a").report.cell.framework == only

    def test_what_drags_the_framework_past_the_plugin_is_named(self) -> None:
        """And the other companion is not."""
        resolver = Resolver(a="2.21.0", b=" ".join(FRAMEWORKS) + " 2.21.0")
        with pytest.raises(UsageError) as caught:
            search(resolver, "a", "b")
        assert "may be handed out has a:" in caught.value.what
        assert "a 1.0 drags TensorFlow to 2.21.0, past the plugin: 2.19.1 is the newest" in caught.value.what
        assert "leave a out" in caught.value.hint

    def test_two_that_exclude_each_other_are_both_named(self) -> None:
        """Each of them can be had."""
        with pytest.raises(UsageError, match="has a, b; each of them can be had, but not together"):
            search(_Apart(a=" ".join(FRAMEWORKS), b=" ".join(FRAMEWORKS)), "a", "b")

    def test_a_companion_that_needs_a_newer_macos_is_none(self) -> None:
        """The floor is that of the whole set."""
        with pytest.raises(UsageError, match=r"it would need macOS 14\.0, asked for by a 1\.0"):
            search(_Floor(a=" ".join(FRAMEWORKS)), "a", macos="13.0")
        found = search(_Floor(a=" ".join(FRAMEWORKS)), "a", macos="14.0")
        assert found.floor
        assert found.floor[0] == "14.0"

    def test_a_second_framework_in_the_set_is_none(self) -> None:
        """A companion that brings the other name of TensorFlow would write into the same folder."""
        with pytest.raises(UsageError, match=r"tensorflow 2\.19\.1 and tensorflow-macos 2\.12\.0"):
            search(_Second(a=" ".join(FRAMEWORKS)), "a", candidates=CANDIDATES[:1])

    def test_what_moved_is_told(self) -> None:
        """The evidence is of the set without the companions."""
        found = companions.search(
            CANDIDATES,
            companions.parse(["a"]),
            DAY,
            Resolver(a=" ".join(FRAMEWORKS)),
            own_lock=lambda _: lock("a==0.9", "tensorflow==2.19.1", "tensorflow-metal==1.2.0"),
            fits=lambda _: True,
        )
        assert "the companions move a 0.9 -> 1.0: the evidence is of the set without them" in found.said


class _Apart(Resolver):
    """Two companions that can each be had, and not together."""

    def answer(self, question: Question) -> Answer:
        if {"a", "b"} <= set(question.requirements):
            return Answer("fails", message="a and b exclude each other", blame="a")
        return super().answer(question)


class _Floor(Resolver):
    """A companion whose wheel is for macOS 14."""

    def answer(self, question: Question) -> Answer:
        found = super().answer(question)
        if found.lock is None or "a" not in found.lock.versions:
            return found
        needs = lock("a==1.0", tag="cp311-cp311-macosx_14_0_arm64").packages[0]
        packages = [needs if package.name == "a" else package for package in found.lock.packages]
        return Answer("ok", type(found.lock)(tuple(packages)))


class _Second(Resolver):
    """A companion that brings another TensorFlow along."""

    def answer(self, question: Question) -> Answer:
        found = super().answer(question)
        assert found.lock
        more = lock("tensorflow-macos==2.12.0").packages
        return Answer("ok", found.lock.with_packages(more)) if len(question.requirements) > 1 else found


MAC = "cp311-cp311-macosx_12_0_arm64"
WHEELS = (
    *(
        FakeWheel("tensorflow", version, MAC, ("numpy",))
        for version in ("2.17.0", "2.17.1", "2.18.0", "2.18.1", "2.19.0", "2.19.1", "2.20.0")
    ),
    *(FakeWheel("tensorflow-metal", version, MAC) for version in ("1.1.0", "1.2.0")),
    FakeWheel("numpy", "1.26.4"),
    *(
        FakeWheel("tensorflow-text", f"2.{minor}.0", MAC, (f"tensorflow>=2.{minor}.0,<2.{minor + 1}",))
        for minor in (17, 18, 20)
    ),
    FakeWheel("keras-hub", "0.20.0", requires=("tensorflow-text",)),
    FakeWheel("tflite-runtime", "2.14.0", "cp311-cp311-manylinux2014_x86_64"),
)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeIndex]:
    """A small index that real uv asks, no results and an empty cache."""
    with FakeIndex(WHEELS) as served:
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setattr(answers, "cache_dir", lambda: tmp_path / "cache")
        monkeypatch.setattr("metalmatrix.asking.commands.default_results", lambda: Store(tmp_path / "none"))
        monkeypatch.setattr("metalmatrix.pins.commands.this_host", lambda: LINUX)
        yield served


def pins(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The command for some cells of Python 3.11: exit code, standard output and error."""
    code = cli.main(["pins", "3.11", "2.17.0", "2.17.1", "2.18.1", "2.19.1", "2.20.0", *words])
    return (code, *capsys.readouterr())


@pytest.mark.usefixtures("index")
class TestWithUv:
    def test_the_set_has_them_with_hashes(self, capsys: pytest.CaptureFixture[str]) -> None:
        """keras-hub brings the tensorflow-text that the framework can have; each line has its hash."""
        code, out, err = pins(capsys, "--with", "keras-hub")
        assert code == 0
        lines = [line for line in out.splitlines() if line and not line.startswith("#")]
        found = {line.partition(" ")[0] for line in lines}
        assert {"tensorflow==2.17.0", "tensorflow-metal==1.1.0", "keras-hub==0.20.0"} <= found
        assert "tensorflow-text==2.17.0" in found
        assert all("--hash=sha256:" in line for line in lines)
        assert "asking the resolver for py3.11-tf2.17.0-metal1.1.0 with keras-hub" in err
        assert "# to make this again: nox -s pins -- py3.11-tf2.17.0-metal1.1.0 --with keras-hub\n" in out

    def test_another_series_is_found(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A companion for 2.18 takes the best set of 2.18, and the header says why not the best of all."""
        code, out, _ = pins(capsys, "--with", "tensorflow-text==2.18.0")
        assert code == 0
        assert "tensorflow==2.18.1 " in out
        assert "tensorflow-text==2.18.0 " in out
        assert "py3.11-tf2.17.0-metal1.1.0 cannot be had with them" in out

    def test_what_goes_past_the_plugin_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        """2.20 has no plugin; a set without one is not what was asked for."""
        code, out, err = pins(capsys, "--with", "tensorflow-text==2.20.0")
        assert (code, out) == (2, "")
        assert "tensorflow-text 2.20.0 drags TensorFlow to 2.20.0, past the plugin: 2.19.1" in err

    def test_no_wheel_for_macs_is_said_in_words(self, capsys: pytest.CaptureFixture[str]) -> None:
        """And not as a conflict."""
        code, out, err = pins(capsys, "--with", "tflite-runtime")
        assert (code, out) == (2, "")
        assert "tflite-runtime has no wheel for macOS on arm64 and Python 3.11 as of" in err

    def test_a_name_that_nobody_has_is_said_in_words(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A slip is no conflict either."""
        code, out, err = pins(capsys, "--with", "kerashub")
        assert (code, out) == (2, "")
        assert "the index knows no package kerashub" in err

    def test_nothing_is_asked_twice(self, capsys: pytest.CaptureFixture[str], index: FakeIndex) -> None:
        """The answers are kept like all others."""
        first = pins(capsys, "--with", "keras-hub")
        asked = len(index.requests)
        assert pins(capsys, "--with", "keras-hub")[:2] == first[:2]
        assert len(index.requests) == asked

    def test_an_index_out_of_reach_is_said(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Exit code 3, and nothing that could be installed."""
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        code, out, err = pins(capsys, "--with", "keras-hub")
        assert (code, out) == (3, "")
        assert "could not be asked" in err

    def test_the_companions_are_in_every_form(self, capsys: pytest.CaptureFixture[str]) -> None:
        """In the environment of conda and the group of a project too."""
        for form in ("conda", "pyproject"):
            code, out, _ = pins(capsys, "--with", "keras-hub", "--format", form)
            assert code == 0
            assert "keras-hub==0.20.0" in out
