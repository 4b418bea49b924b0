from __future__ import annotations

import platform
import sys
import time
from typing import TYPE_CHECKING

import pytest

from metalmatrix.errors import UsageError
from metalmatrix.running import interpreters
from metalmatrix.running.host import native_arch

if TYPE_CHECKING:
    from pathlib import Path

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def script(path: Path, body: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def fake_python(
    path: Path,
    version: str = "3.11",
    *,
    implementation: str = "cpython",
    machine: str = "",
    flags: str = "",
    base: Path | str = "",
) -> Path:
    """An executable that answers as a Python would."""
    told = (implementation, version, machine or native_arch(), flags, base)
    return script(path, "cat <<'END'\n" + "".join(f"{line}\n" for line in told) + "END")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which nothing is installed yet."""
    monkeypatch.setattr(interpreters, "_PLACES", ())
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def found_at(version: str, **environment: str) -> Path | None:
    """The Python of that version on a machine with these variables."""
    return interpreters.choose(version, interpreters.candidates(version, environment)).python


class TestPlaces:
    @pytest.mark.parametrize(
        ("variable", "default", "below"),
        [
            ("PYENV_ROOT", ".pyenv", "versions/3.11.7/bin/python3.11"),
            (
                "UV_PYTHON_INSTALL_DIR",
                ".local/share/uv/python",
                "cpython-3.11.7-macos-aarch64-none/bin/python3.11",
            ),
            ("MISE_DATA_DIR", ".local/share/mise", "installs/python/3.11.7/bin/python3.11"),
            ("ASDF_DATA_DIR", ".asdf", "installs/python/3.11.7/bin/python3.11"),
        ],
    )
    def test_version_managers(self, home: Path, variable: str, default: str, below: str) -> None:
        """What a version manager keeps is found, active or not, by default and by its variable."""
        python = fake_python(home / default / below)
        elsewhere = fake_python(home / "elsewhere" / below)
        assert found_at("3.11") == python
        assert found_at("3.11", **{variable: str(home / "elsewhere")}) == elsewhere

    def test_xdg_data_home(self, home: Path) -> None:
        """Managers that follow the XDG folders are found where these have been moved."""
        python = fake_python(home / "data/uv/python/cpython-3.11.7-linux-x86_64-gnu/bin/python3.11")
        assert found_at("3.11", XDG_DATA_HOME=str(home / "data")) == python

    def test_path_comes_first(self, home: Path) -> None:
        """What the user has on PATH wins over what a version manager keeps."""
        fake_python(home / ".pyenv/versions/3.11.9/bin/python3.11")
        python = fake_python(home / "bin/python3.11")
        assert found_at("3.11", PATH=f"relative:{home}/none:{home}/bin") == python

    def test_newest_patch_first(self, home: Path) -> None:
        """Of several patch releases the newest final one is taken, by number and not by spelling."""
        for patch in ("3.11.9", "3.11.10", "3.11.10rc1", "3.11-dev", "3.1.99"):
            fake_python(home / f".pyenv/versions/{patch}/bin/python3.11")
        assert found_at("3.11") == home / ".pyenv/versions/3.11.10/bin/python3.11"

    def test_shims_are_not_run(self, home: Path) -> None:
        """A version manager's shims are left alone: they run what is active, or fail slowly."""
        script(home / "shims/python3.11", f"touch {home}/ran")
        assert found_at("3.11", PATH=f"{home}/shims") is None
        assert not (home / "ran").exists()

    def test_this_python(self) -> None:
        """The interpreter that runs the tests is found on a machine where nothing else is."""
        assert found_at(HERE) is not None

    def test_no_home(self, home: Path) -> None:
        """Without anything to look into, nothing is found and nothing raised."""
        assert found_at("3.11", PATH="", PYENV_ROOT=f"{home}/\x01*[") is None


class TestCandidates:
    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"version": "3.9"}, "is Python '3.9'"),
            ({"implementation": "pypy"}, "is 'pypy', and TensorFlow is built for CPython"),
            ({"flags": "t"}, "is a free-threaded build, which TensorFlow has no wheels for"),
            ({"machine": "ppc64"}, "runs as 'ppc64', which is not native to this machine"),
            ({"machine": "\x1b[2J"}, r"runs as '\x1b[2J', which is not native to this machine"),
        ],
    )
    def test_wrong_ones(self, tmp_path: Path, fields: dict[str, str], reason: str) -> None:
        """A Python that is not what its name says is passed over with the reason, and the next is taken."""
        wrong = fake_python(tmp_path / "wrong/python3.11", **fields)
        right = fake_python(tmp_path / "right/python3.11")
        assert interpreters.choose("3.11", [wrong, right]) == interpreters.Search(
            right, (f"{wrong} {reason}",)
        )

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param("exit 127", id="fails"),
            pytest.param("echo Python 3.11.7", id="talks"),
            pytest.param("yes", id="never stops talking"),
            pytest.param("sleep 60 & sleep 60", id="hangs"),
            pytest.param("kill -SEGV $$", id="crashes"),
            pytest.param("printf '\\377\\376\\n'", id="no text"),
        ],
    )
    def test_misbehaving_ones(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
        """Whatever a candidate does when it is run, it costs no more than the time limit."""
        monkeypatch.setattr(interpreters, "TIMEOUT", 2.0)
        wrong = script(tmp_path / "wrong/python3.11", body)
        right = fake_python(tmp_path / "right/python3.11")
        started = time.monotonic()
        found = interpreters.choose("3.11", [wrong, right])
        assert found == interpreters.Search(right, (f"{wrong} does not say what it is when it is run",))
        assert time.monotonic() - started < 10

    def test_no_programs(self, tmp_path: Path) -> None:
        """What is missing, a folder, or not executable is no candidate that runs."""
        plain = tmp_path / "python3.11"
        plain.write_text("", encoding="utf-8")
        assert interpreters.choose("3.11", [tmp_path / "none", tmp_path, plain]).python is None

    def test_each_once(self, tmp_path: Path) -> None:
        """A folder that is twice on PATH is asked once."""
        wrong = fake_python(tmp_path / "python3.11", "3.9")
        assert len(interpreters.choose("3.11", [wrong, wrong]).passed_over) == 1


class TestVirtualEnvironments:
    def test_stands_for_its_python(self, tmp_path: Path) -> None:
        """A virtual environment is no home for a cell, but what it was made from is."""
        python = fake_python(tmp_path / "opt/bin/python3.11")
        environment = fake_python(tmp_path / "venv/bin/python3.11", base=tmp_path / "opt")
        assert interpreters.choose("3.11", [environment]).python == python

    def test_whose_python_is_gone(self, tmp_path: Path) -> None:
        """An environment that outlived its Python is passed over."""
        environment = fake_python(tmp_path / "venv/bin/python3.11", base=tmp_path / "gone")
        assert interpreters.choose("3.11", [environment]).python is None

    def test_in_a_circle(self, tmp_path: Path) -> None:
        """Environments that name each other as their Python are not followed for ever."""
        one = fake_python(tmp_path / "one/bin/python3.11", base=tmp_path / "two")
        two = fake_python(tmp_path / "two/bin/python3.11", base=tmp_path / "one")
        assert interpreters.choose("3.11", [one, two]).python is None


class TestAppleSilicon:
    @pytest.fixture(autouse=True)
    def arm64(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interpreters, "native_arch", lambda: "arm64")

    def test_native_over_translated(self, tmp_path: Path) -> None:
        """An x86-64 Python, which Rosetta 2 would have to translate, is not taken; an arm64 one is."""
        intel = fake_python(tmp_path / "intel/python3.11", machine="x86_64")
        native = fake_python(tmp_path / "native/python3.11", machine="arm64")
        found = interpreters.choose("3.11", [intel, native])
        assert found.python == native
        assert found.passed_over == (f"{intel} runs as 'x86_64', which is not native to this machine",)
        assert interpreters.choose("3.11", [intel]).python is None

    def test_how_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The command names the architecture only where uv would take the wrong one by itself."""
        monkeypatch.setattr(platform, "machine", lambda: "arm64")
        assert interpreters.how_to_install("3.11") == "uv python install 3.11"
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        assert interpreters.how_to_install("3.11") == "uv python install cpython-3.11-macos-aarch64-none"


def test_really_finds_this_version() -> None:
    """On the machine of the test, its own version is found, and looked for once."""
    found = interpreters.find_python(HERE)
    assert found is not None
    assert interpreters.search(HERE) is interpreters.search(HERE)
    assert interpreters.choose(HERE, [found]).python == found


@pytest.mark.parametrize("version", ["3", "3.11.7", "../..", "3.1*", "", "cpython3.11", "3.11\n"])
def test_no_version(version: str) -> None:
    """What is no minor version is refused before it gets into a pattern."""
    with pytest.raises(UsageError, match=r"no minor version of Python\n  hint: write it like 3\.11"):
        interpreters.find_python(version)
