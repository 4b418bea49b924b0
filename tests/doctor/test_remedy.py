"""The commands: right for uv, pip and conda, and read by a shell as what they are meant to be."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from metalmatrix.doctor.known import Pins
from metalmatrix.doctor.remedy import Place, commands

PINS = Pins(
    "py3.11-tf2.17.1-metal1.1.0",
    "likely",
    "predicted",
    "12.0",
    ("tensorflow==2.17.1", "tensorflow-metal==1.1.0", "setuptools<82"),
)
FIX = ("{uninstall} tensorflow", "{install} {pins}")
WANTED = "--only-binary :all: tensorflow==2.17.1 tensorflow-metal==1.1.0 'setuptools<82'"


PYTHON = "/v/bin/python"


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        (
            Place("uv", PYTHON),
            (f"uv pip uninstall --python {PYTHON} tensorflow", f"uv pip install --python {PYTHON} {WANTED}"),
        ),
        (
            Place("pip", PYTHON),
            (f"{PYTHON} -m pip uninstall -y tensorflow", f"{PYTHON} -m pip install {WANTED}"),
        ),
        (
            Place("conda", PYTHON),
            (f"{PYTHON} -m pip uninstall -y tensorflow", f"{PYTHON} -m pip install {WANTED}"),
        ),
        (Place("uv"), ("uv pip uninstall tensorflow", f"uv pip install {WANTED}")),
        (Place("pip"), ("python3 -m pip uninstall -y tensorflow", f"python3 -m pip install {WANTED}")),
    ],
)
def test_each_manager_has_its_own_words(place: Place, lines: tuple[str, ...]) -> None:
    """Uv takes --python; pip is run by the interpreter, also in conda's environments."""
    assert commands(FIX, place, PINS, {}) == lines


def test_another_python_means_another_environment() -> None:
    """Pins for 3.11 are not installed into 3.13."""
    lines = commands(FIX, Place("uv", "/v/bin/python", "3.13"), PINS, {})
    assert lines == (
        "uv venv --python cpython-3.11-macos-aarch64-none .venv-metal",
        f"uv pip install --python .venv-metal {WANTED}",
    )


def test_a_new_environment_of_conda_is_of_its_own_platform() -> None:
    """Else an Intel conda would make another of its kind."""
    lines = commands(("{new}",), Place("conda", "/v/bin/python"), PINS, {})
    assert lines[0] == "CONDA_SUBDIR=osx-arm64 conda create -y -n metal -c conda-forge python=3.11"
    assert "conda config --env --set subdir osx-arm64" in lines


def test_pip_gets_uv_for_a_native_python() -> None:
    """Pip cannot install a Python."""
    lines = commands(("{new}",), Place("pip", "/v/bin/python"), PINS, {})
    assert lines[0] == "/v/bin/python -m pip install uv"
    assert lines[1].startswith("/v/bin/python -m uv venv --python cpython-3.11-macos-aarch64-none ")


def test_half_a_remedy_is_none() -> None:
    """Where nothing can be installed instead, nothing is uninstalled."""
    assert commands(FIX, Place("pip", "/v/bin/python"), None, {}) == ()
    assert commands(FIX, Place("pip", "/v/bin/python", has_wheels=False), PINS, {}) == ()


def test_a_line_that_cannot_be_filled_is_left_out() -> None:
    """The library that was seen is removed, where one was seen."""
    fix = ("rm {leftover}", "{install} {pins}")
    assert commands(fix, Place("pip"), PINS, {})[0].startswith("python3 -m pip install")
    assert commands(fix, Place("pip"), PINS, {"leftover": "/a b/x.dylib"})[0] == "rm '/a b/x.dylib'"
    assert len(commands(fix, Place("pip"), PINS, {"leftover": "/a\x1b[2Jb"})) == 1


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_a_shell_reads_them_as_they_are_meant(shell: str) -> None:
    """Bounds, paths with blanks, dollars and quotes reach the program as they are; zsh globs nothing."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    place = Place("pip", "/a $HOME/it's `here`/[x]/=python")
    for line in commands(FIX, place, PINS, {}):
        done = subprocess.run(
            [shell, "-c", f"show() {{ printf '%s\\n' \"$@\"; }}; show {line}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        assert done.stdout.splitlines() == shlex.split(line)
        assert done.stdout.splitlines()[0] == place.python
