"""The command line: what it refuses, what it prints, and the code it ends with."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import venv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from metalmatrix import cli
from metalmatrix.errors import told
from metalmatrix.verdicts.explain import Explainer
from tests.universe import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from metalmatrix.cells.cell import Cell
    from metalmatrix.verdicts.report import CellReport


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (["explain", "foo"], "'foo' is neither the id of a cell", "py3.11-tf2.15.1-metal1.1.0"),
        (["explain", "2.81"], "'2.81' is no known version", "nox -s explain -- 2.18"),
        (["explain", "py3.11-tf2.15.9-nometal"], "'2.15.9' is no known version", "py3.11-tf2.15.1-nometal"),
        (["explain", "py3.11-tf2.15.1-metal1.1.9"], "'1.1.9' is no known version", "-metal1.1.0"),
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


@pytest.mark.parametrize(
    ("arguments", "usage", "what", "hint"),
    [
        (
            ["pins", "--pyhton", "3.11"],
            " pins [-h]",
            "pins has no option '--pyhton'",
            "did you mean --python? ",
        ),
        (
            ["pins", "--formta=conda"],
            " pins [-h]",
            "pins has no option '--formta'",
            "did you mean --format? ",
        ),
        (
            ["check", "--pyhton", "x"],
            " check [-h]",
            "check has no option '--pyhton'",
            "did you mean --python? ",
        ),
        (["static", "--quick"], " static [-h]", "static has no option '--quick'", ""),
        (["doctor", "3.11"], " doctor [-h]", "doctor takes no '3.11' here", ""),
        (["static", "--target", "arm"], " static [-h]", "--target arm: it is one of arm64, x86_64", ""),
        (["chek", "--pyhton", "x"], " [-h]", "metalmatrix has no command 'chek'", "did you mean check? "),
        (["--verson"], " [-h]", "metalmatrix has no option '--verson'", "did you mean --version? "),
        (["-x", "check", "--python", "x"], " [-h]", "metalmatrix takes no '-x' here", ""),
        (["zzz"], " [-h]", "metalmatrix has no command 'zzz'", ""),
    ],
)
def test_a_command_line_that_is_none_is_told_by_the_command(
    capsys: pytest.CaptureFixture[str], arguments: list[str], usage: str, what: str, hint: str
) -> None:
    """Its usage, what is wrong, what may have been meant and where the help is; code 2."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"usage: python -m metalmatrix{usage}")
    prog = f"python -m metalmatrix{usage}".partition(" [-h]")[0]
    assert err.endswith(f"\nerror: {what}\n  hint: {hint}{prog} --help\n")


def test_an_option_may_be_cut_short() -> None:
    """What argparse understands is no typo."""
    assert cli.parser().parse_args(["pins", "--pyth", "3.11", "--form=conda"]).python == "3.11"


def test_what_libraries_log_of_connections_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Under nox each line that is logged is printed."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.NOTSET, "urllib3")
    assert cli.main(["diff", "https://127.0.0.1:9/compat.json"]) != 0
    assert [line.name for line in caplog.records if line.levelno < logging.WARNING] == []


def test_a_cell_for_an_intel_mac(
    capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None]
) -> None:
    """The whole answer, from what ships: its own floor and build, a report of its own, cells of its own."""
    code, out, _ = run(capsys, "explain", "3.8", "2.7.0", "0.7.0", "intel")
    assert code == 0
    golden("explain-intel.txt", out)
    code, out, _ = run(capsys, "explain", "py3.8-tf2.5.0-metal0.1.0-x86_64", "--json")
    (found,) = json.loads(out)
    assert found["target"] == "x86_64"
    assert [near["source"] for near in found["neighbours"]] == [
        "https://github.com/tensorflow/tensorflow/issues/50541"
    ]
    assert all(near["cell"].endswith("-x86_64") for near in found["nearest"])


def test_an_interpreter_that_is_not_there_is_a_typo(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing is started for a path that has none, nor for a folder without one."""
    for path in (tmp_path / "pyton", tmp_path):
        code, _, err = run(capsys, "check", "--python", str(path))
        assert code == 2
        assert err == (
            f"error: {path} is no Python interpreter, and no environment with one\n  hint: --python .venv\n"
        )


def test_an_interpreter_that_does_not_start_is_a_missing_tool(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`check` says so, with the code for a missing program."""
    python = tmp_path / "python"
    python.write_text("#!/no/such/thing\n", encoding="utf-8")
    python.chmod(0o755)
    code, _, err = run(capsys, "check", "--python", str(python))
    assert code == 5
    assert "cannot be started" in err


def test_check_takes_the_folder_of_an_environment(
    capsys: pytest.CaptureFixture[str], without_tensorflow: Path
) -> None:
    """As the doctor does; what runs a check again names the interpreter."""
    folder = without_tensorflow.parent.parent
    code, out, _ = run(capsys, "check", "--python", str(folder), "--only", "import")
    assert code == 1
    assert "No module named 'tensorflow'" in out
    assert f"check --python {without_tensorflow} --only import" in out


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
    outcomes = {result["check"]: result["outcome"] for result in results}
    assert outcomes.pop("import") == "failed"
    assert set(outcomes.values()) == {"skipped"}
    assert "process 1, checks left: " in err
    assert "start import" in err


def test_check_tells_people_what_to_do(capsys: pytest.CaptureFixture[str], without_tensorflow: Path) -> None:
    """Without --json, what failed is told with its message and the check's advice."""
    code, out, _ = run(capsys, "check", "--python", str(without_tensorflow), "--only", "import")
    assert code == 1
    assert "failed" in out
    assert "No module named 'tensorflow'" in out
    assert len(out.splitlines()) > 2


@dataclass
class FakeExplainer:
    """Answers from a rule, and says why the index is out of reach."""

    asked: Asked
    unreachable: str = ""

    def reports(self, cells: Sequence[Cell], _: object) -> list[CellReport]:
        """The reports."""
        return self.asked(cells)

    def lock(self, _: Cell) -> None:
        """No lock is known."""

    def reached(self) -> None:
        """As the real one does."""
        Explainer.reached(self)  # type: ignore[arg-type]


class TestExplain:
    """Queries answered from made-up reports; the answers' texts are compared in test_explanation."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> Asked:
        """What stands in for the evidence: plugin 1.2.0 is likely, all else is broken."""
        asked = Asked(lambda cell: "likely" if cell.plugin == "1.2.0" else "broken")
        monkeypatch.setattr("metalmatrix.asking.commands.Explainer", lambda *_: FakeExplainer(asked))
        return asked

    def test_loose_words_are_answered(self, capsys: pytest.CaptureFixture[str], asked: Asked) -> None:
        """Words in any order name a cell, and what is nearest is told with the command."""
        code, out, _ = run(capsys, "explain", "1.1.0", "2.18.0", "3.11")
        assert code == 0
        assert asked.cells[0].id == "py3.11-tf2.18.0-metal1.1.0"
        assert out.startswith("py3.11-tf2.18.0-metal1.1.0  ✗ broken")
        assert '"tensorflow-metal==1.2.0"' in out

    def test_json_of_few_cells_has_the_nearest(
        self, capsys: pytest.CaptureFixture[str], asked: Asked
    ) -> None:
        """Each report has the keys, also where they are empty."""
        code, out, _ = run(capsys, "explain", "3.11", "2.18.0", "metal", "--json")
        found = json.loads(out)
        assert (code, len(found)) == (0, 16)
        assert {"cell", "verdict", "nearest", "install"} <= set(found[0])
        assert len(asked.cells) > len(found)

    def test_json_of_many_cells_has_reports_alone(
        self, capsys: pytest.CaptureFixture[str], asked: Asked
    ) -> None:
        """The nearest of hundreds are not looked for."""
        code, out, _ = run(capsys, "explain", "2.18", "--json")
        found = json.loads(out)
        assert code == 0
        assert len(found) == len(asked.cells) > 100
        assert "nearest" not in found[0]

    def test_a_note_does_not_disturb_the_json(self, capsys: pytest.CaptureFixture[str], asked: Asked) -> None:
        """It goes to standard error; without --json it stands above the answer."""
        words = ("explain", "tensorflow-macos==2.17.0", "3.11", "none")
        _, out, err = run(capsys, *words, "--json")
        assert len(json.loads(out)) == 1
        assert "tensorflow-macos 2.17.0 was never published" in err
        _, out, _ = run(capsys, *words)
        assert out.startswith("note: tensorflow-macos 2.17.0 was never published")
        assert asked.cells

    def test_what_is_known_is_told_when_the_index_cannot_be_asked(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The code is that of an index out of reach, and the nearest are not looked for."""
        asked = Asked(lambda _: "unknown")
        monkeypatch.setattr(
            "metalmatrix.asking.commands.Explainer", lambda *_: FakeExplainer(asked, "no route")
        )
        code, out, err = run(capsys, "explain", "py3.11-tf2.18.0-metal1.1.0")
        assert code == 3
        assert out.startswith("py3.11-tf2.18.0-metal1.1.0  ? unknown")
        assert "no route" in err
        assert len(asked.cells) == 1


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with the shell's code for it."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metalmatrix.table.show.current_report", interrupted)
    assert cli.main(["table"]) == 130


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EPERM, errno.EDQUOT])
def test_a_place_that_takes_no_file_is_told_with_what_to_look_at(code: int) -> None:
    """A full disk, a quota, a folder of somebody else's."""
    assert told(OSError(code, os.strerror(code), "site/x")) == (
        f"{os.strerror(code)}: site/x\n  hint: is there room, and may you write there?"
    )


def test_what_is_no_matter_of_the_place_has_no_such_hint() -> None:
    """A file that is not there, and an error that has only words."""
    assert told(FileNotFoundError(errno.ENOENT, "No such file or directory", "x")) == (
        "No such file or directory: x"
    )
    assert told(OSError("x is larger than 8 MiB")) == "x is larger than 8 MiB"


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists the commands and what each exit code means."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    for word in ("matrix", "table", "explain", "check", "update", "surprise", "could not be reached"):
        assert word in out


@pytest.mark.parametrize("day", ["tomorrow", "2031-01-01", "20", ""])
def test_a_day_that_cannot_be_meant_is_refused(day: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is asked for a day that is none, or is still to come."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(["static", "--as-of", day])
    assert "--as-of" in capsys.readouterr().err
