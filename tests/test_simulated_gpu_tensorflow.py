"""Faults on a simulated GPU under real TensorFlows of three lines, by the project's own run path.

Each fault has a process of its own, three at a time. What comes of it is held: the first check that
fails, how, its message, the verdict that the matrix would give were this a Mac, and the store's refusal.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import ResultError
from metalmatrix.resolving.uv import run_uv
from metalmatrix.running.interpreters import find_python
from metalmatrix.running.limits import Limits
from metalmatrix.running.record import SIMULATED, SetRecord
from metalmatrix.running.results import Store
from metalmatrix.running.supervise import check_catalog, run_checks
from metalmatrix.verdicts.observe import from_run
from metalmatrix.verdicts.verdict import verdict
from tests.samples import MAC, ok, record, run
from tests.simulated_gpu import VARIABLE, CannotBuildError, install
from tests.simulated_gpu.faults import FAULTS, UNDEFINED_SYMBOL, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from metalmatrix.running.supervise import CheckResult
    from metalmatrix.verdicts.verdict import Verdict

    Results = tuple[CheckResult, ...]

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="tensorflow-cpu, which it is built against, is for Linux"
    ),
]

# An old, a middle and a new line, each on the newest Python of those here that it has a wheel for.
RELEASES = {
    "2.12.1": ("3.11", "3.10", "3.9"),
    "2.17.1": ("3.12", "3.11", "3.10", "3.9"),
    "2.20.0": ("3.13", "3.12", "3.11", "3.10", "3.9"),
}
PROBE = Path(__file__).parent / "simulated_gpu" / "probe.py"
CELL = Cell("3.11", "2.17.1", "1.2.0", "tensorflow")
IDS = tuple(info.id for info in check_catalog())
# What fills the memory waits 10 s for the allocator, without a processor: it runs beside the faults.
IDLE = [check for check in IDS if check.startswith("memory-")]
QUIET = [check for check in IDS if check not in IDLE]
# On the way to the check that finds a fault these must pass; the others would say nothing more.
PATH = ("import", "device", "placement", "matmul", "fit")


def checks_for(fault: Fault) -> list[str]:
    """The checks up to the one that is to find it: what comes before must pass."""
    before = PATH[: PATH.index(fault.check)] if fault.check in PATH else PATH
    return [*before, fault.check]


def observe(python: Path, word: str, checks: list[str], seconds: float) -> Results:
    """The results of the checks while the device has a fault; runs in a process of its own."""
    os.environ[VARIABLE] = word
    return run_checks(python, Limits(seconds=seconds, device_memory_mb=64), checks)


def probe(python: Path, library: Path) -> dict[str, Any]:
    """What `probe.py` tells of a healthy device."""
    env = os.environ | {VARIABLE: "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [str(python), "-I", str(PROBE), str(library)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@dataclass(frozen=True)
class Line:
    """An environment with one release, and what is or will be known of the double in it."""

    healthy: Results
    told: dict[str, Any]
    faults: dict[str, Future[Results]]


def environment(folder: Path, release: str) -> Path:
    """The interpreter of a new environment with tensorflow-cpu."""
    python = next(filter(None, map(find_python, RELEASES[release])), None)
    if python is None:
        pytest.skip(f"no Python for TensorFlow {release} is on this machine")
    assert run_uv(["venv", "--python", str(python), str(folder)]).code == 0
    made = folder / "bin" / "python"
    numpy = "numpy" if release >= "2.18" else "numpy<2"  # see metalmatrix/data/repairs.toml
    wanted = [f"tensorflow-cpu=={release}", numpy, "setuptools<82"]
    answer = run_uv(["pip", "install", "--python", str(made), *wanted], seconds=900)
    if answer.unreachable:
        pytest.skip("the package index did not answer")
    assert answer.code == 0, answer.err
    return made


def selected(request: pytest.FixtureRequest) -> list[Fault]:
    """The faults of the tests that were selected: nothing is run that nobody asked for."""
    selections = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = [each.params for each in selections if each and each.params.get("line") == request.param]
    found: list[Fault] = [params["fault"] for params in chosen if "fault" in params]
    # What hangs begins first: it takes its whole limit, and no processor.
    return sorted(found, key=lambda fault: fault.how != "hang")


@pytest.fixture(scope="module", params=RELEASES)
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """One line: the healthy run by itself, since it measures speed; the rest after it, three at a time."""
    python = environment(tmp_path_factory.mktemp("simulated") / "env", request.param)
    faults: dict[str, Future[Results]] = {}
    spawn = multiprocessing.get_context("spawn")
    try:
        library = install(python)
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            healthy = pool.submit(observe, python, "", QUIET, 120).result()
        install(python, undefined_symbol=True)
    except CannotBuildError as error:
        pytest.skip(str(error))
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        for fault in selected(request):
            if fault.word == UNDEFINED_SYMBOL:
                faults[fault.word] = pool.submit(observe, python, "", checks_for(fault), 120)
    install(python)
    with ProcessPoolExecutor(3, mp_context=spawn) as pool:
        idle = pool.submit(observe, python, "", IDLE, 120)
        told = pool.submit(probe, python, library)
        for fault in selected(request):
            if fault.word != UNDEFINED_SYMBOL:
                seconds = 30 if fault.how == "hang" else 120
                faults[fault.word] = pool.submit(observe, python, fault.word, checks_for(fault), seconds)
        yield Line((*healthy, *idle.result()), told.result(), faults)
    shutil.rmtree(python.parent.parent)


def as_a_mac_would(results: Results) -> Verdict:
    """What the matrix would say of a cell whose run on a Mac had given these results."""
    return verdict(CELL, [from_run(run(*results, kind="ran"), "pinned", MAC.slug)])


def test_a_healthy_gpu_passes_everything(line: Line) -> None:
    """Nothing fails, the GPU's parts are not skipped, and a Mac's verdict would be `works`."""
    failed = {result.check: result.message for result in line.healthy if result.outcome == "failed"}
    assert failed == {}
    skipped = {result.check for result in line.healthy if result.outcome == "skipped"}
    assert skipped <= {"tensorboard"}  # which TensorFlow 2.21 no longer brings along
    facts = {result.check: result.facts for result in line.healthy}
    assert facts["device"]["plugins"] == [f"{SIMULATED} 0"]
    assert facts["device"]["devices"] == ["/physical_device:CPU:0", "/physical_device:GPU:0"]
    assert "skipped_parts" not in facts["matmul"]
    assert facts["matmul"]["device"].endswith("device:GPU:0")
    assert facts["fit"]["device"].endswith("device:GPU:0")
    assert as_a_mac_would(line.healthy).word == "works"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.word)
def test_a_fault_is_named_at_its_stage(line: Line, fault: Fault, tmp_path: Path) -> None:
    """What comes before passes; the right check fails in the right way; the verdict and the store say so."""
    results = line.faults[fault.word].result()
    *before, last = results
    assert {check.check: check.outcome for check in before} == dict.fromkeys(checks_for(fault)[:-1], "passed")
    raised = last.signal or last.exception.rpartition(".")[2]
    assert (last.check, last.outcome, last.how, raised) == (fault.check, "failed", fault.how, fault.raised)
    assert re.search(fault.message, last.message), last.message
    found = as_a_mac_would(results)
    assert (found.word, found.stage) == (fault.verdict, last.stage)
    assert found.message.startswith(f"{fault.check}: {last.message[:40]}")
    assert_refused(results, tmp_path)


def test_a_healthy_run_is_refused_by_the_store(line: Line, tmp_path: Path) -> None:
    """*Works* on the double is no *works*."""
    assert_refused(line.healthy, tmp_path)


def assert_refused(results: Results, folder: Path) -> None:
    """The store recognises the double, even where a crash at load has left no facts."""
    made = record(CELL.id, SetRecord(ok(), run=run(*results, kind="ran")))
    with pytest.raises(ResultError, match="evidence of nothing"):
        Store(folder).write(MAC, made)
    assert not list(folder.iterdir())


def test_what_ran_on_the_device_is_proved(line: Line) -> None:
    """The kernel was called once, and the memory in use moved by the 1 MiB of its result."""
    told = line.told
    assert (told["physical"], told["unknown_op"]) == (1, -1)
    assert (told["calls"], told["moved"], told["right"]) == (1, 1 << 20, True)
    assert told["device"].endswith("device:GPU:0")


def test_tensorflow_ignores_a_memory_limit(line: Line) -> None:
    """Two logical devices of 64 MiB are accepted: one is there, and it holds 96 MiB."""
    assert line.told["logical"] == 1
    assert line.told["held_mb"] >= 96
