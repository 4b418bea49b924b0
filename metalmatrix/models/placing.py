"""Where each op of a model runs beside a plugin, and where a tensor is copied between GPU and CPU.

By the rules of TensorFlow's own registry (`kernels.rules`): a kernel for these dtypes, the plugin's or
TensorFlow's own for every device, puts an op on the GPU; without one it runs on the CPU.  A kernel's
arguments may be in the host's memory, and a copy is made where what gives a tensor and what takes it differ
in that.  Pure.

What TensorFlow does beyond that is not followed: that ops which use a variable go where it lives, that a
constant is made where it is used (so none is counted for it), that the small ones are pinned to the CPU,
and that graph optimizers fuse ops before they are placed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metalmatrix.kernels.framework_facts import Signature
    from metalmatrix.kernels.rules import Registry, Rule
    from metalmatrix.models.graphs import Input, Model, Node

Where = Literal["plugin", "TensorFlow", "CPU", "unknown"]
PLUGIN: Where = "plugin"
FRAMEWORK: Where = "TensorFlow"
CPU: Where = "CPU"
UNKNOWN: Where = "unknown"
MAX_ARGUMENTS = 100_000


@dataclass(frozen=True)
class Placed:
    """An op with its dtypes, and where it runs.

    Attributes:
        part: The part of the model: ``model.predict``; empty for a graph.
        types: The dtypes of its attributes, ``T=FLOAT``, those only that kernels ask for.
        where: Whose kernel it has on the GPU; or ``CPU``, or ``unknown``.
        count: How often it stands in the model.
        macos: The macOS from which on; empty where that is always.
        layers: The layers of a Keras model that it comes from, in order.
    """

    part: str
    op: str
    types: str
    where: Where
    count: int
    macos: str = ""
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Copy:
    """Tensors that are copied: from the op that gives them to the one that takes them, and how many."""

    source: str
    target: str
    to: Literal["GPU", "CPU"]
    count: int


@dataclass(frozen=True)
class Placement:
    """Where a model's ops run beside one plugin.

    Attributes:
        copies: None where the file does not tell which op feeds which.
    """

    ops: tuple[Placed, ...]
    copies: tuple[Copy, ...] | None

    def of(self, where: Where) -> tuple[Placed, ...]:
        """The ops that run there."""
        return tuple(placed for placed in self.ops if placed.where == where)


def place(model: Model, registry: Registry, signatures: Mapping[str, Signature]) -> Placement:
    """Where the ops of *model* run, beside the kernels of *registry*.

    Args:
        model: The model.
        registry: A plugin's kernels and TensorFlow's.
        signatures: The arguments of ops.
    """
    counted: Counter[tuple[str, str, str, Where, str]] = Counter()
    layers: dict[tuple[str, str, str, Where, str], dict[str, None]] = {}
    copies: Counter[tuple[str, str, Literal["GPU", "CPU"]]] = Counter()
    edges = True
    for graph in model.graphs:
        found = [(node, *_placed(node, registry, signatures)) for node in graph.nodes]
        for node, where, rule in found:
            part = graph.name if node.inputs is None else ""
            key = (part, node.op, _told(node, registry), where, rule.macos if rule else "")
            counted[key] += 1
            layers.setdefault(key, {})
            if node.inputs is None:
                edges = False
                layers[key][node.name] = None
        copies.update(_copies(found, signatures))
    ops = (
        Placed(part, op, types, where, count, macos, tuple(layers[part, op, types, where, macos]))
        for (part, op, types, where, macos), count in counted.items()
    )
    made = tuple(Copy(*pair, count) for pair, count in sorted(copies.items())) if edges else None
    order = {graph.name: number for number, graph in enumerate(model.graphs)}
    ordered = sorted(ops, key=lambda placed: (order.get(placed.part, 0), placed.op, placed.types))
    return Placement(tuple(ordered), made)


def _placed(node: Node, registry: Registry, signatures: Mapping[str, Signature]) -> tuple[Where, Rule | None]:
    """Where a node runs, and the kernel that it has on the GPU."""
    signature = signatures.get(node.op)
    defaults = {name: (dtype,) for name, dtype in signature.defaults.items()} if signature else {}
    try:
        rule = registry.find(node.op, {**defaults, **node.types})
    except LookupError:
        return UNKNOWN, None
    return (CPU, None) if rule is None else (rule.source, rule)


def _told(node: Node, registry: Registry) -> str:
    """The dtypes that matter: those that kernels of the op ask for; all of an op that has no kernel."""
    asked = registry.asked(node.op)
    found = ((name, types) for name, types in sorted(node.types.items()) if name in asked or not asked)
    return " ".join(f"{name}={','.join(dict.fromkeys(types))[:60]}" for name, types in found)


def _copies(
    found: list[tuple[Node, Where, Rule | None]], signatures: Mapping[str, Signature]
) -> Iterator[tuple[str, str, Literal["GPU", "CPU"]]]:
    """Each tensor of a graph that is copied between two memories."""
    by_name = {node.name: (node, where, rule) for node, where, rule in found}
    for node, where, rule in found:
        if not node.inputs or node.calls or where == UNKNOWN:
            continue
        names = _expanded(node, signatures, "inputs") if rule and rule.host else []
        for number, tensor in enumerate(node.inputs):
            source, source_where, source_rule = by_name.get(tensor.node, (None, UNKNOWN, None))
            # what has no input is made where it is used
            if source is None or source.calls or source_where == UNKNOWN or not source.inputs:
                continue
            taken = number < len(names) and rule is not None and names[number] in rule.host
            takes: Literal["GPU", "CPU"] = "CPU" if rule is None or taken else "GPU"
            if _gives(source, source_rule, tensor, signatures) != takes:
                yield source.op, node.op, takes


def _gives(
    node: Node, rule: Rule | None, tensor: Input, signatures: Mapping[str, Signature]
) -> Literal["GPU", "CPU"]:
    """In which memory an output of a node is."""
    if rule is None:
        return "CPU"
    if not rule.host:
        return "GPU"
    name = tensor.output
    if not name:
        names = _expanded(node, signatures, "outputs")
        name = names[tensor.index] if tensor.index < len(names) else ""
    return "CPU" if name in rule.host else "GPU"


def _expanded(
    node: Node, signatures: Mapping[str, Signature], which: Literal["inputs", "outputs"]
) -> list[str]:
    """The name of the argument that each input or output belongs to."""
    signature = signatures.get(node.op)
    names: list[str] = []
    for argument in getattr(signature, which) if signature else ():
        name, _, many = argument.partition("*")
        count = node.counts.get(many, 1) if many else 1
        names += [name] * min(count, MAX_ARGUMENTS - len(names))
    return names
