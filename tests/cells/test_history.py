"""The history: every published combination, from the data alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from metalmatrix.cells import history, matrix_file
from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.published import releases
from metalmatrix.published.compiled import sdist_of
from metalmatrix.published.targets import TARGETS, Target
from metalmatrix.wheels import wheel_facts
from metalmatrix.wheels.wheel_facts import load_facts

ROOT = Path(__file__).parent.parent.parent


def test_each_combination_is_there_once() -> None:
    """Pythons times frameworks times plugins, none of them twice, more than two thousand."""
    found = history.cells()
    pairs = len(history.frameworks()) * len(history.plugins())
    assert len({cell.id for cell in found}) == len(found) == len(history.pythons()) * pairs > 2000


@pytest.mark.parametrize("target", TARGETS)
def test_every_wheel_that_is_known_has_its_cells(target: Target) -> None:
    """A Python or a release that some wheel is for is in the history of its kind of Macs."""
    wheels = [wheel for wheel in load_facts().wheels if wheel.target == target]
    known = {(wheel.distribution, wheel.version) for wheel in wheels}
    assert known
    lite = {(cell.distribution, cell.framework) for cell in history.litert() if target == "arm64"}
    assert known <= {*history.frameworks(target), *history.plugins(target), *lite}


def test_intel_macs() -> None:
    """Their cells are what has a wheel for them, by ids of their own, and none is a cell of Apple silicon."""
    found = history.cells("x86_64")
    assert {cell.id for cell in found}.isdisjoint(cell.id for cell in history.cells())
    assert all(cell.id.endswith("-x86_64") and Cell.parse(cell.id) == cell for cell in found)
    assert history.frameworks("x86_64")[-1] == ("tensorflow", "2.16.2")
    assert [version for _, version in history.plugins("x86_64")][-2:] == ["0.8.0", "1.0.0"]
    assert {name for name, _ in history.frameworks("x86_64")} == {"tensorflow"}  # not Apple's build of 2.12.0
    pairs = len(history.frameworks("x86_64")) * len(history.plugins("x86_64"))
    assert len(found) == pairs * len(history.pythons())


def test_every_python_and_plugin_is_there() -> None:
    """What some wheel for Apple silicon is for."""
    assert {name for name, _ in history.plugins()} == {*releases.PLUGINS}
    assert {"3.8", "3.12"} <= set(history.pythons())
    assert all(any(wheel.fits(python) for wheel in load_facts().wheels) for python in history.pythons())


def test_ids_lead_back() -> None:
    """Each cell is the one that its id names, its framework by the name that holds the binaries."""
    assert all(Cell.parse(cell.id) == cell for cell in history.cells()[::97])


def test_versions_ascend() -> None:
    """2.10 comes after 2.9, and no plugin before the first."""
    versions = [version for _, version in history.frameworks()]
    assert versions.index("2.9.0") < versions.index("2.10.0")
    assert history.plugins()[0] == (releases.PLUGIN, NO_PLUGIN)
    versions = [version for name, version in history.plugins() if name == "tensorflow-metal-plugin"]
    assert versions[:2] == ["0.1.0", "0.1.1"]


@pytest.mark.parametrize("cell", matrix_file.load().cells[::41], ids=lambda cell: cell.id)
def test_the_matrix_is_a_part_of_it(cell: Cell) -> None:
    """What is run is a part of what was published."""
    assert cell in (*history.cells(), *history.litert())


def test_what_was_written_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update the history has what the update wrote, in the same process."""
    before = history.cells()
    text = wheel_facts.DATA.read_text(encoding="utf-8")
    fewer = tmp_path / "wheels.jsonl"
    fewer.write_text("".join(line for line in text.splitlines(keepends=True) if "cp39-" not in line), "utf-8")
    try:
        with monkeypatch.context() as patch:
            patch.setattr(wheel_facts, "DATA", fewer)
            assert history.cells() == before
            history.read_anew()
            assert "3.9" not in history.pythons()
            assert len(history.cells()) < len(before)
    finally:
        history.read_anew()
    assert history.cells() == before


@pytest.mark.parametrize("target", TARGETS)
def test_the_whole_history_is_known_offline(target: Target) -> None:
    """From the data alone every cell has a verdict; none is unknown but of a plugin to be compiled."""
    code = (
        "import sys; from metalmatrix import cli; from metalmatrix.resolving import ask\n"
        "def run_uv(*a, **k): raise AssertionError('asked')\n"
        "ask.run_uv = run_uv\n"
        f"sys.exit(cli.main(['static', '--json', '--target', {target!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=True
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["as_of"] == matrix_file.load().as_of.isoformat()
    cells = {cell["cell"]: cell for cell in found["cells"]}
    everything = history.cells(target)
    assert cells.keys() == {cell.id for cell in everything}
    assert {cell["target"] for cell in cells.values()} == {target}
    unknown = {name for name, cell in cells.items() if cell["verdict"] == "unknown"}
    sources = {cell.id: cell for cell in everything if sdist_of(cell)}
    assert unknown <= sources.keys()
    assert bool(sources) == (target == "arm64")
    if sources:
        assert {cells[name]["verdict"] for name in sources} == {"unknown", "not-installable"}
        assert {cells[name]["stage"] for name in unknown} == {"resolve", "link"}
    facts = load_facts()
    for cell in everything:
        if cell.plugin == NO_PLUGIN:
            continue
        both = facts.wheel(cell.distribution, cell.framework, cell.python, target) and facts.wheel(
            cell.plugin_distribution, cell.plugin, cell.python, target
        )
        linked = [e["outcome"] for e in cells[cell.id]["evidence"] if e["kind"] == "linked"]
        assert linked in ([["ok"], ["fails"]] if both else [["unknown"]])
