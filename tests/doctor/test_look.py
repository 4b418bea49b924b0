"""Looking at an interpreter from outside: real ones of several versions, and some that misbehave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metalmatrix.doctor import look as looking
from metalmatrix.doctor.look import active, interpreter, look
from metalmatrix.errors import ToolMissingError, UsageError
from metalmatrix.running.interpreters import find_python
from tests.fake_environment import Fake


def script(folder: Path, body: str) -> str:
    """An executable that is no Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


class TestInterpreters:
    def test_this_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A virtual environment looks into its own folder alone, whatever its .pth files want to run."""
        monkeypatch.delenv("PYTHONPATH", raising=False)
        fake = Fake(tmp_path / "env")
        (fake.site / "evil.pth").write_text("import os; os._exit(3)\n", encoding="utf-8")
        (fake.site / "sitecustomize.py").write_text("import os; os._exit(4)\n", encoding="utf-8")
        fake.put("numpy", "2.0.2")
        seen = look(str(fake.python), "here")
        assert seen.version == ".".join(map(str, sys.version_info[:3]))
        assert seen.folders == (str(fake.site),)
        assert [str(item) for item in seen.distributions if item.name == "numpy"] == ["numpy 2.0.2"]
        assert (seen.prefix, seen.virtual, seen.manager) == (str(fake.folder), True, "pip")

    def test_pythonpath_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As it does for Python: another environment's packages are a classic."""
        fake = Fake(tmp_path / "env")
        other = tmp_path / "other"
        fake.put("numpy", "1.26.4")
        fake.put("numpy", "2.2.0", site=other)
        monkeypatch.setenv("PYTHONPATH", str(other))
        numpy = look(str(fake.python), "").first("numpy")
        assert (numpy.version, numpy.site) == ("2.2.0", str(other))

    def test_one_that_uv_made(self, tmp_path: Path) -> None:
        """pyvenv.cfg says so."""
        fake = Fake(tmp_path / "env")
        with (fake.folder / "pyvenv.cfg").open("a", encoding="utf-8") as file:
            file.write("uv = 0.9.10\n")
        assert look(str(fake.python), "").manager == "uv"

    def test_one_that_sees_the_systems_packages(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Then the user's own folder counts too, unless it is switched off."""
        monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
        fake = Fake(tmp_path / "env")
        config = fake.folder / "pyvenv.cfg"
        text = config.read_text(encoding="utf-8")
        assert len(look(str(fake.python), "").folders) == 1
        config.write_text(text.replace("= false", "= true"), encoding="utf-8")
        folders = look(str(fake.python), "").folders
        assert folders[0].startswith(str(tmp_path / "user"))
        assert len(folders) >= 3
        monkeypatch.setenv("PYTHONNOUSERSITE", "1")
        assert not look(str(fake.python), "").folders[0].startswith(str(tmp_path / "user"))

    def test_what_it_lists_is_what_python_lists(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Held against sys.path of a real start, for each Python that is here."""
        monkeypatch.delenv("PYTHONPATH", raising=False)
        for version in ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13"):
            python = find_python(version)
            if python is None:
                continue
            code = "import json, sys; print(json.dumps([p for p in sys.path if p.endswith('-packages')]))"
            listed = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
            seen = [folder for folder in look(str(python), "").folders if os.path.isdir(folder)]  # noqa: PTH112
            assert seen == json.loads(listed.stdout)

    @pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
    def test_one_that_is_too_old_can_say_so(self, version: str) -> None:
        """Too old a Python is a thing to be found."""
        found = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
        if not found:
            pytest.skip(f"no Python {version} here")
        assert look(str(found[0]), "").minor == version

    def test_conda(self, tmp_path: Path) -> None:
        """The records of conda-meta, of the packages that matter; a damaged one is passed over."""
        meta = tmp_path / "conda-meta"
        meta.mkdir()
        python = {"name": "python", "version": "3.11.7", "subdir": "osx-64", "channel": "conda-forge"}
        (meta / "python-3.11.7-h1.json").write_text(json.dumps(python), encoding="utf-8")
        (meta / "tensorflow-base-2.10.0-h2.json").write_text("{", encoding="utf-8")
        (meta / "zlib-1.3-h3.json").write_text(json.dumps({"name": "zlib"}), encoding="utf-8")
        os.mkfifo(meta / "numpy-1.26.4-h4.json")
        assert [package.subdir for package in looking._conda(meta)] == ["osx-64"]


class TestThatMisbehave:
    @pytest.mark.parametrize(
        "body",
        [
            "kill -SEGV $$",
            "exit 3",
            "echo garbage",
            "echo '{}'",
            "echo '[1]'",
            "yes",
            "head -c 1000000 /dev/zero",
            """echo '{"version": "3.11.7; rm -rf x", "implementation": "cpython"}'""",
            "printf '\\377\\376'",
        ],
    )
    def test_an_interpreter_that_says_nothing_useful_is_an_error(self, tmp_path: Path, body: str) -> None:
        """It crashes, ends, floods or lies: one sentence, and what to type."""
        with pytest.raises(ToolMissingError, match="does not say what it is") as raised:
            look(script(tmp_path, body), "")
        assert "--python PATH" in raised.value.hint

    def test_one_that_hangs_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With what it started."""
        monkeypatch.setattr(looking, "SECONDS", 0.5)
        started = time.monotonic()
        with pytest.raises(ToolMissingError):
            look(script(tmp_path, "sleep 60 & sleep 60"), "")
        assert time.monotonic() - started < 5

    def test_a_folder_that_holds_nonsense(self, tmp_path: Path) -> None:
        """Damaged dist-info folders are told of, and are no crash."""
        fake = Fake(tmp_path / "env")
        (fake.site / "broken-1.dist-info").mkdir()
        (fake.put("tensorflow", "2.17.0") / "METADATA").unlink()
        os.mkfifo(fake.site / "tensorflow-2.17.0.dist-info/METADATA")
        seen = look(str(fake.python), "")
        assert any("cannot be read" in problem for problem in seen.problems)


class TestChoosing:
    def test_the_active_environment(self, tmp_path: Path) -> None:
        """VIRTUAL_ENV before CONDA_PREFIX, and which it was is said; else the Python that runs."""
        fake = Fake(tmp_path / "env")
        assert active({"VIRTUAL_ENV": str(fake.folder), "CONDA_PREFIX": "/nothing"}) == (
            str(fake.python),
            "the active environment, by VIRTUAL_ENV",
        )
        assert active({"CONDA_PREFIX": str(fake.folder)})[1].endswith("CONDA_PREFIX")
        assert active({})[0] == sys.executable

    def test_the_environment_of_nox_itself_is_nobodys(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It names itself in VIRTUAL_ENV, or in CONDA_PREFIX, and is never the one that is meant."""
        own, conda = Fake(tmp_path / ".nox" / "_nox_script_mode"), Fake(tmp_path / "env")
        assert active({"VIRTUAL_ENV": f"{own.folder}/"})[0] == sys.executable
        monkeypatch.setattr("sys.prefix", str(own.folder))
        for variables in ({}, {"VIRTUAL_ENV": str(own.folder)}, {"CONDA_PREFIX": str(own.folder)}):
            with pytest.raises(UsageError, match="cannot see which one is active") as raised:
                active(variables)
            assert raised.value.hint == "nox -s doctor -- --python .venv"
        seen = active({"VIRTUAL_ENV": str(own.folder), "CONDA_PREFIX": str(conda.folder)})
        assert seen == (str(conda.python), "the active environment, by CONDA_PREFIX")

    def test_a_path_may_be_an_environment(self, tmp_path: Path) -> None:
        """Its folder, or its interpreter."""
        fake = Fake(tmp_path / "env")
        assert interpreter(str(fake.folder)) == interpreter(str(fake.python)) == str(fake.python)

    def test_what_is_none_is_said_to_be_none(self, tmp_path: Path) -> None:
        """With the option to type."""
        (tmp_path / "file").write_text("", encoding="utf-8")
        for name in ("nothing", "file", ""):
            with pytest.raises(UsageError, match="is no Python interpreter"):
                interpreter(str(tmp_path / name))
