"""What TensorFlow and Keras bring: kernels for every device, signatures of ops, what layers become.

``data/framework.jsonl`` is a header with the releases that were looked at, then a line a kernel with the
releases that have it, a line with the ops that the CPU has, a line an op with its arguments, and a line a
Keras layer with the ops that it becomes.  It is read from ``tensorflow-cpu`` for Linux by
`kernels.framework_update`: these kernels are registered by the same sources on a Mac, which was not tried.

Pure: text in, facts out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from metalmatrix.errors import MatrixError
from metalmatrix.files import PACKAGE, read_data
from metalmatrix.kernels.rules import Rule
from metalmatrix.spans import dump_runs, parse_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DATA = PACKAGE / "data" / "framework.jsonl"
SCHEMA = 1
REGENERATE = "python -m metalmatrix.kernels.framework_update"
_HINT = f"to make it anew: {REGENERATE}"
FOLLOWS = "*"
"""The dtype of an attribute that has the layer's own."""


@dataclass(frozen=True)
class Signature:
    """The arguments of an op.

    Attributes:
        inputs, outputs: Names; ``values*N`` for as many as the attribute N says.
        defaults: The dtypes that attributes have where a file leaves them out.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    defaults: Mapping[str, str]


@dataclass(frozen=True)
class LayerOp:
    """An op that a layer becomes, and the dtypes of its attributes; `FOLLOWS` for the layer's own."""

    op: str
    types: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> LayerOp:
        """``Reshape T=* Tshape=INT32``."""
        op, *pairs = text.split()
        split = (pair.partition("=") for pair in pairs)
        return cls(op, tuple((name, dtype) for name, _, dtype in split))


@dataclass(frozen=True)
class Layer:
    """What a Keras layer becomes.

    Attributes:
        name: Its class; or ``activation:relu`` for an activation.
        options: The arguments, and ``rank``, under which it becomes this; none for the plain layer.
        ops: In `model.predict`.
        train: What `model.fit` adds: its own part of the forward pass, and gradients.
    """

    name: str
    options: Mapping[str, Any]
    ops: tuple[LayerOp, ...]
    train: tuple[LayerOp, ...]


@dataclass(frozen=True)
class FrameworkFacts:
    """All that is known.

    Attributes:
        releases: The TensorFlows that were looked at, oldest first.
        kerases: The versions of Keras that were looked at, oldest first.
        on_the_cpu: Every op that has a kernel for the CPU, in any of the releases.
    """

    releases: tuple[str, ...]
    kerases: tuple[str, ...]
    on_the_cpu: frozenset[str]
    rules: Mapping[str, tuple[Rule, ...]]
    signatures: Mapping[str, Signature]
    layers: Mapping[str, tuple[Layer, ...]]

    def nearest(self, framework: str) -> str:
        """The release that stands for *framework*: the newest that is not newer, or the oldest of all."""
        wanted = Version(framework).release[:2]
        older = [name for name in self.releases if Version(name).release[:2] <= wanted]
        return older[-1] if older else self.releases[0]

    def keras_for(self, version: str) -> str:
        """The Keras that stands for *version*: the newest of the same major version, or the newest."""
        same = [keras for keras in self.kerases if keras.partition(".")[0] == version.partition(".")[0]]
        return (same or self.kerases)[-1]

    def layer(self, keras: str, name: str, config: Mapping[str, Any]) -> Layer | None:
        """What a layer of that class and configuration becomes; None where that is not known.

        Of several that fit, the one that asks for most.
        """
        found = [
            layer
            for layer in self.layers[keras]
            if layer.name == name and all(config.get(key) == value for key, value in layer.options.items())
        ]
        return max(found, key=lambda layer: len(layer.options), default=None)


@cache
def load_framework() -> FrameworkFacts:
    """What the data knows.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    return parse_framework(read_data(DATA, _HINT))


def parse_framework(text: str) -> FrameworkFacts:
    """The facts in *text*, the content of the data file.

    Raises:
        MatrixError: It is no such file, or has another schema.
    """
    releases: tuple[str, ...] = ()
    kerases: tuple[str, ...] = ()
    on_the_cpu: frozenset[str] = frozenset()
    rules: dict[str, list[Rule]] = {}
    layers: dict[str, list[Layer]] = {}
    signatures = {}
    for number, line in enumerate(text.splitlines() or [""], start=1):
        try:
            entry = json.loads(line)
            if number == 1:
                releases, kerases = _header(entry)
                rules, layers = {name: [] for name in releases}, {name: [] for name in kerases}
            elif "on_the_cpu" in entry:
                on_the_cpu = frozenset(entry["on_the_cpu"].split())
            elif "kernel" in entry:
                for at in parse_runs(entry["in"]):
                    rules[releases[at]].append(_rule(entry))
            elif "op" in entry:
                signatures[entry["op"]] = Signature(
                    tuple(entry["inputs"]), tuple(entry["outputs"]), entry.get("defaults", {})
                )
            else:
                for at in parse_runs(entry["in"]):
                    layers[kerases[at]].append(_layer(entry))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            problem = f"line {number} of {DATA.name} is damaged ({type(error).__name__}: {error})"
            raise MatrixError(problem, _HINT) from error
    return FrameworkFacts(
        releases,
        kerases,
        on_the_cpu,
        {name: tuple(found) for name, found in rules.items()},
        signatures,
        {name: tuple(found) for name, found in layers.items()},
    )


def _header(entry: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if entry["schema"] != SCHEMA:
        raise ValueError(f"schema {entry['schema']!r}, and this metalmatrix reads {SCHEMA}")
    return tuple(entry["releases"]), tuple(entry["keras"])


def _rule(entry: dict[str, Any]) -> Rule:
    dtypes = tuple((name, frozenset(allowed.split())) for name, allowed in entry["dtypes"].items())
    label, priority = entry.get("label", ""), entry.get("priority", 0)
    host = tuple(entry.get("host", ()))
    return Rule(entry["kernel"], entry["device"], dtypes, host, "TensorFlow", priority, label)


def _layer(entry: dict[str, Any]) -> Layer:
    ops, train = (tuple(LayerOp.parse(text) for text in entry.get(key, ())) for key in ("ops", "train"))
    return Layer(entry["layer"], entry.get("options", {}), ops, train)


def dump_framework(kernels: Sequence[dict[str, Any]], layers: Sequence[dict[str, Any]]) -> str:
    """The text of the data file.

    Args:
        kernels: What ``inside.py kernels`` told of each release, oldest first.
        layers: What ``inside.py layers`` told of each Keras, oldest first.
    """
    lines: list[dict[str, Any]] = [
        {
            "regenerate": REGENERATE,
            "schema": SCHEMA,
            "releases": [told["tensorflow"] for told in kernels],
            "keras": [told["keras"] for told in layers],
        },
        {"on_the_cpu": " ".join(sorted({op for told in kernels for op in told["on_the_cpu"]}))},
        *_kernel_lines(kernels),
    ]
    signatures = {told["op"]: told for release in kernels for told in release["ops"]}
    for _, told in sorted(signatures.items()):
        line = {key: told[key] for key in ("op", "inputs", "outputs")}
        lines.append(line | ({"defaults": told["defaults"]} if told["defaults"] else {}))
    shared: dict[str, list[int]] = {}
    for number, told in enumerate(layers):
        for layer in told["layers"]:
            shared.setdefault(json.dumps(_layer_line(layer)), []).append(number)
    lines += [json.loads(line) | {"in": dump_runs(where)} for line, where in sorted(shared.items())]
    return "".join(json.dumps(line) + "\n" for line in lines)


def _layer_line(told: dict[str, Any]) -> dict[str, Any]:
    name = f"activation:{told['activation']}" if told.get("activation") else told["layer"]
    line: dict[str, Any] = {"layer": name}
    if told["options"]:
        line["options"] = told["options"]
    for key in ("ops", "train"):
        texts = [" ".join([op, *(f"{a}={t}" for a, t in types.items())]) for op, types in told[key]]
        line |= {key: texts} if texts else {}
    return line


def _kernel_lines(kernels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Kernels that differ in the dtypes of one attribute alone are one line."""
    where: dict[str, list[int]] = {}
    for number, release in enumerate(kernels):
        for kernel in release["kernels"]:
            plain = kernel | {
                "dtypes": {name: sorted(types) for name, types in sorted(kernel["dtypes"].items())}
            }
            where.setdefault(json.dumps(plain, sort_keys=True), []).append(number)
    found = [json.loads(text) | {"in": dump_runs(at)} for text, at in where.items()]
    most = max((len(kernel["dtypes"]) for kernel in found), default=0)
    for place in range(most):
        found = _joined(found, place)
    lines = []
    for kernel in sorted(
        found, key=lambda one: json.dumps([one["op"], one["device"], one["dtypes"], one["in"]])
    ):
        line: dict[str, Any] = {"kernel": kernel["op"], "device": kernel["device"]}
        line["dtypes"] = {name: " ".join(types) for name, types in kernel["dtypes"].items()}
        line |= {name: kernel[name] for name in ("host", "priority", "label") if kernel[name]}
        lines.append(line | {"in": kernel["in"]})
    return lines


def _joined(kernels: list[dict[str, Any]], place: int) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for kernel in kernels:
        names = list(kernel["dtypes"])
        if place >= len(names):
            groups[json.dumps(kernel, sort_keys=True)] = kernel
            continue
        others = kernel | {
            "dtypes": {name: types for name, types in kernel["dtypes"].items() if name != names[place]}
        }
        key = json.dumps([others, names[place]], sort_keys=True)
        known = groups.setdefault(key, kernel | {"dtypes": kernel["dtypes"] | {names[place]: []}})
        known["dtypes"][names[place]] = sorted(
            {*known["dtypes"][names[place]], *kernel["dtypes"][names[place]]}
        )
    return list(groups.values())
