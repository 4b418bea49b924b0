"""The doctor runs where everything else is broken: on old Pythons, with the standard library alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metalmatrix.errors import ToolMissingError
from metalmatrix.running.interpreters import find_python
from tests.clone import ROOT
from tests.doctor.test_rules import PUBLIC
from tests.fake_environment import Fake

VERSIONS = ("3.8", "3.9", "3.10", "3.13")

# Without site-packages, so that nothing but the standard library and the clone can be imported; at the end it
# tells what was.
RUN = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from metalmatrix.cli import main
code = main(sys.argv[1:])
print("imported:", " ".join(sorted(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a person has who cloned the repository: the package, the checks, matrix.toml."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("metalmatrix", "checks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "matrix.toml", folder)
    return folder


@pytest.fixture
def broken(tmp_path: Path) -> Fake:
    """An environment whose NumPy is too new for its TensorFlow."""
    fake = Fake(tmp_path / "env")
    source = "raise SystemExit('TensorFlow was imported')"
    fake.put("tensorflow", "2.14.0", {"tensorflow/__init__.py": source})
    fake.put("numpy", "2.2.6")
    return fake


def run(python: Path, clone: Path, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """What ``doctor`` does with them in an isolated Python."""
    return subprocess.run(
        [str(python), "-I", "-S", "-c", RUN, str(clone), "doctor", *arguments],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_it_needs_nothing_but_python(version: str, clone: Path, broken: Fake) -> None:
    """Both ways of asking, as text and as JSON; TensorFlow is never imported."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not on this machine")
    done = run(python, clone, "--python", str(broken.folder))
    assert done.returncode == 1, done.stderr
    assert "[numpy-2]" in done.stdout
    imported = set(re.findall(r"\S+", done.stderr.partition("imported: ")[2]))
    assert "metalmatrix.doctor.signs" in imported
    assert not {"packaging", "rich", "psutil", "tensorflow", "numpy"} & imported
    message = next(entry for entry in PUBLIC if entry["diagnosis"] == "platform-id")
    done = run(python, clone, "--traceback", "-", "--json", said="\n".join(message["text"]))
    assert done.returncode == 1, done.stderr
    assert [item["id"] for item in json.loads(done.stdout)["diagnoses"]] == ["platform-id"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_needs_more_says_so(version: str, clone: Path, broken: Fake) -> None:
    """--deep wants the whole package: the rest is done all the same, and the command is told."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not on this machine")
    done = run(python, clone, "--deep", "--python", str(broken.folder))
    assert done.returncode == 2, done.stderr
    assert "Not done: --deep needs" in done.stdout
    assert "[numpy-2]" in done.stdout


def test_it_takes_less_than_a_second(clone: Path, broken: Fake) -> None:
    """On a broken environment, start of Python included: 0.2 s on a quiet core; the bar is for a busy one."""
    for number in range(60):
        broken.put(f"package-{number}", "1.0", {f"package_{number}/__init__.py": ""})
    taken = []
    for _ in range(3):
        started = time.monotonic()
        assert run(Path(sys.executable), clone, "--python", str(broken.folder)).returncode == 1
        taken.append(time.monotonic() - started)
    assert min(taken) < 2


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_a_python_that_is_too_old_for_the_doctor_is_told_what_to_type(version: str, clone: Path) -> None:
    """One sentence, and the command that looks at that Python with another."""
    found = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} here")
    done = subprocess.run(
        [str(found[0]), "-m", "metalmatrix", "doctor"], cwd=clone, capture_output=True, text=True, check=False
    )
    assert done.returncode == ToolMissingError.exit_code
    assert done.stderr == (
        f"error: this is Python {version}; metalmatrix needs 3.10 or later, and its doctor 3.8\n"
        f"  hint: python3 -m metalmatrix doctor --python {found[0]}\n"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_other_commands_say_what_is_missing(version: str, clone: Path) -> None:
    """A clone without what the project needs: what is not installed, and what installs it."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not on this machine")
    done = subprocess.run(
        [str(python), "-S", "-m", "metalmatrix", "explain", "3.11"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == ToolMissingError.exit_code
    assert re.fullmatch(r"error: \w+ is not installed\n  hint: .*python3 -m pip install \.\n", done.stderr)
