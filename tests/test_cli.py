"""The command line: what it refuses, what it prints, and the code it ends with."""

from __future__ import annotations

import json
import sys
import venv
from typing import TYPE_CHECKING

import pytest

from metalmatrix import cli

if TYPE_CHECKING:
    from pathlib import Path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (["explain", "foo"], "'foo' is not the id of a cell", "py3.11-tf2.15.1-metal1.1.0"),
        (["explain", "py3.11-tf2.15.9-nometal"], "no release 2.15.9", "2.15.1"),
        (["explain", "py3.11-tf2.15.1-metal1.1.9"], "no release 1.1.9 of tensorflow-metal", "1.1.0"),
        (["matrix", "py2.*"], "'py2.*' matches no cell of the matrix", "nox -l"),
        (["check", "--python", sys.executable, "--only", "fti"], "no check named fti", "fit"),
    ],
)
def test_a_typo_is_told_with_what_to_type(
    capsys: pytest.CaptureFixture[str], arguments: list[str], what: str, hint: str
) -> None:
    """A name that does not exist is an error of its own: code 2, nothing on standard output, a hint."""
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert what in err
    assert hint in err.partition("hint: ")[2]


def test_an_interpreter_that_is_not_there_is_a_missing_tool(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`check` says that it cannot start the interpreter, with the code for a missing program."""
    code, _, err = run(capsys, "check", "--python", str(tmp_path / "python"))
    assert code == 5
    assert "cannot be started" in err


@pytest.fixture(scope="module")
def without_tensorflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has nothing installed."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def test_check_prints_json_alone(capsys: pytest.CaptureFixture[str], without_tensorflow: Path) -> None:
    """With --json, standard output is a list of the checks' results; a failure makes the code 1."""
    code, out, err = run(capsys, "check", "--python", str(without_tensorflow), "--json")
    results = json.loads(out)
    assert code == 1
    assert results[0]["check"] == "import"
    assert results[0]["outcome"] == "failed"
    assert {result["outcome"] for result in results[1:]} == {"skipped"}
    assert "start import" in err


def test_check_tells_people_what_to_do(capsys: pytest.CaptureFixture[str], without_tensorflow: Path) -> None:
    """Without --json, what failed is told with its message and the check's advice."""
    code, out, _ = run(capsys, "check", "--python", str(without_tensorflow), "--only", "import")
    assert code == 1
    assert "failed" in out
    assert "No module named 'tensorflow'" in out
    assert len(out.splitlines()) > 2


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with the shell's code for it."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metalmatrix.show.current_report", interrupted)
    assert cli.main(["table"]) == 130


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists the commands and what each exit code means."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    for word in ("matrix", "table", "explain", "check", "update", "surprise", "could not be reached"):
        assert word in out
