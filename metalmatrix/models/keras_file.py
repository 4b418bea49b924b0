"""Reads a ``.keras`` file: a zip whose ``config.json`` names the layers.  Nothing in it is executed or built.

What a layer becomes is known from real Keras, which traced each of them once (`kernels.inside`): class by
class, with its bias or without, by the rank of its input, with its activation, in its dtype policy.  What
Keras does for other arguments is not followed, and said; a custom layer's code is not in the file, and is
*unknown*.  A file does not tell the order in which the ops of a layer run, so they have no inputs here.
"""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING, Any, cast

from metalmatrix.models.graphs import Graph, Model, Node
from metalmatrix.models.wire import ModelError
from metalmatrix.wheels.wheel_reader import BAD_ARCHIVE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from metalmatrix.kernels.framework_facts import FrameworkFacts, LayerOp

MAX_CONFIG = 16 * 2**20
MAX_DIRECTORY = 2**20
MAX_LAYERS = 20_000
MAX_DEPTH = 20
"""Bounds: bytes of the configuration, and of the zip's directory; layers; models within models."""

_CHUNK = 2**16

PREDICT, FIT = "model.predict", "model.fit adds"
_MODELS = {"Sequential", "Functional", "Model"}
_WRAPPERS = {"TimeDistributed", "Bidirectional"}
_POLICIES = {
    # policy: (the dtype of its ops, that of its variables)
    "float32": ("FLOAT", "FLOAT"),
    "float16": ("HALF", "HALF"),
    "bfloat16": ("BFLOAT16", "BFLOAT16"),
    "float64": ("DOUBLE", "DOUBLE"),
    "mixed_float16": ("HALF", "FLOAT"),
    "mixed_bfloat16": ("BFLOAT16", "FLOAT"),
}
_WHOLE = {"int32", "int64", "uint8", "bool", "string"}  # of inputs and look-ups, which compute nothing
_USUAL = {
    # arguments that Keras looks at to choose another implementation, as they usually are
    "LSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
    "GRU": {"activation": "tanh", "recurrent_activation": "sigmoid"},
    "SimpleRNN": {"activation": "tanh"},
}
_NAME = re.compile(r"[\w.>/ -]{1,80}")
NOTES = (
    "A .keras file names layers: what they become was traced with Keras {keras} and its usual arguments.",
    "Where a layer's ops stand in a graph is not in it, nor what optimizer, loss and metrics become.",
)


def read_keras(file: IO[bytes], facts: FrameworkFacts) -> Model:
    """The model in a ``.keras`` file.

    Raises:
        ModelError: It is none.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Bounded(file))) as archive:
            config, metadata = (_member(archive, name) for name in ("config.json", "metadata.json"))
    except (*BAD_ARCHIVE, OSError) as error:
        raise ModelError(f"the file is no .keras file, or is damaged ({type(error).__name__})") from error
    version = metadata.get("keras_version")
    written_by = version if isinstance(version, str) and re.fullmatch(r"[0-9]+(\.\w+){0,4}", version) else "3"
    reader = _Reader(facts, facts.keras_for(written_by))
    reader.model(config, 0)
    if not reader.layers:
        raise ModelError("the file names no layers: it is no model of Keras")
    graphs = (Graph(PREDICT, tuple(reader.predict)), Graph(FIT, tuple(reader.fit)))
    notes = tuple(note.format(keras=reader.keras) for note in NOTES)
    return Model("Keras", graphs, tuple(dict.fromkeys(reader.unknown)), notes)


class _Bounded:
    """A file of which no more is read at once than `MAX_DIRECTORY`: `zipfile` reads a directory in one go."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """*size* bytes, fewer only at the end."""
        found = self._file.read(MAX_DIRECTORY + 1 if size < 0 else min(size, MAX_DIRECTORY + 1))
        if len(found) > MAX_DIRECTORY:
            raise ModelError(f"the file's directory is larger than {MAX_DIRECTORY >> 20} MiB: it is no model")
        return found


def _member(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """One of the JSON files in it."""
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise ModelError(f"the file is no .keras file: it has no {name}") from error
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ModelError(f"its {name} is packed in a way that Keras does not")
    data = bytearray()
    with archive.open(info) as member:
        while part := member.read(_CHUNK):
            data += part
            if len(data) > MAX_CONFIG:
                raise ModelError(f"its {name} is larger than {MAX_CONFIG >> 20} MiB")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"its {name} is no JSON") from error
    if not isinstance(found, dict):
        raise ModelError(f"its {name} is no configuration")
    return found


def _plain(value: object, otherwise: str) -> str:
    """A name from the file, if it is one that can be shown."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else otherwise


def _part(entry: dict[str, Any], key: str) -> dict[str, Any]:
    found = entry.get(key)
    return found if isinstance(found, dict) else {}


class _Reader:
    """Goes through the layers of a model, and of the models in it."""

    def __init__(self, facts: FrameworkFacts, keras: str) -> None:
        self.facts, self.keras = facts, keras
        self.predict: list[Node] = []
        self.fit: list[Node] = []
        self.unknown: list[str] = []
        self.layers = 0

    def model(self, entry: dict[str, Any], depth: int) -> None:
        """A model: its layers."""
        layers = _part(entry, "config").get("layers")
        if depth > MAX_DEPTH:
            raise ModelError(f"models within models, more than {MAX_DEPTH} deep")
        if not isinstance(layers, list):
            name = _plain(entry.get("class_name"), "a model")
            self.layers += 1
            self.unknown.append(f"{name}: what a class of one's own does is in its code, not in the file")
            return
        for layer in layers:
            if not isinstance(layer, dict):
                raise ModelError("its configuration has a layer that is none")
            self.layer(layer, depth)

    def layer(self, entry: dict[str, Any], depth: int) -> None:
        """A layer, or a model in its place."""
        self.layers += 1
        if self.layers > MAX_LAYERS or depth > MAX_DEPTH:
            raise ModelError(f"the model has more than {MAX_LAYERS:,} layers, or is too deep")
        kind, config = _plain(entry.get("class_name"), "a layer"), _part(entry, "config")
        name = _plain(config.get("name"), kind)
        own = entry.get("registered_name") not in (None, kind) or not _is_keras(entry.get("module"))
        if own or kind == "Lambda":
            self.unknown.append(f"{name}: what a {kind} of one's own does is in its code, not in the file")
        elif kind in _MODELS:
            self.model(entry, depth + 1)
        elif kind in _WRAPPERS and isinstance(config.get("layer"), dict):
            self.unknown.append(f"{name}: what a {kind} itself adds to the layer in it is not known")
            self.layer(_wrapped(config["layer"], entry), depth + 1)
        elif kind != "InputLayer":
            self.ops(name, kind, config, _rank(entry))

    def ops(self, name: str, kind: str, config: dict[str, Any], rank: int) -> None:
        """The ops of one layer."""
        policy = _policy(config.get("dtype"))
        layer = self.facts.layer(self.keras, kind, config | {"rank": rank})
        other = [key for key, usual in _USUAL.get(kind, {}).items() if config.get(key, usual) != usual]
        if layer is None and kind != "Activation":
            self.unknown.append(f"{name}: what a {kind} becomes is not known")
        elif other:
            self.unknown.append(f"{name}: what a {kind} with another {other[0]} becomes is not known")
        elif policy not in _POLICIES:
            self.unknown.append(f"{name}: what the dtype policy {policy} becomes is not known")
        else:
            if layer is not None:
                self.add(name, layer.ops, layer.train, policy)
            if kind not in _USUAL:
                self.activation(name, config.get("activation", "linear"), policy)

    def activation(self, name: str, said: object, policy: str) -> None:
        """The ops of the activation that a layer applies."""
        if isinstance(said, dict):  # as Keras 3 writes a function, or an object of its own
            said = said.get("config") if said.get("class_name") == "function" else said.get("class_name")
        if said in (None, "linear"):
            return
        what = _plain(said, "of one's own").lower()
        found = self.facts.layer(self.keras, f"activation:{what}", {})
        if found is None:
            self.unknown.append(f"{name}: what the activation {what} becomes is not known")
        else:
            self.add(name, found.ops, found.train, policy)

    def add(self, name: str, ops: tuple[LayerOp, ...], train: tuple[LayerOp, ...], policy: str) -> None:
        """Take the ops of a layer, in its dtype policy."""
        own, kept = _POLICIES[policy]
        self.predict += _nodes(name, ops, own)
        self.fit += _nodes(name, train, own)
        if own != kept:
            self.predict.append(_cast(name, kept, own))
            self.fit.append(_cast(name, own, kept))


def _nodes(name: str, ops: tuple[LayerOp, ...], own: str) -> Iterator[Node]:
    for op in ops:
        types = {attribute: (own if dtype == "*" else dtype,) for attribute, dtype in op.types}
        yield Node(name, op.op, types, inputs=None)


def _cast(name: str, source: str, target: str) -> Node:
    return Node(name, "Cast", {"SrcT": (source,), "DstT": (target,)}, inputs=None)


def _is_keras(module: object) -> bool:
    return isinstance(module, str) and module.split(".")[0] in {"keras", "tf_keras", "builtins"}


def _wrapped(inner: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    """The layer in a wrapper; without an input of its own, it has the wrapper's."""
    return inner if "build_config" in inner else inner | {"build_config": outer.get("build_config")}


def _rank(entry: dict[str, Any]) -> int:
    """How many dimensions a layer's input has; 0 where that is not told."""
    shape = _part(entry, "build_config").get("input_shape")
    return len(shape) if isinstance(shape, list) and len(shape) < 16 else 0


def _policy(said: object) -> str:
    """The name of a dtype policy: text, or as Keras 3 writes one."""
    if isinstance(said, dict):
        said = _part(said, "config").get("name")
    name = _plain(said, "float32" if said is None else "of one's own")
    return "float32" if name in _WHOLE else name
