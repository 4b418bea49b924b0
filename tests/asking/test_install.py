"""The command that installs a cell: what is in it, and that a shell takes it as it stands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metalmatrix.asking.install import from_nothing, requirements, with_pip
from metalmatrix.cells import history
from metalmatrix.cells.cell import Cell
from metalmatrix.resolving.repairs import load_repairs
from metalmatrix.resolving.uv import run_uv
from tests.samples import lock

OLD = Cell.parse("py3.10-tf2.9.0-metal0.5.0")


def test_a_command_has_the_releases_and_their_bounds() -> None:
    """The name that holds the binaries, the plugin, and the repairs that apply."""
    found = requirements(Cell.parse("py3.11-tf2.14.0-metal1.1.0"))
    assert found == ("tensorflow-macos==2.14.0", "tensorflow-metal==1.1.0", "numpy<2", "setuptools<82")


def test_without_a_plugin_there_is_none_in_it() -> None:
    """And no bound where none is needed."""
    assert requirements(Cell.parse("py3.12-tf2.21.0-nometal")) == ("tensorflow==2.21.0",)


def test_a_cell_by_conda_has_condas_python_and_pips_packages() -> None:
    """As the guides do it: the interpreter from conda, the packages by pip, the bounds with them."""
    made, entered, installed = from_nothing(Cell.parse("py3.9-tf2.12.0-metal0.8.0-conda"))
    assert made == "conda create --name tf-2.12.0 python=3.9"
    assert entered == "conda activate tf-2.12.0"
    assert installed == with_pip(Cell.parse("py3.9-tf2.12.0-metal0.8.0"))


def test_a_bound_on_a_package_that_is_not_in_the_lock_is_left_out() -> None:
    """On a command line it would add the package."""
    assert {repair.bound for repair in load_repairs() if repair.applies(OLD)} >= {"numpy<2", "setuptools<82"}
    found = requirements(OLD, lock("tensorflow-macos==2.9.0", "numpy==1.26.4"))
    assert found[2:] == ("numpy<2",)


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_a_shell_takes_each_command_as_it_stands(shell: str) -> None:
    """No redirection, no pattern, no history: each requirement is one argument."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    for command in (*from_nothing(OLD), with_pip(OLD)):
        _, _, arguments = command.partition(" ")
        printed = subprocess.run(
            [shell, "-c", f"printf '%s\\n' {arguments}"], capture_output=True, text=True, check=True
        )
        assert printed.stderr == ""
        assert printed.stdout.split("\n")[:-1] == [part.strip('"') for part in arguments.split()]


def test_all_that_is_ever_quoted_is_harmless_in_double_quotes() -> None:
    """No requirement of any cell has a character that means something between double quotes."""
    told = {r for cell in history.cells() if cell.python == "3.11" for r in requirements(cell)}
    told |= {repair.bound for repair in load_repairs()}
    assert not {r for r in told if set(r) & set('"$`\\!\n')}


@pytest.mark.index
@pytest.mark.parametrize(
    "cell", ["py3.11-tf2.14.0-metal1.1.0", "py3.8-tf2.9.0-metal0.5.0", "py3.12-tf2.18.1-metal1.2.0"]
)
def test_the_command_can_be_followed(cell: str, tmp_path: Path) -> None:
    """For a Mac, the index has wheels for all that the command asks for."""
    found = Cell.parse(cell)
    wanted = Path(tmp_path, "requirements.in")
    wanted.write_text("\n".join(requirements(found)), encoding="utf-8")
    arguments = [
        "pip",
        "compile",
        str(wanted),
        "--quiet",
        "--only-binary",
        ":all:",
        "--python",
        sys.executable,
    ]
    arguments += ["--python-platform", "aarch64-apple-darwin", "--python-version", found.python]
    assert run_uv(arguments, env={"MACOSX_DEPLOYMENT_TARGET": "13.0"}).code == 0
