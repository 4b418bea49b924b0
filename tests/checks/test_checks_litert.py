"""The checks of LiteRT: with packages that misbehave on purpose, and with the real one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from metalmatrix.resolving.uv import run_uv
from metalmatrix.running.checklist import check_catalog, checks_dir
from metalmatrix.running.limits import Limits
from metalmatrix.running.supervise import run_checks
from tests.clone import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FAKE = """
import base64, sys
sys.path.insert(0, {checks!r})
import litert_reference as reference

class OpResolverType:
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 1

class Interpreter:
    def __init__(self, model_content, num_threads=1, experimental_op_resolver_type=0):
        self.threads, self.bare = num_threads, experimental_op_resolver_type
    def allocate_tensors(self): pass
    def get_input_details(self): return [{{"index": 0}}]
    def get_output_details(self): return [{{"index": 1}}]
    def set_tensor(self, index, image): self.image = image
    def invoke(self): {invoke}
    def get_tensor(self, index): return reference.outputs(self.image){wrong}
"""


@pytest.fixture(scope="module")
def numpy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with NumPy and no LiteRT."""
    return environment(tmp_path_factory.mktemp("numpy") / "env", "numpy")


def outcomes(python: Path, source: str) -> dict[str, tuple[str, str, str]]:
    """What came of each check with an interpreter of that source: outcome, how, message."""
    (site,) = (python.parent.parent / "lib").glob("python3*/site-packages")
    package = site / "ai_edge_litert"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(source, encoding="utf-8")
    found = run_checks(python, Limits(seconds=30), lite=True)
    return {result.check: (result.outcome, result.how, result.message) for result in found}


def fake(invoke: str = "pass", wrong: str = "") -> str:
    """An interpreter that computes what NumPy does, but for what is wrong with it."""
    return FAKE.format(checks=str(checks_dir()), invoke=invoke, wrong=wrong)


def test_they_are_other_checks_than_those_of_tensorflow() -> None:
    """Which checks there are follows from what is checked."""
    assert [info.id for info in check_catalog(lite=True)] == ["import", "model", "delegates"]
    assert "model" not in {info.id for info in check_catalog()}


@pytest.mark.tensorflow
def test_a_healthy_one(numpy: Path) -> None:
    """All pass."""
    assert {outcome for outcome, *_ in outcomes(numpy, fake()).values()} == {"passed"}


@pytest.mark.tensorflow
def test_wrong_numbers(numpy: Path) -> None:
    """Numbers that are off fail the model, and nothing else."""
    found = outcomes(numpy, fake(wrong=" * 1.01"))
    assert found["model"][:2] == ("failed", "mismatch")
    assert found["model"][2].startswith("1 thread: the result is off by ")
    assert (found["import"][0], found["delegates"][0]) == ("passed", "passed")


@pytest.mark.tensorflow
def test_wrong_numbers_with_several_threads(numpy: Path) -> None:
    """It is told with how many."""
    found = outcomes(numpy, fake(wrong=" + (self.threads > 1)"))
    assert found["model"][2].startswith("4 threads: ")


@pytest.mark.tensorflow
def test_a_delegate_that_computes_something_else(numpy: Path) -> None:
    """What only the default delegate gets wrong is the delegates' failure."""
    found = outcomes(numpy, fake(wrong=" + 1e-3 * self.bare"))
    assert found["model"][0] == "passed"
    assert found["delegates"][:2] == ("failed", "mismatch")


@pytest.mark.tensorflow
def test_a_runtime_that_refuses(numpy: Path) -> None:
    """What compiled code raises is no Python exception that a Mac would meet too."""
    found = outcomes(numpy, fake(invoke='raise RuntimeError("no kernel")'))
    assert found["model"] == ("failed", "mismatch", "the runtime refuses: RuntimeError: no kernel")


@pytest.mark.tensorflow
def test_it_cannot_be_imported(numpy: Path) -> None:
    """The other checks are skipped, and say why."""
    found = outcomes(numpy, 'raise ImportError("no library")')
    assert found["import"] == ("failed", "exception", "no library")
    assert found["model"] == ("skipped", "", "LiteRT cannot be imported.")


def environment(folder: Path, *requirements: str, version: str = "") -> Path:
    """The interpreter of an environment with *requirements*."""
    version = version or f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert run_uv(["venv", "--python", version, str(folder)]).code == 0
    python = folder / "bin" / "python"
    answer = run_uv(["pip", "install", "--python", str(python), *requirements], seconds=900)
    if answer.unreachable:
        pytest.skip("the package index did not answer")
    assert answer.code == 0, answer.err
    return python


@pytest.mark.tensorflow
def test_the_real_one(tmp_path: Path) -> None:
    """The platform's wheel passes; its default delegate is applied."""
    python = environment(tmp_path / "env", "ai-edge-litert==2.3.0")
    found = {result.check: result for result in run_checks(python, Limits(), lite=True)}
    assert {result.outcome for result in found.values()} == {"passed"}
    assert found["delegates"].facts["default_delegate"] is True
    assert found["delegates"].facts["ops"][0] == "CONV_2D"


@pytest.mark.tensorflow
def test_the_model_is_converted_anew(tmp_path: Path) -> None:
    """TensorFlow converts the same weights to a model that computes the same."""
    tensorflow = environment(
        tmp_path / "tf", "tensorflow-cpu==2.15.1", "numpy<2", "setuptools<82", version="3.11"
    )
    made = tmp_path / "made.py"
    subprocess.run([tensorflow, ROOT / "tests" / "litert_convert.py", made], check=True, timeout=300)
    code = (
        "import sys, base64; sys.path.insert(0, sys.argv[1]); import litert_reference as r, numpy as np\n"
        "import tensorflow as tf; space = {}; exec(open(sys.argv[2]).read(), space)\n"
        "i = tf.lite.Interpreter(model_content=base64.b64decode(space['MODEL'])); i.allocate_tensors()\n"
        "i.set_tensor(i.get_input_details()[0]['index'], r.inputs()); i.invoke()\n"
        "got = i.get_tensor(i.get_output_details()[0]['index'])\n"
        "assert np.abs(got - r.outputs(r.inputs())).max() < 1e-5, got\n"
    )
    for model in (made, checks_dir() / "litert_model_bytes.py"):
        subprocess.run([tensorflow, "-c", code, checks_dir(), model], check=True, timeout=300)
