"""The matrix end to end: real nox, real uv, real environments, and packages that misbehave on purpose."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.matrix_file import PYTHONS
from metalmatrix.running.interpreters import find_python
from tests.clone import HERE, MATRIX, SIX, Clone, entries, framework
from tests.fake_index import FakeIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEGFAULT = "import ctypes\nctypes.string_at(0)\n"
HANG = "import time\ntime.sleep(600)\n"
RAISES = "raise ImportError('it was built for another NumPy')\n"
MISSING = next((python for python in reversed(PYTHONS) if find_python(python) is None), "")
EMPTY = "0" * 64

WHEELS = [
    SIX,
    *framework("2.12.0", SEGFAULT),
    *framework("2.13.1", HANG),
    *framework("2.14.1", "", sha256=EMPTY),
    *framework("2.15.0", RAISES),
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clone, int, str]]:
    """A whole run of four frameworks, each wrong in its own way, on a Python that is here and one not."""
    wheels = WHEELS + framework("2.15.0", RAISES, tag=f"cp{MISSING.replace('.', '')}")[:1]
    text = MATRIX.format(
        pythons=entries([HERE, MISSING]),
        frameworks=entries(["2.12.0", "2.13.1", "2.14.1", "2.15.0"]),
        plugins=entries(["none"]),
        seconds=3,
        rest="",
    )
    with FakeIndex(wheels) as index:
        clone = Clone.make(tmp_path_factory.mktemp("ran"), index.url, text)
        code, output = clone.nox("-s", "matrix")
        yield clone, code, output


def cell(version: str, python: str = HERE) -> str:
    """The id of a cell without a plugin."""
    return f"py{python}-tf{version}-nometal"


def check(clone: Clone, name: str, which: str = "pinned") -> dict[str, object]:
    """What came of the import check of a cell."""
    checks: list[dict[str, object]] = clone.record(name)["sets"][which]["run"]["checks"]
    return next(found for found in checks if found["check"] == "import")


def test_a_run_full_of_broken_cells_is_a_success_that_ends_in_the_table(ran: tuple[Clone, int, str]) -> None:
    """Finding broken cells is the job: exit code 0, and the table is the last thing on the terminal."""
    _, code, output = ran
    assert code == 0, output
    assert output.index("Ran 8 sessions") < output.index("TensorFlow on Apple silicon, as of 2026-11-19")
    assert "Traceback" not in output


def test_a_crash_is_recorded_with_the_signals_name(ran: tuple[Clone, int, str]) -> None:
    """A check that segfaults says so; it is no word about a Mac, whose TensorFlow is another binary."""
    clone, _, _ = ran
    found = check(clone, cell("2.12.0"))
    assert (found["outcome"], found["how"], found["signal"]) == ("failed", "signal", "SIGSEGV")
    reported = clone.feed()[cell("2.12.0")]
    assert reported["verdict"] == "likely"
    assert any("SIGSEGV" in item["message"] for item in reported["evidence"])


def test_a_hang_is_ended_at_its_limit(ran: tuple[Clone, int, str]) -> None:
    """A check that never ends is killed, and its record says after how long."""
    clone, _, _ = ran
    found = check(clone, cell("2.13.1"))
    assert found["how"] == "hang"
    assert "3 s" in str(found["message"])


def test_an_installation_that_fails_is_told_and_not_held_against_the_mac(ran: tuple[Clone, int, str]) -> None:
    """A wheel that is not what its hash says is never installed; the cell says why it did not run."""
    clone, _, _ = ran
    run = clone.record(cell("2.14.1"))["sets"]["pinned"]["run"]
    assert run["checks"] == []
    assert "could not be installed" in run["failure"]
    assert "hash" in run["failure"].lower()
    assert clone.feed()[cell("2.14.1")]["verdict"] == "likely"


def test_what_python_code_raises_is_held_against_the_mac_too(ran: tuple[Clone, int, str]) -> None:
    """Macs get the same Python packages, so an exception at import breaks the cell."""
    clone, _, output = ran
    reported = clone.feed()[cell("2.15.0")]
    assert (reported["verdict"], reported["stage"]) == ("broken", "import")
    assert "it was built for another NumPy" in reported["message"]
    assert "it was built for another NumPy" in output


@pytest.mark.skipif(not MISSING, reason="every known Python is on this machine")
def test_a_missing_python_is_untested_with_what_to_type(ran: tuple[Clone, int, str]) -> None:
    """A missing Python costs its cells their checks, not their verdict; the table says what to do."""
    clone, _, output = ran
    reported = clone.feed()[cell("2.15.0", MISSING)]
    assert reported["verdict"] == "likely"
    assert f"no Python {MISSING} on this machine" in reported["untested"]
    assert f"uv python install {MISSING}" in output


@pytest.mark.skipif(not MISSING, reason="every known Python is on this machine")
def test_a_python_without_a_wheel_is_not_installable_in_the_resolvers_words(
    ran: tuple[Clone, int, str],
) -> None:
    """No wheel for that Python: the sentence is uv's own, and names the package."""
    clone, _, _ = ran
    reported = clone.feed()[cell("2.12.0", MISSING)]
    assert (reported["verdict"], reported["stage"]) == ("not-installable", "resolve")
    assert "tensorflow-macos==2.12.0" in reported["message"]


def test_a_second_run_runs_nothing_again(ran: tuple[Clone, int, str]) -> None:
    """Nothing changed, so no file does, no environment is made and the index is not asked."""
    clone, _, _ = ran
    before = {path: path.read_bytes() for path in clone.root.glob("results/*/py*.json")}
    code, output = clone.nox("-s", "matrix", "-k", "matrix and not tf2_14", UV_OFFLINE="1")
    assert code == 0, output
    assert "0 runs of the checks to make" in output
    assert {path: path.read_bytes() for path in clone.root.glob("results/*/py*.json")} == before


def test_a_failing_check_is_run_alone_by_the_command_that_is_told(ran: tuple[Clone, int, str]) -> None:
    """The run and the table print a command; it makes an environment, keeps it, and shows the failure."""
    clone, _, output = ran
    command = f"nox -s check -- --cell {cell('2.15.0')} --only import"
    assert f"import alone: {command}" in output
    assert f"    {command}" in output[output.index("Why cells fail") :]
    for _ in range(2):
        code, told = clone.nox(*command.split()[1:], UV_OFFLINE="1")
        assert code == 1
        assert "it was built for another NumPy" in told
        assert f"alone: {command}" in told
    (kept,) = [line for line in told.splitlines() if "the environment is kept: " in line]
    python = Path(kept.partition("kept: ")[2])
    assert python.exists()
    shutil.rmtree(python.parent.parent)  # the other tests look at what a run leaves behind


def test_a_cell_without_a_result_cannot_be_run_alone(ran: tuple[Clone, int, str]) -> None:
    """What to type first is told; so is why a set cannot be run here, and a damaged lock."""
    clone, _, _ = ran
    code, told = clone.metalmatrix("check", "--cell", "py3.11-tf2.16.2-nometal")
    assert code == 2
    assert 'nox -s "matrix(py3.11-tf2.16.2-nometal)"' in told
    code, told = clone.metalmatrix("check", "--cell", "../../etc")
    assert code == 2
    assert "is not the id of a cell" in told


def test_an_installation_that_failed_is_tried_again(ran: tuple[Clone, int, str]) -> None:
    """A full disk or a broken download may have passed, so a failed installation is not remembered."""
    clone, _, _ = ran
    _, output = clone.nox("-s", f"matrix({cell('2.14.1')})")
    assert "1 cells planned, 1 runs of the checks to make" in output


def test_a_cell_whose_limits_change_is_run_again(ran: tuple[Clone, int, str]) -> None:
    """A result belongs to its inputs, and the limits are one of them."""
    clone, _, _ = ran
    path = clone.root / "matrix.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("seconds = 3", "seconds = 4"), encoding="utf-8")
    try:
        _, output = clone.nox("-s", f"matrix({cell('2.12.0')})", "-p", HERE)
    finally:
        path.write_text(text, encoding="utf-8")
    assert "1 cells planned, 1 runs of the checks to make" in output


def test_no_environment_is_left_behind(ran: tuple[Clone, int, str]) -> None:
    """Environments are removed after use."""
    clone, _, _ = ran
    left = [
        path for path in Path(clone.env["XDG_CACHE_HOME"]).glob("metalmatrix/environments/*") if path.is_dir()
    ]
    assert left == []


def test_two_workers_end_in_the_same_table(ran: tuple[Clone, int, str]) -> None:
    """Under -j nox runs each cell in a process of its own, and the run still ends in the whole table."""
    clone, _, serial = ran
    code, output = clone.nox("-s", "matrix", "-j", "2")
    assert code == 0, output
    assert output.count("Starting session matrix(") == 8
    assert output.count("cells planned") <= 1
    title = "TensorFlow on Apple silicon"
    assert output[output.index(title) :] == serial[serial.index(title) :]


def test_a_contradicted_expectation_is_a_surprise(ran: tuple[Clone, int, str]) -> None:
    """What matrix.toml expects and the evidence contradicts fails the run, and the table says so."""
    clone, _, _ = ran
    path = clone.root / "matrix.toml"
    text = path.read_text(encoding="utf-8")
    rule = f'[[expect]]\ncell = "{cell("2.15.0")}"\nverdict = "works"\nnote = "somebody said so"\n'
    path.write_text(text + rule, encoding="utf-8")
    try:
        code, output = clone.nox("-s", f"matrix({cell('2.15.0')})")
        assert code == 1
        assert "a surprise" in output
        assert "broken, expected works (somebody said so)" in output
        assert clone.metalmatrix("table")[0] == 1
    finally:
        path.write_text(text, encoding="utf-8")


def test_an_unknown_option_is_refused_with_what_to_type(ran: tuple[Clone, int, str]) -> None:
    """A typo after -- is an error of its own, not a run."""
    clone, _, _ = ran
    code, output = clone.nox("-s", f"matrix({cell('2.12.0')})", "--", "--frsh")
    assert code == 1
    assert "matrix has no option '--frsh'" in output
    assert "--fresh" in output


def test_help_is_given_once_and_nothing_is_run(ran: tuple[Clone, int, str]) -> None:
    """As of every other session, and not for each of the cells that were selected."""
    clone, _, _ = ran
    before = {path: path.stat().st_mtime_ns for path in clone.root.glob("results/**/*")}
    for word in ("--help", "-h"):
        code, output = clone.nox("-s", "matrix", "--", word)
        assert code == 0
        assert output.count("usage: python -m metalmatrix matrix") == 1
        assert "examples:" in output
        assert "as of 2026-11-19" not in output  # no table of a run that was none
    assert {path: path.stat().st_mtime_ns for path in clone.root.glob("results/**/*")} == before


def test_json_is_alone_on_standard_output(ran: tuple[Clone, int, str]) -> None:
    """`explain --json` answers for a cell of the matrix with the keys of the machine interface."""
    import json

    clone, _, _ = ran
    code, output = clone.metalmatrix("explain", cell("2.15.0"), "--json")
    assert code == 0
    (found,) = json.loads(output)
    keys = ["cell", "target", "route", "verdict", "stage", "message", "macos", "plain", "evidence"]
    assert list(found) == [*keys, "neighbours", "holds_back", "nearest", "install"]
    assert found["macos"] == "12.0"
    assert {item["kind"] for item in found["evidence"]} == {"resolved", "rehearsed"}
    for item in found["evidence"]:
        assert list(item) == ["kind", "set", "outcome", "message", "date", "source"]
        assert item["outcome"] in {"ok", "fails", "skipped", "unknown"}


def test_a_killed_run_loses_nothing_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Kill -9 in mid-run: what was finished is not run again, and meanwhile the table says partial."""
    flag = tmp_path / "hang"
    flag.touch()
    waits = f"import os, time\nwhile os.path.exists({str(flag)!r}):\n    time.sleep(0.05)\n"
    waits += "raise ImportError('it ended')\n"
    wheels = [SIX, *framework("2.12.0", RAISES), *framework("2.13.1", waits)]
    text = MATRIX.format(
        pythons=entries([HERE]),
        frameworks=entries(["2.12.0", "2.13.1"]),
        plugins=entries(["none"]),
        seconds=60,
        rest="",
    )
    with FakeIndex(wheels) as index:
        clone = Clone.make(tmp_path, index.url, text)
        process = clone.start("-s", "matrix")
        environment = Path(clone.env["XDG_CACHE_HOME"]) / "metalmatrix" / "environments" / cell("2.13.1")
        _wait_for((environment / "requirements.txt").exists)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        finished = clone.record(cell("2.12.0"))
        _, table = clone.nox("-s", "table")
        assert "partial" in table
        assert "1 of its cells has no new result" in table
        flag.unlink()
        code, output = clone.nox("-s", "matrix")
    assert code == 0, output
    assert clone.record(cell("2.12.0")) == finished
    assert "it ended" in clone.feed()[cell("2.13.1")]["message"]
    assert "partial" not in output
    assert not environment.exists()


def test_an_index_out_of_reach_is_a_sentence_and_a_code_of_its_own(tmp_path: Path) -> None:
    """Nothing can be asked: unknown, said clearly, exit code 3, no traceback."""
    text = MATRIX.format(
        pythons=entries([HERE]), frameworks=entries(["2.12.0"]), plugins=entries(["none"]), seconds=3, rest=""
    )
    clone = Clone.make(tmp_path, "http://127.0.0.1:9/simple", text)
    code, output = clone.metalmatrix("matrix")
    assert code == 3, output
    assert "error: the package index could not be asked" in output
    assert "127.0.0.1" not in output
    assert "Traceback" not in output
    assert clone.feed()[cell("2.12.0")]["verdict"] == "unknown"
    code, output = clone.metalmatrix("explain", cell("2.12.0"), "--json")
    assert code == 3
    assert '"verdict": "unknown"' in output
    code, output = clone.nox("-s", "matrix")
    assert code == 1
    assert "unknown: the package index could not be asked" in output
    assert "Traceback" not in output


def _wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
