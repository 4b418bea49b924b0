from __future__ import annotations

from metalmatrix.kernels.beside import answers, fitting
from metalmatrix.kernels.framework_facts import Signature, load_framework
from metalmatrix.kernels.kernel_facts import load_variants
from metalmatrix.kernels.rules import Rule, registry
from metalmatrix.models.graphs import Graph, Input, Model, Node, Types
from metalmatrix.models.placing import CPU, FRAMEWORK, PLUGIN, UNKNOWN, Copy, place
from metalmatrix.wheels.wheel_facts import load_facts

FLOAT, HALF = {"T": ("FLOAT",)}, {"T": ("HALF",)}
SIGNATURES = {
    "Reshape": Signature(("tensor", "shape"), ("output",), {"Tshape": "INT32"}),
    "Split": Signature(("split_dim", "value"), ("output*num_split", "rest"), {}),
    "Shape": Signature(("input",), ("output",), {}),
}


def rule(op: str, *host: str, source: str = "plugin", dtype: str = "FLOAT") -> Rule:
    """A kernel of one dtype."""
    device = "GPU" if source == "plugin" else "DEFAULT"
    own = PLUGIN if source == "plugin" else FRAMEWORK
    assert own in {"plugin", "TensorFlow"}
    return Rule(op, device, (("T", frozenset({dtype})),), host, "plugin" if own == PLUGIN else "TensorFlow")


REGISTRY = registry(
    [
        rule("Relu"),
        rule("MatMul"),
        rule("Split", "split_dim", "rest"),
        rule("Reshape", "shape", source="TensorFlow"),
        rule("Shape", "output", source="TensorFlow"),
    ]
)


def node(name: str, op: str, *inputs: str, types: Types | None = None, **counts: int) -> Node:
    """A node of a graph: inputs as ``name:1``."""
    split = [text.partition(":") for text in inputs]
    wired = tuple(Input(source, "", int(index or 0)) for source, _, index in split)
    return Node(name, op, FLOAT if types is None else types, counts, wired)


def placed(*nodes: Node) -> tuple[dict[str, str], tuple[Copy, ...]]:
    """Where each op runs, and what is copied."""
    found = place(Model("GraphDef", (Graph("", nodes),)), REGISTRY, SIGNATURES)
    assert found.copies is not None
    return {one.op: one.where for one in found.ops}, found.copies


def test_an_op_runs_where_it_has_a_kernel_for_its_dtypes() -> None:
    """The plugin's, TensorFlow's own, none, or one that cannot be told."""
    found, _ = placed(
        node("a", "Relu"), node("b", "Reshape"), node("c", "Elu"), node("d", "MatMul", types={})
    )
    assert found == {"Relu": PLUGIN, "Reshape": FRAMEWORK, "Elu": CPU, "MatMul": UNKNOWN}
    assert placed(node("a", "Relu", types=HALF))[0] == {"Relu": CPU}


def test_a_tensor_is_copied_between_two_memories() -> None:
    """There and back around an op that has no kernel; not between two on the GPU, nor two on the CPU."""
    _, copies = placed(
        node("x", "Relu"),
        node("a", "Relu", "x"),
        node("b", "Elu", "a"),
        node("c", "Selu", "b"),
        node("d", "MatMul", "c", "a"),
    )
    assert copies == (Copy("Relu", "Elu", "CPU", 1), Copy("Selu", "MatMul", "GPU", 1))


def test_arguments_in_the_hosts_memory_count() -> None:
    """A shape is taken and given there: no copy from one to the other, one from a computed tensor."""
    _, copies = placed(
        node("x", "Relu"),
        node("a", "Relu", "x"),
        node("s", "Shape", "a"),
        node("r", "Reshape", "a", "s"),
        node("t", "Reshape", "r", "a"),
    )
    assert copies == (Copy("Relu", "Reshape", "CPU", 1),)


def test_the_outputs_of_many_are_told_apart() -> None:
    """The first outputs of this Split are on the GPU, the last one is in the host's memory."""
    split = node("s", "Split", "x", "x", num_split=2)
    _, copies = placed(
        node("w", "Relu"), node("x", "Relu", "w"), split, node("a", "Relu", "s:1"), node("b", "Relu", "s:2")
    )
    assert copies == (Copy("Relu", "Split", "CPU", 1), Copy("Split", "Relu", "GPU", 1))


def test_what_has_no_input_is_made_where_it_is_used() -> None:
    """No copy is counted for a constant, a variable or an argument."""
    _, copies = placed(node("c", "Elu"), node("a", "Relu", "c"), node("b", "Relu", "nowhere"))
    assert copies == ()


def test_a_file_without_edges_has_no_copies_to_tell() -> None:
    """Its ops are told with the layers that they come from."""
    nodes = (Node("one", "Relu", FLOAT, inputs=None), Node("two", "Relu", FLOAT, inputs=None))
    found = place(Model("Keras", (Graph("model.predict", nodes),)), REGISTRY, SIGNATURES)
    assert found.copies is None
    assert [(one.part, one.op, one.count, one.layers) for one in found.ops] == [
        ("model.predict", "Relu", 2, ("one", "two"))
    ]


def test_each_version_is_beside_the_newest_tensorflow_that_it_fits() -> None:
    """By the loader's rules, and what TensorFlow asks of a plugin: 0.2.0 goes with none since 2.7."""
    facts, wheels = load_framework(), load_facts()
    beside = {variant.label: fitting(variant, facts, wheels) for variant in load_variants()}
    assert beside["0.2.0"] == "2.7.0"  # the oldest that was looked at
    assert beside["0.5.0"] == "2.10.0"
    assert beside["1.0.0"] == "2.12.1"
    assert beside["1.1.0"] == "2.16.2"  # 2.17 as well, of which nobody has looked
    assert beside["1.2.0"] == "2.18.1"


def test_a_product_in_half_runs_on_the_gpu_since_1_0_0() -> None:
    """With the real data: what people ask."""
    model = Model("GraphDef", (Graph("", (node("m", "MatMul", types=HALF),)),))
    found = answers(model, load_variants(), load_framework(), load_facts())
    where = {answer.variant.label: answer.placement.ops[0].where for answer in found}
    assert {label for label, place in where.items() if place == PLUGIN} == {
        *("0.8.0 (Python 3.11)", "1.0.0", "1.0.1", "1.1.0", "1.2.0"),
    }
    assert set(where.values()) == {PLUGIN, CPU}


def test_tensorflow_fills_the_gaps_with_kernels_for_every_device() -> None:
    """A Reshape is registered by no version of the plugin, and runs on the GPU."""
    model = Model("GraphDef", (Graph("", (node("r", "Reshape"),)),))
    (answer,) = answers(model, load_variants()[-1:], load_framework(), load_facts(), "2.18.0")
    assert (answer.framework, answer.placement.ops[0].where) == ("2.18.1", FRAMEWORK)
