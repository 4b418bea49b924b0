"""`pins` as it is typed: without a word, on a Mac and elsewhere, as a list, as JSON, and what is nonsense."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from metalmatrix import cli
from metalmatrix.cells import history
from metalmatrix.cells.cell import Cell
from metalmatrix.errors import UsageError
from metalmatrix.pins.addresses import addresses_of
from metalmatrix.resolving.lock import Lock, Package, Wheel
from metalmatrix.resolving.question import Answer
from metalmatrix.running.results import Store
from tests.fake_index import FakeIndex, FakeWheel
from tests.samples import LINUX, MAC

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("2.16", "2.17", "2.18")
"""Enough cells for each rule, and few enough for a quick answer."""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Mac, and no results."""
    monkeypatch.setattr("metalmatrix.pins.commands.this_host", lambda: LINUX)
    monkeypatch.setattr("metalmatrix.asking.commands.default_results", lambda: Store(tmp_path / "none"))


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """An M2 with macOS 15.2, where Python 3.12 runs."""
    monkeypatch.setattr("metalmatrix.pins.commands.this_host", lambda: MAC)
    monkeypatch.setattr("metalmatrix.pins.commands.running_python", lambda: "3.12")


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """What the command says on standard output and error."""
    assert cli.main(["pins", *words]) == code
    return capsys.readouterr()


def cell_of(text: str) -> Cell:
    """The cell that a file names first."""
    found = re.match(r"# (\S+): ", text)
    assert found
    return Cell.parse(found[1])


class TestWhichMac:
    def test_elsewhere_it_says_what_it_assumed(self, capsys: pytest.CaptureFixture[str]) -> None:
        """And of which of all cells the set is the best, and how well it is known."""
        out, err = run(capsys, *WORDS)
        assert cell_of(out).id == "py3.11-tf2.17.0-metal1.1.0"
        assert "this is no Apple-silicon Mac: assumed" in err
        assert "--python 3.11 --macos 13.0 --chip m1" in err
        assert "is reported: somebody reports that it works" in err

    @pytest.mark.usefixtures("mac")
    def test_a_mac_gets_what_is_for_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Its Python, its macOS, its chip; nothing is assumed."""
        out, err = run(capsys, *WORDS)
        assert cell_of(out).python == "3.12"
        assert "assumed" not in err
        assert "Apple M2" in out

    @pytest.mark.usefixtures("mac")
    def test_a_mac_may_ask_for_another(self, capsys: pytest.CaptureFixture[str]) -> None:
        """What is named wins."""
        out, _ = run(capsys, *WORDS, "--python", "3.11", "--macos", "13", "--chip", "m1")
        assert cell_of(out).python == "3.11"
        assert "Apple M1" in out

    def test_no_macos_gets_a_set_that_needs_a_later_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Held against each set of the list: its own floor is never above what was named."""
        for macos in ("12", "12.1", "13"):
            out, _ = run(capsys, *WORDS, "--macos", macos, "--all", "--json")
            floors = [Version(entry["macos"]) for entry in json.loads(out)]
            assert floors
            assert max(floors) <= Version(macos)
        all_of_them = json.loads(run(capsys, *WORDS, "--macos", "26", "--all", "--json")[0])
        assert any(Version(entry["macos"]) > Version("12.0") for entry in all_of_them)

    def test_a_macos_that_none_is_for_is_told_what_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The least that is asked for, and by whom."""
        out, err = run(capsys, "2.18.1", "1.2.0", "--macos", "12.0", code=2)
        assert out == ""
        assert re.search(
            r"no pins are handed out for macOS 12\.0: .* needs the least, macOS 12\.1, asked for by", err
        )


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    """All that may be handed out on a new Mac, what is degraded too."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        assert cli.main(["pins", "--all", "--json", "--macos", "26", "--allow-degraded"]) == 0
    found: list[dict[str, Any]] = json.loads(out.getvalue())
    return found


class TestHowItIsTold:
    def test_a_pre_release_is_called_one_and_a_python_with_a_plugin_named(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Python 3.14 has release candidates alone, and no plugin."""
        assert cli.main(["pins", "--python", "3.14"]) == 0
        out, err = capsys.readouterr()
        for told in (out, err):
            assert "TensorFlow 2.22.0rc0 is a pre-release" in told
            assert "the newest Python with one is 3.12: nox -s pins -- --python 3.12" in told

    def test_a_refusal_counts_and_names_the_best_that_is_meant(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Whoever types the hint reads why, and not that an old Python has no wheel."""
        assert cli.main(["pins", "2.18.1", "1.1.0"]) == 2
        err = capsys.readouterr().err
        assert "of the 7 cells that are meant: 3 broken, 4 not-installable" in err
        assert "nox -s explain -- py3.11-tf2.18.1-metal1.1.0 says why" in err

    def test_a_cell_by_conda_is_condas(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Its form is conda's unless another is asked for, which is refused with what to type."""
        words = ["pins", "py3.11-tf2.12.0-metal0.8.0-conda"]
        assert cli.main(words) == 0
        assert '- "python=3.11"' in capsys.readouterr().out
        assert cli.main([*words, "--format", "requirements"]) == 2
        hint = capsys.readouterr().err.partition("hint: nox -s pins -- ")[2].split()
        assert cli.main(["pins", *hint]) == 0


class TestEveryCell:
    def test_only_what_is_good_is_handed_out(self, entries: list[dict[str, Any]]) -> None:
        """Of the whole history: never what is broken, unknown or cannot be installed."""
        assert len(entries) > 500
        assert {entry["verdict"] for entry in entries} <= {"works", "likely", "degraded"}
        degraded = [entry["verdict"] == "degraded" for entry in entries]
        assert any(degraded)
        assert degraded == sorted(degraded)

    def test_the_good_ones_are_all_there(self, entries: list[dict[str, Any]]) -> None:
        """Each cell once, of every Python that is published for."""
        ids = [entry["cell"] for entry in entries]
        assert len(set(ids)) == len(ids)
        assert {Cell.parse(name).python for name in ids} == set(history.pythons()) - {"3.7"}


class TestList:
    def test_the_table_is_for_people(self, capsys: pytest.CaptureFixture[str]) -> None:
        """How many and for whom, a line a set, what the words mean, and how to have one."""
        out, _ = run(capsys, "3.11", *WORDS, "--all")
        lines = out.splitlines()
        assert re.match(
            r"\d+ sets may be handed out for macOS 13\.0 on any Apple silicon, the best first", lines[0]
        )
        assert re.match(r"\+ reported +py3\.11-tf2\.17\.0-metal1\.1\.0 +12\.0 +1$", lines[2])
        assert "One of them: nox -s pins -- py3.11-tf2.17.0-metal1.1.0" in out
        count = int(lines[0].split()[0])
        assert sum(line.startswith("+ ") for line in lines) == count

    def test_the_list_is_for_machines_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The same sets in the same order."""
        out, _ = run(capsys, "3.11", *WORDS, "--all")
        listed = re.findall(r"(?m)^\+ \w+ +(\S+)", out)
        entries = json.loads(run(capsys, "3.11", *WORDS, "--all", "--json")[0])
        assert [entry["cell"] for entry in entries] == listed
        assert entries[0]["known"] == "reported"

    def test_one_set_for_machines(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The set with its packages, as a lock that can be read again."""
        made = json.loads(run(capsys, "3.11", "2.17", "--json", "--chip", "m2")[0])
        assert made["cell"] == "py3.11-tf2.17.0-metal1.1.0"
        assert Lock.from_json(made["packages"]).versions["tensorflow"] == "2.17.0"
        assert made["for"]["chip"] == "m2"
        assert made["again"] == "nox -s pins -- py3.11-tf2.17.0-metal1.1.0 --chip m2"


class TestAgain:
    @pytest.mark.parametrize("form", ["requirements", "constraints", "conda", "pyproject"])
    def test_the_command_in_the_header_makes_the_same_again(
        self, form: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Typed as it stands there, on the same day."""
        out, _ = run(capsys, *WORDS, "--format", form, "--macos", "14", "--chip", "m2 max")
        found = re.search(r"# to make this again: nox -s pins -- (.*)", out)
        assert found
        assert run(capsys, *shlex.split(found[1]))[0] == out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--write",), "--format pyproject"),
        (("--format", "conda", "--write", "x.toml"), "--format pyproject"),
        (("--wheels", "wheels"), "--format pylock"),
        (("--format", "pylock", "--wheels", "../x y"), "--wheels wheels"),
        (("--format", "pylock", "--wheels", '"'), "--wheels wheels"),
        (("--format", "pylock", "--wheels=-x"), "--wheels wheels"),
        (("--format", "conda", "--json"), "leave --json"),
        (("--all", "--with", "keras-hub"), "leave --all out"),
        (("3.11", "--python", "3.12"), "--all"),
        (("3.11", "2.71"), "type: nox -s pins -- 3.11 2.17"),
    ],
)
def test_nonsense_is_refused_with_what_to_type(
    words: tuple[str, ...], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed that could be installed."""
    out, err = run(capsys, *words, code=2)
    assert out == ""
    assert hint in err


def test_an_intel_mac_is_told_where_else_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    """Every form is for Apple silicon: a set of an Intel Mac is not handed out as if it were one."""
    out, err = run(capsys, "3.9", "2.12.0", "0.8.0", "intel", code=2)
    assert out == ""
    assert "pins are made for Apple silicon, and py3.9-tf2.12.0-metal0.8.0-x86_64 is a cell of" in err
    assert "nox -s explain -- py3.9-tf2.12.0-metal0.8.0-x86_64" in err


def test_a_cell_by_conda_has_the_same_set(capsys: pytest.CaptureFixture[str]) -> None:
    """The route changes the interpreter's source, and no package."""
    by_conda, _ = run(capsys, "py3.9-tf2.12.0-metal0.8.0-conda", "--json")
    venv, _ = run(capsys, "py3.9-tf2.12.0-metal0.8.0", "--json")
    assert json.loads(by_conda)["cell"].endswith("-conda")
    packages = [json.loads(text)["packages"] for text in (by_conda, venv)]
    assert packages[0] == packages[1]
    assert packages[0]


def test_what_has_no_plugin_is_said_to_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    """In the header as well, where whoever reads the file later sees it."""
    out, err = run(capsys, "3.13")
    assert cell_of(out).plugin == "none"
    assert "TensorFlow runs on the CPU" in out
    assert "TensorFlow runs on the CPU" in err
    assert "CPU" not in "".join(run(capsys, "3.13", "nometal"))


class TestPylock:
    def test_without_an_index_it_says_how_to_do_without(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A lock file needs addresses, or a folder."""
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("UV_NO_CACHE", "1")
        out, err = run(capsys, "3.11", "2.17", "--format", "pylock", code=3)
        assert out == ""
        assert "--wheels wheels" in err
        out, _ = run(capsys, "3.11", "2.17", "--format", "pylock", "--wheels", "wheels")
        assert 'path = "wheels/numpy-' in out
        assert "://" not in out.partition("lock-version")[2]

    def test_the_index_is_asked_where_the_wheels_are(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Real uv, a small index: each wheel of the lock, a platform's too, and nothing else."""
        wheels = (
            FakeWheel("a", "1.0", "cp311-cp311-macosx_12_0_arm64"),
            FakeWheel("a", "1.0", "cp311-cp311-manylinux2014_x86_64"),
            FakeWheel("a", "1.1"),
            FakeWheel("b", "2.0"),
        )
        lock = Lock(
            tuple(
                Package(one.name, one.version, (Wheel(one.file, one.digest),))
                for one in (wheels[0], wheels[3])
            )
        )
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        with FakeIndex(wheels) as index:
            monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
            found = addresses_of(lock, "3.11", "2026-11-20")
        assert set(found) == {wheels[0].digest, wheels[3].digest}
        assert found[wheels[0].digest].url.endswith(f"/files/{wheels[0].file}")

    @pytest.mark.parametrize(
        ("wheels", "why"),
        [
            ((FakeWheel("b", "2.0"),), "does not have all of the set"),
            ((FakeWheel("a", "1.0", sha256="0" * 64),), "tells no address of a 1.0"),
        ],
    )
    def test_what_the_index_has_no_longer_is_said(
        self, wheels: tuple[FakeWheel, ...], why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A release that is gone, a file that is another one now."""
        real = FakeWheel("a", "1.0")
        lock = Lock((Package("a", "1.0", (Wheel(real.file, real.digest),)),))
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        with FakeIndex(wheels) as index:
            monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
            with pytest.raises(UsageError, match=why):
                addresses_of(lock, "3.11", "2026-11-20")


def test_what_the_resolver_leaves_open_is_no_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """*Unknown* is not *cannot be had*: no companion is blamed for a resolver that failed."""
    monkeypatch.setattr("metalmatrix.resolving.resolve.recall", lambda _: None)
    monkeypatch.setattr(
        "metalmatrix.resolving.resolve.ask", lambda _: Answer("unknown", message="the resolver failed: why")
    )
    out, err = run(capsys, "3.11", "2.17", "--with", "a", code=2)
    assert out == ""
    assert "the resolver failed: why" in err
