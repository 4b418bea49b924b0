"""What is known of kernels, held against a real TensorFlow: its registry takes them, its models need them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.cli import main
from metalmatrix.files import PACKAGE
from metalmatrix.kernels.framework_facts import dump_framework, load_framework, parse_framework
from metalmatrix.kernels.kernel_facts import DATA, load_kernels
from metalmatrix.resolving.uv import run_uv
from metalmatrix.spans import parse_runs
from tests.checks.test_checks_tensorflow import PYTHONS, TENSORFLOW, install

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalmatrix.kernels.rules import Rule

HERE = Path(__file__).parent
MODELS = ("dense", "convolutional", "recurrent")
LAST = load_kernels().libraries[-1]  # 1.2.0's
pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(sys.platform != "linux", reason="TensorFlow's libraries have these names on Linux"),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the TensorFlow that the other tests install too."""
    folder = tmp_path_factory.mktemp("tensorflow") / "env"
    for version in PYTHONS:
        if run_uv(["venv", "--python", version, str(folder)]).code == 0:
            break
    else:
        pytest.skip(f"there is no Python {', '.join(PYTHONS)} on this machine")
    install(folder / "bin/python", TENSORFLOW, "numpy<2", "setuptools<82")
    return folder / "bin/python"


def told(python: Path, script: str, argument: Path) -> Any:  # noqa: ANN401 - JSON
    """What a script says in the environment."""
    command = [str(python), "-I", str(HERE / script), str(argument)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_tensorflow_takes_every_kernel(python: Path, tmp_path: Path) -> None:
    """Replayed through its own C API: no error, and its registry grows by exactly that number."""
    path = tmp_path / "kernels.json"
    path.write_text(json.dumps([asdict(kernel) for kernel in LAST.kernels]), encoding="utf-8")
    found = told(python, "replay.py", path)
    assert found["errors"] == []
    assert found["after"] - found["before"] == len(LAST.kernels) == 561


def test_tensorflows_own_kernels_are_those_of_the_data(python: Path) -> None:
    """What the data says of this release is what it registers, kernel by kernel and dtype by dtype."""
    script = PACKAGE / "kernels" / "inside.py"
    command = [str(python), "-I", str(script), "kernels", "MatMul"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = parse_framework(dump_framework([json.loads(done.stdout.splitlines()[-1])], []))
    (release,) = found.releases
    assert f"tensorflow-cpu=={release}" == TENSORFLOW
    known = load_framework()
    assert one_by_one(found.rules[release]) == one_by_one(known.rules[release])
    assert found.signatures["MatMul"] == known.signatures["MatMul"]
    assert found.on_the_cpu <= known.on_the_cpu


def one_by_one(rules: Iterable[Rule]) -> set[tuple[object, ...]]:
    """Kernels of one dtype each."""
    return {
        (rule.op, rule.device, rule.host, rule.label, tuple(name for name, _ in rule.dtypes), one)
        for rule in rules
        for one in product(*(allowed for _, allowed in rule.dtypes))
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models are."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def graphs(python: Path, folder: Path) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """What TensorFlow says of the models' graphs."""
    found: dict[str, list[tuple[str, dict[str, str]]]] = told(python, "models_driver.py", folder)
    return found


def answer(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `ops --model` says of a file beside the newest plugin."""
    assert main(["ops", "--model", str(path), "--version", "1.2.0", "--json"]) == 0
    out = capsys.readouterr().out
    found: dict[str, Any] = json.loads(out)
    return found


def registered(op: str, types: dict[str, str]) -> bool:
    """Whether the data has a kernel of 1.2.0 for an op with these dtypes, read line by line."""
    last = len(load_kernels().libraries) - 1
    return any(
        entry["kernel"] == op
        and last in parse_runs(entry["in"])
        and all(types.get(attribute) == dtype for attribute, dtype in entry["dtypes"].items())
        for entry in LINES
    )


LINES = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines() if '"kernel"' in line]


@pytest.mark.parametrize("name", MODELS)
def test_a_frozen_graph_is_answered_op_by_op(
    name: str,
    folder: Path,
    graphs: dict[str, list[tuple[str, dict[str, str]]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each op that TensorFlow sees in its graph runs where the data, looked through by hand, says."""
    (found,) = answer(folder / f"{name}.pb", capsys)["answers"]
    on_metal = {one["op"] for one in found["ops"] if one["runs"] == "plugin"}
    assert on_metal == {op for op, types in graphs[name] if registered(op, types)}
    assert sum(one["count"] for one in found["ops"]) == len(graphs[name])
    assert not [one for one in found["ops"] if one["runs"] == "unknown"]
    expected = {
        "dense": {"MatMul", "BiasAdd", "Relu", "Softmax"},
        "convolutional": {"Conv2D", "BiasAdd", "Relu", "MaxPool", "MatMul"},
        "recurrent": {"GatherV2", "MatMul", "Sigmoid", "Tanh", "Split"},
    }
    assert expected[name] <= on_metal


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_says_the_same_as_its_graph(
    name: str, folder: Path, graphs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """What computes is the same; what reads variables, calls functions or loops is written otherwise."""
    assert graphs
    saved, frozen = (
        {
            (one["op"], one["dtypes"], one["runs"])
            for one in answer(folder / file, capsys)["answers"][0]["ops"]
            if one["runs"] != "TensorFlow"
        }
        for file in (name, f"{name}.pb")
    )
    assert saved == frozen


def test_a_softplus_falls_back_to_the_cpu_with_a_copy_each_way(
    folder: Path, graphs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """No version registers it: its input comes from the GPU, in the graph as TensorFlow made it."""
    assert graphs
    (found,) = answer(folder / "convolutional.pb", capsys)["answers"]
    assert {one["op"] for one in found["ops"] if one["runs"] == "CPU"} >= {"Softplus"}
    assert {"from": "BiasAdd", "into": "Softplus", "to": "CPU", "count": 1} in found["copies"]


@pytest.mark.parametrize("name", ["dense", "convolutional"])
def test_a_keras_file_becomes_the_ops_of_its_graph(
    name: str,
    folder: Path,
    graphs: dict[str, list[tuple[str, dict[str, str]]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the layers' names are taken for is what Keras makes of them, dtypes included."""
    found = answer(folder / f"{name}.keras", capsys)
    assert found["unknown"] == []
    predicted = {
        (one["op"], one["runs"])
        for one in found["answers"][0]["ops"]
        if one["part"] == "model.predict" and one["op"] != "Cast"
    }
    plumbing = {"Placeholder", "Const", "Identity", "NoOp", "Cast"}
    (frozen,) = answer(folder / f"{name}.pb", capsys)["answers"]
    assert predicted == {(one["op"], one["runs"]) for one in frozen["ops"] if one["op"] not in plumbing}
    assert graphs


def test_a_keras_file_with_an_lstm_is_what_a_gpu_gets(
    folder: Path, graphs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Keras takes cuDNN's op where it sees a GPU: the plugin registers it, and no loop is left."""
    assert graphs
    found = answer(folder / "recurrent.keras", capsys)
    runs = {one["op"]: one["runs"] for one in found["answers"][0]["ops"] if one["part"] == "model.predict"}
    assert runs["CudnnRNNV3"] == "plugin"
    assert "While" not in runs
