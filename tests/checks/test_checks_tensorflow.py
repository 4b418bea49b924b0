"""The checks in an environment with a real TensorFlow, which healthy ones must pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.resolving.uv import run_uv
from metalmatrix.running.checklist import checks_dir, checks_seed
from metalmatrix.running.limits import Limits
from metalmatrix.running.supervise import run_checks

if TYPE_CHECKING:
    from metalmatrix.running.supervise import CheckResult

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
        patch.setattr("metalmatrix.running.watch.subprocess.Popen", Counted)
        return run(python), len(started)


def test_a_healthy_tensorflow_passes_in_one_process(healthy: tuple[dict[str, CheckResult], int]) -> None:
    """Every CPU part passes, every GPU part is skipped with the reason, TensorFlow is imported once."""
    results, processes = healthy
    assert {name: (result.outcome, result.message) for name, result in results.items()} == {
        "packages": ("passed", ""),
        "import": ("passed", ""),
        "device": ("skipped", NO_GPU),
        "placement": ("skipped", f"There is nothing to place on. {NO_GPU}"),
        "ops": ("passed", ""),
        "matmul": ("passed", ""),
        "fit": ("passed", ""),
        "save": ("passed", ""),
        "tensorboard": ("passed", ""),
        "speed": ("skipped", f"Speed is the ratio of two devices. {NO_GPU}"),
        "numerics": ("passed", ""),
        "memory-limit": ("skipped", f"The memory limit is for GPUs. {NO_GPU}"),
        "memory-growth": ("skipped", f"Memory growth is for GPUs. {NO_GPU}"),
    }
    assert processes == 1
    for check in ("ops", "matmul", "fit"):
        assert results[check].facts["device"].endswith("device:CPU:0")
    for check in ("ops", "matmul", "fit", "numerics"):
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


def test_the_numbers_of_a_healthy_tensorflow(healthy: tuple[dict[str, CheckResult], int]) -> None:
    """Every operation is compared in every dtype, the ReLU is applied, and the seed is told."""
    result = healthy[0]["numerics"]
    assert result.facts["seed"] == checks_seed()
    assert result.facts["different"] == 0
    assert result.facts["compared"] > 450
    assert result.facts["least_after"] == {"/CPU:0": {"relu": 0, "relu6": 0}}
    largest = result.facts["largest_errors"]["/CPU:0"]
    assert set(largest) == {"float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}
    # Half of what is allowed: a healthy CPU is to be far from the edge.
    assert max(largest["float32"].values()) < Limits().tolerance["float32"] * 2**23 / 2
    assert any(error > 0 for error in largest["float32"].values())


@pytest.fixture(scope="module")
def findings(python: Path) -> dict[str, dict[str, Any]]:
    """What the numerics check says of each fault that the driver puts into TensorFlow."""
    driver = Path(__file__).parent.parent / "numerics_driver.py"
    done = subprocess.run(
        [python, "-I", driver, checks_dir()], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {line["fault"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_two_devices_that_agree_are_right(findings: dict[str, dict[str, Any]]) -> None:
    """A second device that computes as the first has no finding, and gives the same random numbers."""
    assert findings["none"]["message"] == ""
    facts = findings["none"]["facts"]
    assert set(facts["largest_errors"]) == {"/CPU:0", "/CPU:1"}
    assert facts["random"]["/CPU:1"]["stateless normal"]["as_on"] == {"/CPU:0": True}
    assert "notes" not in facts


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            "relu-in-graphs",
            "model.predict on /CPU:0 does not apply relu after a dense layer",
        ),
        ("relu-in-graphs", "The worst: dense relu in float32"),
        ("half", "The worst: matmul in float32"),
        ("steep", "The worst: dense softplus in float32, gradient"),
        ("rounded", "The worst: sum in float32, forward, eager, on /CPU:0: off by 4"),
        ("nan", "sum in float32, forward, eager, on /CPU:0: the result is not finite"),
        (
            "raises",
            "sort in float32, forward or gradient, eager, on /CPU:0: InternalError: the device",
        ),
        ("constant", "stateless normal on /CPU:0 is not so distributed"),
        ("unrepeatable", "stateless normal on /CPU:0 gives other numbers for the same seed"),
    ],
)
def test_each_fault_is_named(fault: str, told: str, findings: dict[str, dict[str, Any]]) -> None:
    """Operation, dtype, direction, mode and error: of a fault that is far smaller than a fault usually is."""
    assert told in findings[fault]["message"]


def test_one_that_raises_hides_no_other(findings: dict[str, dict[str, Any]]) -> None:
    """A graph holds many operations: when it raises, each is computed in one of its own."""
    facts = findings["raises"]["facts"]
    assert {(row["op"], row["mode"]) for row in facts["differences"] if row["dtype"] == "float32"} == {
        ("sort", "eager"),
        ("sort", "tf.function"),
    }
    # The sum: forward and gradient, eager and in a graph, in three dtypes; the sort raised in each.
    assert facts["compared"] == 12 + 6


def test_one_without_a_kernel_in_graphs_is_no_failure(findings: dict[str, dict[str, Any]]) -> None:
    """It alone is named, though its graph held another, and that one is compared in each mode as well."""
    assert findings["lacks-in-graphs"]["message"] == ""
    facts = findings["lacks-in-graphs"]["facts"]
    every = {"float32": ["sort"], "float16": ["sort"], "bfloat16": ["sort"]}
    assert facts["not_registered"] == {"/CPU:0": every}
    assert facts["refused"] == {"/CPU:0": {"sort": "TopKV2"}}
    # The sum as above; the sort eagerly, forward and gradient, in three dtypes.
    assert facts["compared"] == 12 + 6


def test_the_gradients_by_formula_are_those_by_differences(findings: dict[str, dict[str, Any]]) -> None:
    """A thousandth of float32's epsilon apart, which is what differences are good for."""
    apart = findings["slopes"]["off"]
    assert {"matmul", "dense gelu", "conv2d strides 2", "depthwise conv2d"} <= set(apart)
    assert max(apart.values()) < 1e-9


def test_a_fault_in_graphs_alone_is_not_seen_eagerly(findings: dict[str, dict[str, Any]]) -> None:
    """The mode of each difference is the one in which it happens."""
    rows = [row for row in findings["relu-in-graphs"]["facts"]["differences"] if row["dtype"] == "float32"]
    assert {row["mode"] for row in rows} == {"tf.function", "model.predict"}


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
