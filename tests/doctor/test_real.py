"""The doctor over what is real: published wheels for a Mac, and a TensorFlow that breaks and is mended."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.doctor import text
from metalmatrix.doctor.exam import Exam, examine
from metalmatrix.doctor.known import load_known
from metalmatrix.doctor.look import look
from metalmatrix.doctor.machine import this_machine
from metalmatrix.doctor.rules import load_rules
from metalmatrix.doctor.scene import Scene
from metalmatrix.resolving.uv import run_uv
from metalmatrix.running.interpreters import find_python
from tests.doctor.mac import MAC

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.doctor.machine import Machine


def uv(*arguments: str) -> None:
    """Run uv, or skip where the index does not answer."""
    answer = run_uv(arguments, seconds=900)
    if answer.unreachable:
        pytest.skip("the package index did not answer")
    assert answer.code == 0, answer.err


def environment(folder: Path, *requirements: str) -> Path:
    """The interpreter of a new environment of Python 3.11 with *requirements* in it."""
    python = find_python("3.11")
    if python is None:
        pytest.skip("Python 3.11 is not on this machine")
    uv("venv", "--python", str(python), str(folder))
    made = folder / "bin" / "python"
    uv("pip", "install", "--python", str(made), *requirements)
    return made


def exam(python: Path, machine: Machine) -> Exam:
    """What the doctor says of the environment of *python* on *machine*, whose native Python it is."""
    seen = replace(look(str(python), "for a test"), machine=machine.arch)
    return examine(load_rules(), load_known(), scene=Scene(seen, machine, load_known()))


@pytest.mark.index
def test_wheels_for_a_mac_as_they_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real plugin and the real empty wheel that requires itself, installed for a Mac by uv."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    wheels = ("--python-platform", "aarch64-apple-darwin", "--no-deps", "--only-binary", ":all:")
    python = environment(tmp_path / "env", *wheels, "tensorflow-metal==1.1.0", "tensorflow-macos==2.15.1")
    found = exam(python, MAC)
    assert [item.id for item in found.diagnoses] == ["empty-framework"]
    assert found.diagnoses[0].commands[0].startswith("uv pip uninstall --python ")
    library = tmp_path / "env/lib/python3.11/site-packages/tensorflow-plugins/libmetal_plugin.dylib"
    assert found.scene is not None
    assert found.scene.plugins == {"errors": [], "notes": [], "loaded": [str(library)]}
    uv("pip", "uninstall", "--python", str(python), "tensorflow-metal")
    library.parent.mkdir(exist_ok=True)
    library.write_bytes(b"what an upgrade that was cut off has left")
    assert "leftover-plugin" in [item.id for item in exam(python, MAC).diagnoses]


@pytest.mark.tensorflow
def test_what_it_tells_to_type_mends_a_real_tensorflow(tmp_path: Path) -> None:
    """A plain 2.14.0 of today: environment and traceback name the same cause, and the command cures it."""
    python = environment(tmp_path / "env", "tensorflow-cpu==2.14.0", "setuptools<82", "numpy==2.2.6")
    importing = [str(python), "-c", "import tensorflow"]
    broken = subprocess.run(importing, capture_output=True, check=False, timeout=120)
    assert broken.returncode != 0
    (tmp_path / "error.txt").write_bytes(broken.stderr)
    said = text.read(str(tmp_path / "error.txt"))
    told = examine(load_rules(), load_known(), text=said, clues=text.clues(said))
    assert [item.id for item in told.problems] == ["numpy-2"]
    (problem,) = exam(python, this_machine()).problems
    assert problem.id == "numpy-2"
    program, *arguments = shlex.split(problem.commands[0])
    assert program == "uv"
    uv(*arguments)
    healthy = exam(python, this_machine())
    assert (healthy.diagnoses, healthy.healthy) == ((), True)
    assert subprocess.run(importing, capture_output=True, check=False, timeout=120).returncode == 0
