"""The checks in an environment with a real TensorFlow, which healthy ones must pass."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.limits import Limits
from metalmatrix.supervise import run_checks
from metalmatrix.uv import run_uv

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.supervise import CheckResult

pytestmark = pytest.mark.tensorflow

TENSORFLOW = "tensorflow-cpu==2.16.2"
PYTHONS = ("3.12", "3.11", "3.10", "3.9")
NO_GPU = "TensorFlow lists no GPU and no PluggableDevice plugin is installed."


def install(python: Path, *requirements: str) -> None:
    """Puts ``requirements`` into the environment, in place."""
    answer = run_uv(["pip", "install", "--python", str(python), *requirements], seconds=900)
    if answer.unreachable:
        pytest.skip("the package index did not answer")
    assert answer.code == 0, answer.err


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with TensorFlow 2.16.2 under the pins that it needs today."""
    folder = tmp_path_factory.mktemp("tensorflow") / "env"
    this = f"{sys.version_info[0]}.{sys.version_info[1]}"
    wanted = [sys.executable] if this in PYTHONS else []
    for version in (*wanted, *PYTHONS):
        if run_uv(["venv", "--python", version, str(folder)]).code == 0:
            break
    else:
        pytest.skip(f"there is no Python {', '.join(PYTHONS)} on this machine")
    install(folder / "bin/python", TENSORFLOW, "numpy<2", "setuptools<82")
    return folder / "bin/python"


def run(python: Path, only: list[str] | None = None) -> dict[str, CheckResult]:
    """The results by check."""
    return {result.check: result for result in run_checks(python, Limits(), only)}


@pytest.fixture(scope="module")
def healthy(python: Path) -> tuple[dict[str, CheckResult], int]:
    """The results of all checks, and the number of processes that were started for them."""
    started: list[list[str]] = []

    class Counted(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **more: Any) -> None:  # noqa: ANN401 - Popen's own
            started.append(command)
            super().__init__(command, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metalmatrix.watch.subprocess.Popen", Counted)
        return run(python), len(started)


def test_a_healthy_tensorflow_passes_in_one_process(healthy: tuple[dict[str, CheckResult], int]) -> None:
    """Every CPU part passes, every GPU part is skipped with the reason, TensorFlow is imported once."""
    results, processes = healthy
    assert {name: (result.outcome, result.message) for name, result in results.items()} == {
        "packages": ("passed", ""),
        "import": ("passed", ""),
        "device": ("skipped", NO_GPU),
        "ops": ("passed", ""),
        "matmul": ("passed", ""),
        "fit": ("passed", ""),
        "save": ("passed", ""),
        "tensorboard": ("passed", ""),
        "memory-limit": ("skipped", f"The memory limit is for GPUs. {NO_GPU}"),
    }
    assert processes == 1
    for check in ("ops", "matmul", "fit"):
        assert results[check].facts["device"].endswith("device:CPU:0")
        assert results[check].facts["skipped_parts"] == [f"The GPU part was not done. {NO_GPU}"]


def test_the_facts_of_a_healthy_tensorflow(healthy: tuple[dict[str, CheckResult], int]) -> None:
    """The facts name the versions, the wheel's architecture, the losses and what the CPU says to a limit."""
    facts = {name: result.facts for name, result in healthy[0].items()}
    assert facts["packages"]["frameworks"] == ["tensorflow-cpu 2.16.2"]
    assert facts["packages"]["notes"] == []
    assert facts["import"]["tensorflow"] == "2.16.2"
    assert facts["import"]["versions"]["tensorflow-cpu"] == "2.16.2"
    assert facts["import"]["versions"]["keras"].startswith("3.")
    assert facts["import"]["versions"]["tensorflow-metal"] is None
    assert any(facts["import"]["machine"] in tag for tag in facts["import"]["wheel_tags"]["tensorflow-cpu"])
    assert facts["import"]["rosetta"] is None or sys.platform == "darwin"
    assert len(facts["fit"]["losses"]) == 10
    assert facts["fit"]["losses"][-1] < facts["fit"]["losses"][0]
    assert 0 < facts["matmul"]["errors"]["1024x1024 on /CPU:0"] < 1e-5
    assert facts["save"]["format"] == ".keras"
    assert facts["memory-limit"]["on_the_cpu"].startswith("ValueError: Setting memory limit on CPU")


def test_setuptools_82_breaks_tensorboard_alone(python: Path) -> None:
    """Without pkg_resources TensorBoard fails, and nothing else does."""
    install(python, "setuptools>=82")
    try:
        results = run(python, ["import", "ops", "tensorboard"])
    finally:
        install(python, "setuptools<82")
    assert results["import"].outcome == results["ops"].outcome == "passed"
    assert results["tensorboard"].outcome == "failed"
    assert results["tensorboard"].exception == "ModuleNotFoundError"
    assert results["tensorboard"].message == "No module named 'pkg_resources'"
    assert results["tensorboard"].weight == "degrades"
