"""The group in somebody's pyproject.toml: put in place, and nothing else touched."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from metalmatrix import cli
from metalmatrix.cells import history
from metalmatrix.cells.matrix_file import load
from metalmatrix.errors import UsageError
from metalmatrix.pins import formats
from metalmatrix.pins.pyproject import diff, put
from metalmatrix.running.results import Store
from tests.clone import ROOT
from tests.pins.made import pin_set
from tests.samples import LINUX

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

GROUP = formats.group(pin_set())
MADE = tomllib.loads(GROUP)["dependency-groups"]["known-good"]

SHAPES = {
    "without": '[project]\nname = "x"  # a comment\n',
    "empty": "",
    "no newline at the end": '[dependency-groups]\ntests = ["a"]',
    "among others": (
        '[project]\nname = "x"\n\n[dependency-groups]\n# mine\ntests = [\n  "pytest",  # why\n]\n\n'
        "[tool.x]\na=1  # kept\n"
    ),
    "an older one": (
        '[dependency-groups]\n# mine\nknown-good = ["tensorflow==2.9.0", "protobuf<3.21"]\ntests = ["a"]\n'
        "# the end\n[tool.x]\na = 1\n"
    ),
    "spelt otherwise": '[dependency-groups]\nKnown_Good = []\ntests = ["a"]\n',
    "inline": 'dependency-groups = { tests = ["a"] }\n[project]\nname = "x"\n',
    "dotted": 'dependency-groups.tests = ["a"]\n[project]\nname = "x"\n',
    "of Windows": '[project]\r\nname = "x"\r\n\r\n[dependency-groups]\r\ntests = ["a"]\r\n\r\n[tool.y]\r\n',
}


@pytest.mark.parametrize("shape", SHAPES)
class TestPut:
    def test_it_is_there_and_all_else_is_as_it_was(self, shape: str) -> None:
        """By what a reader of TOML makes of it."""
        before, after = tomllib.loads(SHAPES[shape]), tomllib.loads(put(SHAPES[shape], GROUP))
        groups = after.pop("dependency-groups")
        key = "Known_Good" if "Known_Good" in SHAPES[shape] else "known-good"
        assert groups.pop(key) == MADE
        old = before.pop("dependency-groups", {})
        old.pop(key, None)
        assert (after, groups) == (before, old)

    def test_no_line_of_somebody_else_is_touched(self, shape: str) -> None:
        """Comments, blanks and order stay; only lines of an older group and an inline table's may go."""
        text = SHAPES[shape]
        gone = [line for line in diff(text, put(text, GROUP), "x").splitlines()[2:] if line.startswith("-")]
        assert all("tensorflow==2.9.0" in line or "nown" in line or "{" in line for line in gone)

    def test_twice_is_once(self, shape: str) -> None:
        """The second time there is nothing to do."""
        once = put(SHAPES[shape], GROUP)
        assert put(once, GROUP) == once

    def test_line_ends_are_the_file_s(self, shape: str) -> None:
        """All of one kind."""
        made = put(SHAPES[shape], GROUP)
        assert made.count("\r\n") == (made.count("\n") if "\r\n" in SHAPES[shape] else 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[dep", "no TOML"),
        ("a = 1\na = 2\n", "no TOML"),
        ("dependency-groups = 1", "no table"),
        ("[dependency-groups]\nknown-good = 1", "no list"),
        ('[dependency-groups]\nknown-good = ["matplotlib"]', "'matplotlib'"),
        ('[dependency-groups]\nknown-good = [{ include-group = "x" }]', "include-group"),
        ("[dependency-groups]\nknown-good = [1]", "'1'"),
        ("[dependency-groups]\nknown-good = []\nknown_good = []", "twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, why: str) -> None:
    """And nothing of somebody's own is overwritten."""
    with pytest.raises(UsageError, match=why):
        put(text, GROUP)


def test_a_companion_of_the_group_is_no_stranger() -> None:
    """What was put there with companions can be put there again, and without them is told."""
    with_hub = formats.group(pin_set(companions=("keras-hub",)))
    once = put("", with_hub, ("keras-hub",))
    assert put(once, with_hub, ("keras-hub",)) == once
    with pytest.raises(UsageError, match="keras-hub") as caught:
        put(once, GROUP)
    assert "--with" in str(caught.value)


@pytest.fixture
def nothing_ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No results of this machine, and no Mac."""
    monkeypatch.setattr("metalmatrix.pins.commands.this_host", lambda: LINUX)
    monkeypatch.setattr("metalmatrix.asking.commands.default_results", lambda: Store(tmp_path / "none"))


@pytest.mark.usefixtures("nothing_ran")
class TestWriting:
    COMMAND = ("pins", "tf2.17.0", "metal1.1.0", "--format", "pyproject", "--write")

    def test_this_project_has_what_the_pins_give(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Its own group is what the pins are without a word, for every Python that they stand for."""
        assert cli.main(["pins", "--format", "pyproject"]) == 0
        printed = capsys.readouterr().out
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        ours = tomllib.loads(text)["dependency-groups"]["known-good"]
        assert ours == tomllib.loads(printed)["dependency-groups"]["known-good"]
        assert put(text, printed) == text

    def test_it_shows_what_changes_and_writes_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A diff on standard output, the file, and the second time neither."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
        assert cli.main([*self.COMMAND]) == 0
        out, err = capsys.readouterr()
        assert out.startswith("--- pyproject.toml (before)\n+++ pyproject.toml (after)\n")
        assert f"written to {tmp_path / 'pyproject.toml'}" in err
        written = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
        assert all(
            line in written for line in out.splitlines()[3:] if line.startswith("+") for line in [line[1:]]
        )
        assert cli.main([*self.COMMAND]) == 0
        out, err = capsys.readouterr()
        assert out == ""
        assert "has it already" in err
        assert (tmp_path / "pyproject.toml").read_text(encoding="utf-8") == written
        assert sorted(path.name for path in tmp_path.iterdir()) == ["pyproject.toml"]

    @pytest.mark.parametrize(
        "content", [None, b"\xff\xfe", b"[dep", b'[dependency-groups]\nknown-good = ["x"]']
    )
    def test_what_cannot_be_written_is_left_alone(
        self, content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """No file, no text, no TOML, somebody's own group: the file is named, and stays."""
        path = tmp_path / "pyproject.toml"
        if content is not None:
            path.write_bytes(content)
        assert cli.main([*self.COMMAND, str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert str(path) in err
        assert (path.read_bytes() if path.exists() else None) == content


def test_the_group_names_a_real_cell() -> None:
    """The cell that the group of this project was made for is in the history, and the day is the matrix's."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert any(f"# {cell.id}: " in text for cell in history.cells())
    assert f"resolved {load().as_of}" in text
