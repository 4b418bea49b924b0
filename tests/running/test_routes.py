"""The route `conda`: what it takes, and a cell that really goes it, from a channel to the checks."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from metalmatrix.cells import matrix_file
from metalmatrix.cells.cell import Cell
from metalmatrix.errors import ToolMissingError
from metalmatrix.running import routes
from metalmatrix.running.plan import Options
from metalmatrix.running.results import Store
from metalmatrix.verdicts.observe import from_results
from metalmatrix.verdicts.verdict import verdict
from tests import conda_channel
from tests.clone import HERE, MATRIX, SIX, entries
from tests.fake_index import FakeIndex, FakeWheel
from tests.running.test_run import OnAMac
from tests.samples import MAC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CELL = f"py{HERE}-tf2.15.0-nometal-conda"
SAYS_WHERE = """\
import os, sys
made_by_conda = os.path.isdir(os.path.join(sys.prefix, "conda-meta"))
raise ImportError(f"conda: {made_by_conda}, pip is there: {'pip_is_here.txt' in os.listdir(sys.path[-1])}")
"""
WHEELS = (
    SIX,
    FakeWheel("tensorflow-macos", "2.15.0", requires=("six",), files={"tensorflow/__init__.py": SAYS_WHERE}),
    FakeWheel("tensorflow-metal", "1.1.0", requires=("six",)),
)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel that has an interpreter, which takes some seconds to make."""
    pytest.importorskip("rattler")
    return conda_channel.make(tmp_path_factory.mktemp("channel"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without conda, with caches and an index of its own."""
    with FakeIndex(WHEELS) as fake:
        monkeypatch.setenv("UV_DEFAULT_INDEX", fake.url)
        for variable in ("UV_CACHE_DIR", "XDG_CACHE_HOME", "RATTLER_CACHE_DIR"):
            monkeypatch.setenv(variable, str(tmp_path / "cache"))
        monkeypatch.setattr("metalmatrix.running.environment.cache_dir", lambda: tmp_path / "cache")
        monkeypatch.setattr("metalmatrix.running.run.cache_dir", lambda: tmp_path / "cache")
        monkeypatch.setenv("METALMATRIX_RUN", tmp_path.name)
        monkeypatch.setattr(routes, "PROGRAMS", ())
        yield


def runner(tmp_path: Path, options: Options) -> OnAMac:
    """A runner of one framework without a plugin, by both routes."""
    axes = {"pythons": entries([HERE]), "frameworks": entries(["2.15.0"]), "plugins": entries(["none"])}
    rest = f'[[include]]\ncell = "{CELL}"\n'
    matrix = matrix_file.parse(MATRIX.format(**axes, seconds=30, rest=rest))
    return OnAMac(matrix, Store(tmp_path / "results"), options, lambda _: None)


def test_the_route_is_in_the_id_where_it_is_not_a_venv() -> None:
    """Ids of cells in virtual environments are what they were; conda's end with it, and are read back."""
    venv, conda = Cell.parse("py3.9-tf2.12.0-metal0.8.0"), Cell.parse("py3.9-tf2.12.0-metal0.8.0-conda")
    assert (venv.route, conda.route) == ("venv", "conda")
    assert conda == replace(venv, route="conda")
    assert conda.id == f"{venv.id}-conda"
    assert conda.tags == (*venv.tags, "conda")
    assert (venv.plugin_name, conda.plugin_name) == ("metal 0.8.0", "metal 0.8.0 conda")
    assert sorted((conda, venv), key=lambda cell: cell.sort_key) == [venv, conda]


@pytest.mark.usefixtures("machine")
def test_without_conda_it_is_untested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made up where no conda is: the cell has its other evidence, and says what to type."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    run = runner(tmp_path, Options())
    record = run.cell(run.matrix.cell(CELL), run.plan(lambda: run.matrix.cells))
    pinned = record.sets["pinned"]
    assert (pinned.resolved.outcome, pinned.run) == ("ok", None)
    assert pinned.untested.endswith("or py-rattler by pip beside nox, with NOX_SCRIPT_MODE=none")
    assert "brew install micromamba" in pinned.untested
    with pytest.raises(ToolMissingError, match="to install one"), routes.environment_of(Cell.parse(CELL)):
        pass


@pytest.mark.parametrize(
    ("there", "taken"),
    [(("conda", "mamba", "micromamba"), "conda"), (("micromamba", "mamba"), "mamba"), ((), "rattler")],
)
def test_which_backend_is_taken(there: tuple[str, ...], taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the user's own comes first, conda before the others; the Python package is the last."""
    monkeypatch.setattr(shutil, "which", lambda name: name if name in there else None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert routes.conda_backend() == taken


def test_channels_are_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conda and mamba have their own settings; the others are told what CONDA_CHANNELS names."""
    monkeypatch.setenv("CONDA_CHANNELS", "apple, conda-forge")
    named = ["--channel=apple", "--channel=conda-forge"]
    assert [routes._channels(name) for name in (*routes.PROGRAMS, routes.RATTLER)] == [[], [], named, named]
    monkeypatch.delenv("CONDA_CHANNELS")
    assert routes._channels("micromamba") == []


@pytest.mark.usefixtures("machine")
def test_a_cell_goes_the_route_down_to_its_checks(
    tmp_path: Path, channel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conda's interpreter runs the checks under the lock of the venv's cell, and both cells are run."""
    monkeypatch.setenv("CONDA_CHANNELS", channel.as_uri())
    told: list[str] = []
    run = replace(runner(tmp_path, Options(keep=True)), tell=told.append)
    plan = run.plan(lambda: run.matrix.cells)
    conda, venv = (run.cell(run.matrix.cell(name), plan) for name in (CELL, CELL.removesuffix("-conda")))
    said = []
    for record in (conda, venv):
        made = record.sets["pinned"].run
        assert made is not None
        assert not made.failure
        said += [check.message for check in made.checks if check.check == "import"]
    assert ["conda: True, pip is there: True" in text for text in said] == [True, False], said
    assert "conda: False" in said[1]
    assert conda.sets["pinned"].environment == venv.sets["pinned"].environment
    place = tmp_path / "cache" / "environments" / CELL
    assert (place / "conda-meta").is_dir()
    assert f"the environment is kept: {place / 'bin' / 'python'}" in told
    found = from_results(
        conda, run.store.load(MAC.slug), fresh=True, current={"pinned": conda.sets["pinned"].resolved.lock}
    )
    assert verdict(run.matrix.cell(CELL), found).stage == "import"
    assert run.store.read(MAC.slug, CELL) == conda  # the schema takes its name


@pytest.mark.usefixtures("machine")
def test_a_channel_that_has_no_such_python(
    tmp_path: Path, channel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the backend says is told in a line, with what to look at; nothing is left behind as a result."""
    monkeypatch.setenv("CONDA_CHANNELS", channel.as_uri())
    why = r"rattler could not make an environment of Python 3\.2: "
    with pytest.raises(ToolMissingError, match=why) as caught:
        routes.make_conda(tmp_path / "made" / "here", "3.2")
    assert "\n" not in caught.value.what
    monkeypatch.setenv("CONDA_CHANNELS", (tmp_path / "nowhere").as_uri())
    with pytest.raises(ToolMissingError, match="its channels, or CONDA_CHANNELS"):
        routes.make_conda(tmp_path / "made" / "here", HERE)


FAKE = """\
#!/bin/sh
echo "$@" > "$0.asked"
case "$0" in
  *says-no*/conda) echo 'PackagesNotFoundError: python=3.2'; exit 1 ;;
  *hangs*/conda) sleep 60 ;;
  *) exec "{python}" -m venv --without-pip "$4" ;;
esac
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a program named conda on the PATH, which behaves as its folder's name says."""

    def put(behaves: str) -> Path:
        path = tmp_path / behaves / "conda"
        path.parent.mkdir()
        path.write_text(FAKE.format(python=sys.executable), encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(path.parent), prepend=":")
        return path

    return put


def test_a_program_of_the_users_own(tmp_path: Path, program: Callable[[str], Path]) -> None:
    """Conda on the PATH is told the Python and nothing of channels, which are its own business."""
    path = program("good")
    routes.make_conda(tmp_path / "made" / "here", "3.11")
    assert (tmp_path / "made" / "here" / "bin" / "python").exists()
    asked = path.with_name("conda.asked").read_text(encoding="utf-8").split()
    assert asked == ["create", "--yes", "--prefix", str(tmp_path / "made" / "here"), "pip", "python=3.11"]


def test_what_it_says_is_told(tmp_path: Path, program: Callable[[str], Path]) -> None:
    """Its own words are in the error."""
    program("says-no")
    with pytest.raises(ToolMissingError, match=r"Python 3\.2: .*PackagesNotFoundError: python=3\.2"):
        routes.make_conda(tmp_path / "made" / "here", "3.2")


def test_it_is_not_waited_for_without_end(
    tmp_path: Path, program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that hangs is ended, with what it started."""
    path = program("hangs")
    monkeypatch.setattr(routes, "MAKE_SECONDS", 5)
    with pytest.raises(ToolMissingError, match="it did not end in 5 s"):
        routes.make_conda(tmp_path / "made" / "here", "3.11")
    assert path.with_name("conda.asked").exists()
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(str(path) in line for line in lines)
