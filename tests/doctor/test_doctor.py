"""The command: what it prints, its exit codes, its JSON, and ``--deep``."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cli import main
from metalmatrix.doctor import commands, deep
from metalmatrix.doctor import text as texts
from metalmatrix.doctor.exam import Exam, examine
from metalmatrix.doctor.known import load_known
from metalmatrix.doctor.look import look
from metalmatrix.doctor.machine import Machine, this_machine
from metalmatrix.doctor.rules import load_rules
from metalmatrix.doctor.telling import tell
from metalmatrix.doctor.text import Clues
from metalmatrix.errors import MatrixError, ToolMissingError
from metalmatrix.running.conditions import Conditions
from metalmatrix.running.supervise import CheckResult
from tests.doctor.mac import MAC, Mac
from tests.doctor.test_rules import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WIDTH = 100


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mac:
    """An environment on a Mac, and a doctor that takes this machine for it."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    made = Mac(tmp_path / "env")
    monkeypatch.setattr(commands, "this_machine", lambda: made.machine)
    monkeypatch.setattr(commands, "look", lambda *arguments: replace(look(*arguments), **made.says))
    return made


def told(mac: Mac) -> str:
    """The answer, without this test's folders and the Python that happens to run it."""
    return tell(mac.exam(), WIDTH).replace(str(mac.folder), "/v")


class TestForPeople:
    def test_a_broken_environment(self, mac: Mac, golden: Callable[[str, str], None]) -> None:
        """Three problems with what was seen, why, and what to type, and the set of the table."""
        mac.put("numpy", "2.4.0")
        mac.put("setuptools", "82.0.0")
        mac.pair("2.17.0", "1.0.1")
        mac.machine = replace(MAC, session="Background")
        golden("doctor.txt", told(mac))

    def test_an_intel_python(self, mac: Mac, golden: Callable[[str, str], None]) -> None:
        """A new environment, and that it has none of the rest."""
        mac.says.update({"machine": "x86_64", "manager": "uv"})
        mac.put("keras", "2.12.0")
        mac.wheel("tensorflow", "2.12.0", tag="cp311-cp311-macosx_10_15_x86_64")
        golden("doctor-rosetta.txt", told(mac))

    def test_a_healthy_environment(self, mac: Mac, golden: Callable[[str, str], None]) -> None:
        """It is called healthy, and what was not looked at is said."""
        golden("doctor-healthy.txt", told(mac.pair("2.17.0", "1.1.0")))

    def test_a_healthy_environment_with_a_note(self, mac: Mac, golden: Callable[[str, str], None]) -> None:
        """A pair of which wrong numbers are reported: the note, its source, and what health is then."""
        golden("doctor-note.txt", told(mac.pair("2.16.2", "1.2.0")))

    def test_a_traceback(self, golden: Callable[[str, str], None]) -> None:
        """From the text alone: the line of dyld, the pairs that print it, and what would help."""
        golden("doctor-traceback.txt", tell(self.read("does-not-link"), WIDTH))

    def test_a_text_that_nobody_knows(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        golden: Callable[[str, str], None],
    ) -> None:
        """It says so, and prints what to attach."""
        said = f"(venv) jane@macbook % python /{'Users'}/jane/x.py\nValueError: \x1b[31mno\x1b[0m idea"
        monkeypatch.setattr(
            "sys.stdin", SimpleNamespace(buffer=io.BytesIO(said.encode()), isatty=lambda: False)
        )
        assert main(["doctor", "--traceback", "-"]) == 2
        golden("doctor-unknown.txt", capsys.readouterr().out)

    def read(self, diagnosis: str) -> Exam:
        """What a public text comes to."""
        entry = next(entry for entry in PUBLIC if entry["diagnosis"] == diagnosis)
        said = "\n".join(entry["text"])
        return examine(load_rules(), load_known(), text=said, clues=texts.clues(said))

    @pytest.mark.parametrize("diagnosis", [rule.id for rule in load_rules().rules.values() if rule.messages])
    def test_each_text_gets_commands_and_pins(self, diagnosis: str) -> None:
        """On any machine, for the Mac."""
        said = f"\n{load_rules().rules[diagnosis].messages[0].example}\n"
        exam = examine(load_rules(), load_known(), text=said, clues=texts.clues(said))
        assert exam.code == 1
        assert [item.id for item in exam.problems] == [diagnosis]
        assert exam.problems[0].commands
        assert exam.problems[0].pins is not None
        assert exam.problems[0].pins.command.startswith("nox -s pins -- py3.")
        assert all(len(line) <= 200 for line in tell(exam, WIDTH).splitlines())


class TestCommandLine:
    def test_healthy_is_0_and_json_is_json_alone(self, mac: Mac, capsys: pytest.CaptureFixture[str]) -> None:
        """For tools."""
        mac.pair("2.17.0", "1.1.0")
        assert main(["doctor", "--python", str(mac.folder), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["healthy"], found["diagnoses"]) == (True, [])
        assert found["environment"]["packages"]["tensorflow-metal"] == "1.1.0"
        assert found["machine"]["macos"] == "15.2"

    def test_a_problem_is_1(self, mac: Mac, capsys: pytest.CaptureFixture[str]) -> None:
        """With what to attach, in which no folder of this machine is named."""
        mac.pair("2.18.0", "1.1.0")
        assert main(["doctor", "--python", str(mac.python), "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        (item,) = found["diagnoses"]
        assert item["pins"]["command"] == "nox -s pins -- py3.11-tf2.18.0-metal1.2.0"
        assert str(mac.folder) not in found["attach"]
        assert "does-not-link" in found["attach"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--python", "/nothing"], "is no Python interpreter"),
            (["--traceback", "/nothing"], "is no file"),
        ],
    )
    def test_what_it_cannot_look_at_is_2(
        self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One sentence and a hint."""
        assert main(["doctor", *arguments]) == 2
        assert said in capsys.readouterr().err

    def test_a_text_and_an_environment_make_one_answer(self, mac: Mac, tmp_path: Path) -> None:
        """What both show is told once, with both pieces of what was seen."""
        mac.put("numpy", "2.4.0")
        mac.pair("2.17.0", "1.1.0")
        entry = next(entry for entry in PUBLIC if entry["diagnosis"] == "numpy-2")
        (tmp_path / "error.txt").write_text("\n".join(entry["text"]), encoding="utf-8")
        options = SimpleNamespace(
            python=str(mac.python), traceback=str(tmp_path / "error.txt"), deep=False, json=False, write=False
        )
        (problem,) = commands._exam(options).problems  # type: ignore[arg-type]
        assert problem.id == "numpy-2"
        assert [seen[:10] for seen in problem.saw] == ["numpy 2.4.", "the text s"]
        assert problem.commands == (f"{mac.python} -m pip install 'numpy<2.0.0,>=1.23.5'",)

    def test_write_makes_the_data_anew(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And says whether it had changed."""
        monkeypatch.setattr("metalmatrix.doctor.known_write.write", lambda: False)
        assert main(["doctor", "--write"]) == 0
        assert "as it was" in capsys.readouterr().err


def result(check: str, message: str, outcome: str = "failed", tail: str = "") -> CheckResult:
    """What came of a check."""
    return CheckResult(check, "title", "stage", "breaks", outcome, message=message, tail=tail)  # type: ignore[arg-type]


RELU = (
    "model.predict on /GPU:0 does not apply relu after a dense layer: "
    "the least number is -11 and should be 0."
)


class TestDeep:
    @pytest.mark.parametrize(
        ("failed", "diagnosis"),
        [
            (result("numerics", RELU), "fused-relu"),
            (
                result("device", "TensorFlow lists no GPU, though a plugin is installed (x 1)."),
                "gpu-not-listed",
            ),
            (
                result("fit", "x", tail="NOT_FOUND: could not find registered platform with id: 0x1"),
                "platform-id",
            ),
            (result("save", "the file could not be read again"), "check-failed"),
        ],
    )
    def test_what_fails_is_read_like_a_text(
        self,
        mac: Mac,
        failed: CheckResult,
        diagnosis: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Wrong numbers, no GPU, a failed training: problems now, and what has no name is told as it is."""
        mac.pair("2.17.0", "1.1.0")
        monkeypatch.setattr(deep, "run", lambda *_: (result("import", "", "passed"), failed))
        assert main(["doctor", "--python", str(mac.python), "--deep", "--json"]) == 1
        (item,) = json.loads(capsys.readouterr().out)["diagnoses"]
        assert (item["id"], item["note"]) == (diagnosis, False)
        if diagnosis == "check-failed":
            assert item["commands"] == [f"python3 -m metalmatrix check --python {mac.python} --only save"]

    def test_what_passes_is_healthy(self, mac: Mac, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is found where nothing fails."""
        mac.pair("2.17.0", "1.1.0")
        monkeypatch.setattr(deep, "run", lambda *_: (result("import", "", "passed"),))
        assert main(["doctor", "--python", str(mac.python), "--deep"]) == 0

    def test_the_real_checks_run(
        self, mac: Mac, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """In the environment's own Python: a TensorFlow that cannot be imported is told by its own words."""
        monkeypatch.undo()
        source = "raise TypeError('Descriptors cannot be created directly.')"
        mac.put("tensorflow", "2.17.0", {"tensorflow/__init__.py": source})
        assert main(["doctor", "--python", str(mac.python), "--deep", "--json"]) == 1
        found = json.loads(capsys.readouterr().out)["diagnoses"]
        assert "protobuf" in [item["id"] for item in found]

    @pytest.mark.parametrize("numpy", ["1.26.4", "2.4.0"])
    @pytest.mark.parametrize(
        "error",
        [
            ToolMissingError("It cannot be started.", "make it anew"),
            MatrixError("It cannot be started.", "make it anew"),
            OSError("It cannot be started."),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_what_could_not_be_done_is_no_health(
        self,
        mac: Mac,
        numpy: str,
        error: Exception,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Nor is it a reason to keep what was found without it to oneself."""

        def refuse(*_: object) -> tuple[CheckResult, ...]:
            raise error

        mac.put("numpy", numpy)
        mac.pair("2.17.0", "1.1.0")
        monkeypatch.setattr(deep, "run", refuse)
        assert main(["doctor", "--python", str(mac.python), "--deep"]) == 2
        said = capsys.readouterr().out
        assert "Not done: It cannot be started.\n" in said
        assert ("[numpy-2]" in said) == (numpy == "2.4.0")

    def test_nothing_is_started_without_what_it_needs(
        self, mac: Mac, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Psutil is imported last, beside a check that runs already: it is looked for first."""
        mac.put("numpy", "2.4.0")
        mac.pair("2.17.0", "1.1.0")
        monkeypatch.setitem(sys.modules, "psutil", None)
        monkeypatch.setattr("metalmatrix.running.supervise.run_checks", lambda *_, **__: pytest.fail("run"))
        assert main(["doctor", "--python", str(mac.python), "--deep"]) == 2
        said = capsys.readouterr().out
        assert "[numpy-2]" in said
        assert "Not done: --deep needs the whole package: psutil is missing.\n" in said
        assert f"\n  hint: nox -s doctor -- --deep --python {mac.python}\n" in said


class TestMachine:
    def test_a_mac_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the programs of macOS, whose outputs are those that `docs/hosts.md` names."""
        monkeypatch.setattr("platform.system", lambda: "Darwin")
        module = "metalmatrix.doctor.machine"
        monkeypatch.setattr(f"{module}.native_arch", lambda: "arm64")
        monkeypatch.setattr(f"{module}.this_moment", lambda: Conditions("Background", "normal", virtual=True))
        monkeypatch.setattr(
            f"{module}.output_of", lambda *_, **__: "ProductName: macOS\nProductVersion: 15.2\n"
        )
        machine = this_machine()
        assert machine == Machine("macos", "arm64", "15.2", "Background", virtual=True)
        assert machine.is_apple_silicon
        assert machine.without_login
        assert machine.told == "macOS 15.2 on Apple silicon, session Background, a virtual machine"

    def test_another_machine_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Linux, Windows and Intel Macs are what they are."""
        for system, name in (("Linux", "Linux on "), ("Windows", "windows on ")):
            monkeypatch.setattr("platform.system", lambda system=system: system)
            assert this_machine().told.startswith(name)
        assert Machine("macos", "x86_64", "13.6").told.startswith("macOS 13.6 on Intel: no Apple-silicon Mac")


def test_no_health_is_claimed_from_a_text() -> None:
    """A text that holds no message proves nothing."""
    exam = examine(load_rules(), load_known(), text="hello", clues=Clues())
    assert (exam.healthy, exam.code) == (None, 2)
