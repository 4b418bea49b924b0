"""The route `conda-forge`: the solver's answers for a Mac, and a cell that really goes it, to its checks.

The channel is a folder: an interpreter of this machine, and a package ``tensorflow`` that is none, but
a module of a few lines.  What is for ``osx-arm64`` in it is solved from here, and never installed.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells import matrix_file
from metalmatrix.cells.cell import Cell
from metalmatrix.errors import ResultError
from metalmatrix.resolving import conda
from metalmatrix.resolving.lock import Lock
from metalmatrix.resolving.question import Question
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.running import routes
from metalmatrix.running.plan import Options
from metalmatrix.running.results import Store
from metalmatrix.running.run import Runner
from metalmatrix.verdicts.observe import NOT_READ, from_linked, from_results
from metalmatrix.verdicts.verdict import verdict
from metalmatrix.wheels.wheel_facts import load_facts
from tests import conda_channel
from tests.clone import HERE, MATRIX, SIX, entries
from tests.fake_index import FakeIndex, FakeWheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metalmatrix.verdicts.evidence import Which

DAY = dt.date(2026, 11, 19)
GOOD, BAD, GONE = "2.16.2", "2.17.1", "2.18.1"
BREAKS = "raise ImportError('this tensorflow misbehaves on purpose')\n"
SAYS = "__version__ = '2.16.2'\nraise ImportError(f'{__file__} of a conda package')\n"


def cell_id(version: str, plugin: str = "nometal") -> str:
    """The cell of that release for the Python that runs the tests."""
    return f"py{HERE}-tf{version}-{plugin}-conda-forge"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel with an interpreter and two releases that fail at import; one asks for what is not there."""
    pytest.importorskip("rattler")
    folder = conda_channel.make(tmp_path_factory.mktemp("channel"))
    site = f"lib/python{HERE}/site-packages"
    for platform in ("", conda.OSX):
        if platform:
            conda_channel.package(folder, "python", f"{HERE}.99", {}, {}, platform=platform)
        for version, code in ((GOOD, SAYS), (BAD, BREAKS)):
            files = {f"{site}/tensorflow/__init__.py": code.encode()}
            asked = [f"python {HERE}.*", "h5py_lite >=1"]
            conda_channel.package(folder, "tensorflow", version, files, {}, depends=asked, platform=platform)
        conda_channel.package(folder, "tensorflow", GONE, {}, {}, depends=["nowhere"], platform=platform)
        conda_channel.package(folder, "h5py_lite", "9e", {}, {}, platform=platform)
        # Made after the day, and so not there as of it.
        conda_channel.package(folder, "h5py_lite", "10a", {}, {}, platform=platform, day="2026-11-20")
    return folder


@pytest.fixture
def machine(channel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with that channel, and with caches and an index of its own."""
    with FakeIndex((SIX, FakeWheel("tensorflow-metal", "1.1.0", requires=("six",)))) as fake:
        monkeypatch.setenv("UV_DEFAULT_INDEX", fake.url)
        monkeypatch.setenv("CONDA_CHANNELS", channel.as_uri())
        for variable in ("UV_CACHE_DIR", "XDG_CACHE_HOME", "RATTLER_CACHE_DIR"):
            monkeypatch.setenv(variable, str(tmp_path / "cache"))
        for module in ("files", "resolving.answers", "running.environment", "running.run"):
            monkeypatch.setattr(f"metalmatrix.{module}.cache_dir", lambda: tmp_path / "cache")
        monkeypatch.setenv("METALMATRIX_RUN", tmp_path.name)
        yield


def runner(tmp_path: Path, *names: str) -> Runner:
    """A runner of these cells, and of one that is not run."""
    axes = {"pythons": entries([HERE]), "frameworks": entries(["2.15.0"]), "plugins": entries(["none"])}
    rest = "".join(f'[[include]]\ncell = "{name}"\n' for name in names)
    matrix = matrix_file.parse(MATRIX.format(**axes, seconds=30, rest=rest))
    return Runner(matrix, Store(tmp_path / "results"), Options(), lambda _: None)


def test_the_id() -> None:
    """It is told from that of a cell by conda, and read back."""
    name = "py3.11-tf2.16.2-metal1.1.0-conda-forge"
    forge, venv = Cell.parse(name), Cell.parse("py3.11-tf2.16.2-metal1.1.0")
    assert (forge.id, forge.route, forge.tags[-1]) == (name, "conda-forge", "conda_forge")
    assert forge == replace(venv, route="conda-forge")
    assert forge.plugin_name == "metal 1.1.0 conda-forge"
    conda_cell = replace(venv, route="conda")
    ordered = sorted((forge, conda_cell, venv), key=lambda cell: cell.sort_key)
    assert ordered == [venv, conda_cell, forge]


@pytest.mark.usefixtures("machine")
def test_the_solver_answers_for_a_mac(channel: Path) -> None:
    """From this machine, as of the day: the lock by hash, its plugin with it, and no address."""
    resolver = Resolver(DAY, known={})
    cell = Cell.parse(cell_id(GOOD, "metal1.1.0"))
    pinned, plain = (resolver.answer(cell, which) for which in ("pinned", "plain"))
    assert pinned == plain
    assert pinned.lock is not None
    versions = {"h5py_lite": "9e", "python": f"{HERE}.99", "tensorflow": GOOD, "tensorflow-metal": "1.1.0"}
    assert pinned.lock.versions == versions
    known = json.loads((channel / conda.OSX / "repodata.json").read_text())["packages"]
    for package in pinned.lock.by_conda.packages:
        assert package.wheels[0].sha256 == known[package.wheels[0].file]["sha256"]
    assert Lock.from_json(json.loads(json.dumps(pinned.lock.to_json()))) == pinned.lock
    assert "file:" not in json.dumps(pinned.lock.to_json())


@pytest.mark.usefixtures("machine")
def test_no_is_the_solvers_own_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What no package satisfies is refused in its words; a channel that is not there leaves it open."""
    cell = Cell.parse(cell_id(GONE))
    refused = Resolver(DAY, known={}).answer(cell, "pinned")
    assert (refused.outcome, "nowhere" in refused.message) == ("fails", True)
    monkeypatch.setenv("CONDA_CHANNELS", (tmp_path / "gone").as_uri())
    answer = Resolver(DAY, known={}).answer(cell, "pinned")
    assert answer.outcome == "unknown"
    assert answer.message.endswith(f"type {conda.HOW.format(cell.id)}")
    assert str(tmp_path) not in answer.message
    quiet = Resolver(DAY, known={}, channels=False).answer(cell, "pinned")
    assert quiet.message.startswith(conda.NOT_ASKED)


@pytest.mark.usefixtures("machine")
def test_a_solver_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that is still at it when its time is over leaves the question open."""
    monkeypatch.setattr(conda, "SOLVE_SECONDS", 0.01)
    answer = conda.solve(conda.question(Cell.parse(cell_id(GOOD)), DAY))
    assert (answer.outcome, "no answer within" in answer.message) == ("unknown", True)


@pytest.mark.usefixtures("machine")
def test_cells_go_the_route_down_to_their_checks(tmp_path: Path) -> None:
    """Installed from the channel and run: what its Python code raises would be met on a Mac as well."""
    run = runner(tmp_path, cell_id(GOOD), cell_id(BAD, "metal1.1.0"), cell_id(GONE))
    cells = [cell for cell in run.matrix.cells if cell.route == "conda-forge"]
    plan = run.plan(lambda: cells)
    good, bad, gone = (run.cell(cell, plan) for cell in cells)
    for record, words in ((good, "of a conda package"), (bad, "misbehaves on purpose")):
        made = record.sets["pinned"].run
        assert made is not None
        assert not made.failure
        failed = next(check for check in made.checks if check.check == "import")
        assert words in failed.message
        assert record.sets["plain"].environment == record.sets["pinned"].environment
        assert record.sets["plain"].run is None  # the same set, which has run
    assert gone.sets["pinned"].resolved.outcome == "fails"
    current: dict[Which, str | None] = {"pinned": bad.sets["pinned"].resolved.lock}
    found = list(from_results(bad, run.store.load(run.host.slug), fresh=True, current=current))
    assert verdict(cells[1], found).stage == "import"
    assert all(item.source == conda.SOLVER for item in found if item.kind == "resolved")
    assert run.store.read(run.host.slug, cells[0].id) == good  # the schema takes its name
    lock = run.store.lock(run.host.slug, good.sets["pinned"].resolved.lock or "")
    assert lock is not None
    assert lock.versions["tensorflow"] == GOOD


@pytest.mark.usefixtures("machine")
def test_what_is_not_as_it_was_is_not_installed(tmp_path: Path) -> None:
    """A file that the channel has another one for since it was solved is not what is to run."""
    lock = conda.solve(conda.question(Cell.parse(cell_id(GOOD)), DAY, conda_channel.subdir())).lock
    assert lock is not None
    data = lock.to_json()
    data[0]["wheels"][0]["sha256"] = "0" * 64
    assert "other files" in conda.install(Lock.from_json(data), tmp_path / "here")
    assert not (tmp_path / "here").exists()


@pytest.mark.usefixtures("machine")
def test_without_py_rattler_it_is_untested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made up, nothing fails: the cell says what to type."""
    monkeypatch.setattr(conda, "is_here", lambda: False)
    run = runner(tmp_path, cell_id(GOOD))
    cell = run.matrix.cell(cell_id(GOOD))
    pinned = run.cell(cell, run.plan(lambda: [cell])).sets["pinned"]
    assert (pinned.resolved.outcome, pinned.run) == ("unknown", None)
    assert pinned.untested.startswith(conda.NOT_HERE)
    assert conda.HOW.format(cell.id) in pinned.untested
    assert conda.HOW.format(cell.id) in routes.missing(cell)


def test_the_wheels_say_nothing_of_it() -> None:
    """Whether the plugin loads beside conda-forge's TensorFlow is not read off the package index's wheels."""
    by_pip = Cell.parse("py3.12-tf2.20.0-metal1.2.0")
    (wheel, forge) = (
        from_linked(cell, load_facts()) for cell in (by_pip, replace(by_pip, route="conda-forge"))
    )
    assert wheel is not None
    assert forge is not None
    assert (wheel.outcome, forge.outcome, forge.message) == ("fails", "unknown", NOT_READ)


@pytest.mark.parametrize(
    ("name", "version", "file"),
    [
        ("numpy", "1.0", "numpy-2.0-py_0.conda"),
        ("numpy", "1.0", "scipy-1.0-py_0.conda"),
        ("numpy", "1.0", "../numpy-1.0-py_0.conda"),
        ("numpy", "1.0", "numpy-1.0-py_0.zip"),
        ("-numpy", "1.0", "-numpy-1.0-py_0.conda"),
    ],
)
def test_a_lock_takes_no_other_file(name: str, version: str, file: str) -> None:
    """A channel's names are held against conda's own rules, and nothing becomes an option or a path."""
    with pytest.raises(ResultError, match="a damaged lock"):
        Lock.from_json([{"name": name, "version": version, "wheels": [{"file": file, "sha256": "0" * 64}]}])


def test_a_question_to_the_solver_is_kept_by_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another channel is another question, and the same words to uv are another one."""
    from metalmatrix.resolving import answers

    asked = conda.question(Cell.parse("py3.11-tf2.16.2-nometal-conda-forge"), DAY)
    assert asked == Question("3.11", ("python=3.11", "tensorflow==2.16.2"), (), DAY, platform=conda.OSX)
    paths = set()
    for named in ("", "apple,conda-forge"):
        monkeypatch.setenv("CONDA_CHANNELS", named)
        paths.add(answers._cache_path(asked))
    assert len(paths) == 2
