from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cli import main
from tests import tiny_graph as tiny

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIXED = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What `ops` prints: its answer, or with another exit code its complaint."""
    assert main(["ops", *arguments]) == code
    out, err = capsys.readouterr()
    return err if code else out


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A .keras file with a dense layer, a convolution in half, a Softplus and a layer of one's own."""
    path = tmp_path / "model.keras"
    own = tiny.layer("Mine", "mine") | {"module": "me", "registered_name": "me>Mine"}
    path.write_bytes(
        tiny.keras(
            tiny.layer("Conv2D", "conv", activation="relu", dtype=MIXED),
            tiny.layer("Dense", "dense", activation="softplus"),
            own,
        )
    )
    return path


def test_what_people_read(
    capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None], model: Path
) -> None:
    """Each question's answer, whole."""
    questions = [
        [],
        ["MatMul", "reshape", "StatelessRandomUniform", "Conv3D"],
        ["--version", "0.8.0", "--dtype", "half", "--python", "3.10"],
        ["--diff", "0.5.1", "0.6.0"],
        ["--model", str(model)],
    ]
    texts = []
    for question in questions:
        typed = " ".join(question).replace(str(model), model.name)
        texts.append(f"$ ops {typed}\n{said(capsys, *question)}")
    golden("ops.txt", "\n".join(texts))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Matmull"], "did you mean MatMul?"),
        (["--dtype", "hlaf"], "did you mean half?"),
        (["--version", "1.12.0"], "did you mean 1.2.0, 1.1.0?"),
        (["--version", "9"], "there are 0.1.0 to 1.2.0"),
        (["--version", "0.8.0", "--python", "3.13"], "has no wheel for Python 3.13"),
        (["--diff", "1.1.0", "1.22.0"], "did you mean 1.2.0?"),
        (["MatMul", "--diff", "1.1.0", "1.2.0"], "ask one thing at a time"),
        (["--framework", "2.18"], "--framework goes with --model"),
        (["--version", "1.2.0", "--diff", "1.1.0", "1.2.0"], "--version and --diff name different versions"),
        (["--python", "3.11"], "--python goes with --version or --diff"),
        (["MatMul", "--python", "3.11"], "--python goes with --version or --diff"),
        (["--diff", "1.1.0", "1.2.0", "--dtype", "half"], "--dtype goes with ops or --version"),
        (["--model", "nowhere.keras"], "nowhere.keras cannot be read: No such file or directory"),
    ],
)
def test_a_slip_is_told_with_what_to_type(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    """An error, its reason, and the next thing to type."""
    complaint = said(capsys, *arguments, code=2)
    assert told in complaint
    assert "hint: " in complaint


def test_a_version_of_tensorflow_is_looked_at(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    """What is no version is refused; one that was not looked at is stood for by the one before it."""
    assert "is no version" in said(capsys, "--model", str(model), "--framework", "new", code=2)
    found = json.loads(
        said(capsys, "--model", str(model), "--framework", "2.17.1", "--version", "1.1.0", "--json")
    )
    assert [(answer["tensorflow"], answer["refused"]) for answer in found["answers"]] == [("2.16.2", "")]
    told = "The kernels of TensorFlow 2.17.1 were not read: those of 2.16.2 stand for them."
    assert found["notes"][-1] == told
    assert told in " ".join(
        said(capsys, "--model", str(model), "--framework", "2.17.1", "--version", "1.1.0").split()
    )
    assert "stand for them" not in said(capsys, "--model", str(model), "--framework", "2.18")


@pytest.mark.parametrize(
    ("plugin", "framework", "told"),
    [
        ("1.1.0", "2.18", "does not load it into TensorFlow 2.18.1: Symbol not found: __ZN3tsl8internal"),
        ("0.2.0", "", "TensorFlow 2.7.0 does not take it: FAILED_PRECONDITION: 'host_callback' field"),
        ("0.2.0", "2.21.0", "TensorFlow 2.21.0 has no wheel for a Python that tensorflow-metal 0.2.0 has"),
    ],
)
def test_a_pair_that_does_not_run_is_told_first(
    capsys: pytest.CaptureFixture[str], model: Path, plugin: str, framework: str, told: str
) -> None:
    """Where the ops would run beside a TensorFlow that ends at the plugin's sight is not the answer."""
    asked = ["--model", str(model), "--version", plugin, *(["--framework", framework] if framework else [])]
    (answer,) = json.loads(said(capsys, *asked, "--json"))["answers"]
    assert told in answer["refused"]
    text = " ".join(said(capsys, *asked).split())
    assert told in text
    assert text.index("does not run there") < text.index("on the CPU, for want")


def test_programs_get_all_of_it(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    """Every answer as JSON, alone on standard output."""
    rows = json.loads(said(capsys, "matmul", "--json"))
    assert rows[0] == {
        "op": "MatMul",
        "dtypes": {"T": ["FLOAT"]},
        "host_memory": [],
        "versions": "all",
        "macos": {},
    }
    assert len(json.loads(said(capsys, "--json"))) > 300
    assert list(json.loads(said(capsys, "--version", "1.2.0", "--dtype", "half", "--json"))) == ["1.2.0"]
    (change,) = json.loads(said(capsys, "--diff", "1.1.0", "1.2.0", "--json"))
    assert change == {"version": "1.2.0", "against": "1.1.0", "gained": {}, "lost": {}}
    found = json.loads(said(capsys, "--model", str(model), "--version", "1.2.0", "--json"))
    (answer,) = found["answers"]
    runs = {(one["op"], one["dtypes"]): one["runs"] for one in answer["ops"]}
    assert found["kind"] == "Keras"
    assert found["unknown"] == ["mine: what a Mine of one's own does is in its code, not in the file"]
    assert runs["Conv2D", "T=HALF"] == "plugin"
    assert runs["Softplus", "T=FLOAT"] == "CPU"
    assert answer["copies"] is None


def test_a_hostile_model_shows_no_escapes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Names from a file come out as plain text, or not at all."""
    path = tmp_path / "\x1b[31mred.keras"
    path.write_bytes(tiny.keras(tiny.layer("Dense", "\x1b]0;title\x07")))
    assert main(["ops", "--model", str(path), "--version", "1.2.0"]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
