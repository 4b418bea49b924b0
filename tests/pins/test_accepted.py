"""Each form of real pins is taken for a Mac by what installs it, as far as that can be had without a Mac."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from packaging.pylock import Pylock

from metalmatrix import cli
from metalmatrix.pins import formats
from metalmatrix.resolving.uv import find_uv
from tests.pins.made import pin_set
from tests.pins.test_formats import conda_pip, environment, mac_tags

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.index

CELL = "py3.11-tf2.17.0-metal1.1.0"
FORMATS = ("requirements", "pylock", "conda", "constraints", "pyproject", "command")


@pytest.fixture(scope="module")
def forms() -> dict[str, str]:
    """Every form of one real set, as the command prints it."""
    found = {}
    for form in FORMATS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            assert cli.main(["pins", CELL, "--format", form]) == 0
        found[form] = out.getvalue()
    return found


@pytest.fixture(scope="module")
def pins(forms: dict[str, str]) -> list[str]:
    """What each form is to install."""
    lines = forms["requirements"].splitlines()
    return [line.partition(" --hash")[0] for line in lines if line and not line.startswith("#")]


def uv(folder: Path, *arguments: str, macos: str = "13.0") -> subprocess.CompletedProcess[str]:
    """A call of uv for Python 3.11 on a Mac."""
    for_a_mac = ("--python-version", "3.11", "--python-platform", "aarch64-apple-darwin")
    return subprocess.run(
        [find_uv(), *arguments, *for_a_mac],
        env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": macos, "NO_COLOR": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def would_install(folder: Path, *arguments: str, macos: str = "13.0") -> list[str]:
    """What uv would install on a Mac: it resolves, and downloads nothing; hashes it does not look at."""
    done = uv(folder, *arguments, "--dry-run", "--target", "target", macos=macos)
    assert done.returncode == 0, done.stderr
    said = (line.strip() for line in done.stderr.splitlines())
    return [line.removeprefix("+ ") for line in said if line.startswith("+ ")]


def test_uv_takes_each_form(forms: dict[str, str], pins: list[str], tmp_path: Path) -> None:
    """The very set, on the macOS that was resolved for and a newer one."""
    (tmp_path / "requirements.txt").write_text(forms["requirements"], encoding="utf-8")
    (tmp_path / "pylock.toml").write_text(forms["pylock"], encoding="utf-8")
    (tmp_path / "conda.txt").write_text("\n".join(conda_pip(forms["conda"])), encoding="utf-8")
    (tmp_path / "constraints.txt").write_text(forms["constraints"], encoding="utf-8")
    install = ("pip", "install")
    for macos in ("13.0", "15.0"):
        by_hash = would_install(tmp_path, *install, "--require-hashes", "-r", "requirements.txt", macos=macos)
        assert by_hash == pins
    assert would_install(tmp_path, *install, "-r", "pylock.toml") == pins
    assert would_install(tmp_path, *install, "--require-hashes", "-r", "conda.txt") == pins
    wanted = ("tensorflow==2.17.0", "tensorflow-metal==1.1.0", "setuptools<82")
    only = ("--only-binary", ":all:")
    assert would_install(tmp_path, *install, *only, "-c", "constraints.txt", *wanted) == pins
    assert would_install(tmp_path, *forms["command"].split()[1:]) == pins


SMALL = ("numpy", "six", "tensorflow-metal", "wrapt")
"""Packages that are small, some of them compiled for Macs: enough to install by hash."""


@pytest.mark.parametrize("wrong", [False, True])
def test_the_hashes_are_those_of_the_wheels_for_a_mac(
    forms: dict[str, str],
    tmp_path: Path,
    wrong: bool,  # noqa: FBT001
) -> None:
    """They are downloaded and unpacked as on a newer Mac, which would rather have another wheel of NumPy.

    With one hash changed they are not: so it is known that the hashes were looked at.
    """
    lines = [line for line in forms["requirements"].splitlines() if line.partition("==")[0] in SMALL]
    if wrong:
        lines = [re.sub(r"sha256:\w+", f"sha256:{'0' * 64}", line) for line in lines]
    (tmp_path / "requirements.txt").write_text("\n".join(lines), encoding="utf-8")
    install = ("pip", "install", "--no-deps", "--require-hashes", "--target", "target", "-r")
    done = uv(tmp_path, *install, "requirements.txt", macos="15.0")
    if wrong:
        assert done.returncode != 0
        assert "hash" in done.stderr.lower()
    else:
        assert done.returncode == 0, done.stderr
        plugin = (tmp_path / "target" / "tensorflow-plugins" / "libmetal_plugin.dylib").read_bytes()
        assert plugin[:8] == bytes.fromhex("cffaedfe0c000001")  # Mach-O, 64 bits, arm64


def test_every_hash_is_one_of_the_index(forms: dict[str, str]) -> None:
    """The lock file has those that the index told an address of; the requirements have all."""
    found = tomllib.loads(forms["pylock"])["packages"]
    told = {wheel["hashes"]["sha256"] for package in found for wheel in package["wheels"]}
    assert told == set(re.findall(r"--hash=sha256:(\w+)", forms["requirements"]))


def test_the_group_resolves_to_the_pair(forms: dict[str, str], pins: list[str], tmp_path: Path) -> None:
    """By PEP 735, for a Mac; for another Python the markers leave nothing of it."""
    (tmp_path / "pyproject.toml").write_text(forms["pyproject"], encoding="utf-8")
    compiled = ("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:")
    done = uv(tmp_path, *compiled, "--group", "pyproject.toml:known-good")
    pair = {pin for pin in pins if pin.startswith(("tensorflow==", "tensorflow-metal=="))}
    assert pair <= set(done.stdout.split())
    other = formats.group(pin_set()).replace("3.11", "3.12")
    (tmp_path / "pyproject.toml").write_text(other, encoding="utf-8")
    assert uv(tmp_path, *compiled, "--group", "pyproject.toml:known-good").stdout.split() == []


def test_the_lock_file_is_one(forms: dict[str, str], pins: list[str]) -> None:
    """By the reader of the specification's authors: valid, whole, and only for such a Mac."""
    read = Pylock.from_dict(tomllib.loads(forms["pylock"]))
    selected = read.select(environment=environment(), tags=mac_tags())
    assert [f"{package.name}=={package.version}" for package, _ in selected] == pins
