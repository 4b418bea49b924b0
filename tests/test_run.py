"""What only a Mac shows, as far as it can be tried here: the machine is made believe, the rest is real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metalmatrix import matrix_file
from metalmatrix.observe import from_results
from metalmatrix.plan import Options
from metalmatrix.results import Store
from metalmatrix.run import Runner
from metalmatrix.verdict import verdict
from tests.clone import HERE, MATRIX, SIX, entries
from tests.fake_index import FakeIndex, FakeWheel
from tests.samples import MAC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CELL = f"py{HERE}-tf2.15.0-metal1.1.0"
RAISES = {"tensorflow/__init__.py": "raise ImportError('Symbol not found: _TF_X')\n"}
WHEELS = (
    SIX,
    FakeWheel("tensorflow-macos", "2.15.0", requires=("six", "numpy"), files=RAISES),
    FakeWheel("tensorflow-metal", "1.1.0", requires=("six",)),
    FakeWheel("numpy", "1.26.4"),
    FakeWheel("numpy", "2.0.0", uploaded="2024-06-16"),
)


class OnAMac(Runner):
    """A runner that takes this machine for a Mac; the wheels of the index are for any platform."""

    host = MAC


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An index, a cache and a uv of the test's own."""
    with FakeIndex(WHEELS) as fake:
        monkeypatch.setenv("UV_DEFAULT_INDEX", fake.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("metalmatrix.files.cache_dir", lambda: tmp_path / "cache")
        monkeypatch.setenv("METALMATRIX_RUN", tmp_path.name)
        yield


def runner(tmp_path: Path, options: Options) -> OnAMac:
    """A runner of a matrix of one framework, with and without a plugin."""
    axes = {
        "pythons": entries([HERE]),
        "frameworks": entries(["2.15.0"]),
        "plugins": entries(["none", "1.1.0"]),
    }
    matrix = matrix_file.parse(MATRIX.format(**axes, seconds=30, rest=""))
    return OnAMac(matrix, Store(tmp_path / "results"), options, lambda _: None)


@pytest.mark.usefixtures("index")
def test_a_mac_runs_the_pinned_lock_itself(tmp_path: Path) -> None:
    """On Apple silicon the cell's own lock is installed, plugin included, and what is seen counts as ran."""
    run = runner(tmp_path, Options())
    cell = run.matrix.cell(CELL)
    record = run.cell(cell, run.plan(lambda: run.matrix.cells))
    pinned, plain = record.sets["pinned"], record.sets["plain"]
    assert pinned.run is not None
    assert pinned.run.kind == "ran"
    assert pinned.environment == pinned.resolved.lock
    assert plain.run is None
    assert plain.untested == "the plain set runs with --plain"
    lock = run.store.lock(MAC.slug, pinned.environment or "")
    assert lock is not None
    assert set(lock.versions) == {"numpy", "six", "tensorflow-macos", "tensorflow-metal"}
    results = run.store.load(MAC.slug)
    found = verdict(cell, from_results(record, results, fresh=True))
    assert (found.word, found.stage) == ("broken", "import")
    assert "Symbol not found: _TF_X" in found.message


@pytest.mark.usefixtures("index")
def test_a_mac_runs_the_plain_set_when_asked(tmp_path: Path) -> None:
    """With --plain it is the other set that is installed and run."""
    run = runner(tmp_path, Options(plain=True))
    record = run.cell(run.matrix.cell(CELL), run.plan(lambda: run.matrix.cells))
    assert record.sets["plain"].run is not None
    assert record.sets["pinned"].run is None
    assert record.sets["pinned"].untested == "the pinned set runs without --plain"


@pytest.mark.usefixtures("index")
def test_every_cell_of_a_mac_has_an_environment_of_its_own(tmp_path: Path) -> None:
    """A plugin makes another environment, so nothing is shared between the two cells."""
    run = runner(tmp_path, Options())
    plan = run.plan(lambda: run.matrix.cells)
    records = [run.cell(cell, plan) for cell in run.matrix.cells]
    assert len({record.sets["pinned"].environment for record in records}) == 2
    assert all(record.sets["pinned"].run for record in records)
