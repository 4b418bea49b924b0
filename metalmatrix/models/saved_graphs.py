"""Reads a GraphDef or a SavedModel: fields of ``graph.proto``, ``function.proto``, ``saved_model.proto``.

The two look alike but for the first field: a number in a SavedModel, a node in a GraphDef.  Of a node its
op, its inputs and those attributes are read that say something of dtypes and of counts.  Of a SavedModel
what its signatures need is taken (not how it is saved and restored), of functions what is called.  Where one
has another implementation for a GPU (Keras 2's LSTM and GRU), that is what Grappler's
`implementation_selector` puts in its place there, and what is read here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from metalmatrix.kernels.tensorflow_c import DTYPES
from metalmatrix.models.graphs import Graph, Input, Model, Node
from metalmatrix.models.wire import BYTES, VARINT, Budget, Message, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metalmatrix.models.graphs import Kind

MAX_NODES = 200_000
MAX_FUNCTIONS = 50_000
MAX_METAS = 100
MAX_LIST = 10_000
"""Bounds: ops of a file, called or not; functions; graphs of a SavedModel; dtypes of a list."""

SWAPPED = "It has a layer with an implementation for GPUs (under cuDNN's name); that is what was looked at."
_REFERENCE = 100  # the dtype of a reference to a variable is that of its value and this

# field numbers
_META_GRAPH, _GRAPH_DEF, _META_INFO, _OPS, _SIGNATURES = 2, 2, 1, 2, 5
_NODE, _LIBRARY = 1, 2
_SAVED_BEGINS, _GRAPH_BEGINS = bytes([1 << 3 | VARINT]), bytes([1 << 3 | BYTES])


@dataclass
class _Functions:
    """The functions of a library, by name; those with several implementations by what they implement."""

    found: dict[str, Graph] = field(default_factory=dict)
    for_gpu: dict[tuple[str, str], Graph] = field(default_factory=dict)

    def called(self, name: str) -> Graph | None:
        """The function that runs on a GPU where *name* is called."""
        graph = self.found.get(name)
        return self.for_gpu.get(graph.interface, graph) if graph and graph.interface[0] else graph


def read_graph(data: memoryview) -> Model:
    """The model in *data*, the content of a file.

    Raises:
        ModelError: It is none.
    """
    message = Message(data, Budget())
    if bytes(data[:1]) not in {_GRAPH_BEGINS, _SAVED_BEGINS}:
        raise ModelError("the file is neither a SavedModel nor a GraphDef")
    if bytes(data[:1]) == _GRAPH_BEGINS:
        return _model("GraphDef", _reachable([(message, frozenset())]), {}, message.budget)
    metas: list[Message] = []
    for _, meta in message.messages(_META_GRAPH):
        if len(metas) == MAX_METAS:
            raise ModelError(f"the file has more than {MAX_METAS} graphs: it is no model")
        metas.append(meta)
    defaults: dict[str, Mapping[str, str]] = {}
    for meta in metas:
        for _, info in meta.messages(_META_INFO):
            for _, ops in info.messages(_OPS):
                defaults |= dict(_op_defaults(op) for _, op in ops.messages(1))
    graphs = ((graph, _signed(meta)) for meta in metas for _, graph in meta.messages(_GRAPH_DEF))
    return _model("SavedModel", _reachable(graphs), defaults, message.budget)


def _signed(meta: Message) -> frozenset[str]:
    """The nodes that give what a graph's signatures promise (``meta_graph.proto``); perhaps none."""
    found = set()
    for _, entry in meta.messages(_SIGNATURES):
        key, signature = _entry(entry)
        if key.startswith("__saved_model"):
            continue  # what initialises it
        for _, output in signature.messages(2):
            for _, info in output.messages(2):
                # a tensor is named by field 1, the parts of a sparse one by those of field 4
                names = [name.text for number, part in info.messages(1, 4) for name in _named(number, part)]
                found |= {name.partition(":")[0] for name in names}
    return frozenset(found)


def _named(number: int, part: Message) -> Iterable[Message]:
    return [part] if number == 1 else (name for _, name in part.messages(1, 2, 3))


def _needed(nodes: list[Node], wanted: frozenset[str]) -> tuple[Node, ...]:
    """The nodes that the *wanted* ones need; all where none is wanted."""
    if not wanted:
        return tuple(nodes)
    by_name = {node.name: node for node in nodes}
    todo, seen = [name for name in sorted(wanted) if name in by_name], set(wanted)
    for name in todo:  # grows
        more = {tensor.node for tensor in by_name[name].inputs or ()} - seen
        seen |= more
        todo += [name for name in sorted(more) if name in by_name]
    return tuple(node for node in nodes if node.name in seen)


def _model(
    kind: Kind, graphs: list[Graph], defaults: Mapping[str, Mapping[str, str]], budget: Budget
) -> Model:
    if not any(graph.nodes for graph in graphs):
        raise ModelError("the file has no ops: it is no model, or an empty one")
    full = tuple(
        replace(
            graph,
            nodes=tuple(_with_defaults(node, defaults.get(node.op, {}), budget) for node in graph.nodes),
        )
        for graph in graphs
    )
    return Model(kind, full, notes=(SWAPPED,) if any(graph.device == "GPU" for graph in full) else ())


def _with_defaults(node: Node, defaults: Mapping[str, str], budget: Budget) -> Node:
    """A node with the attributes that the file leaves out since they are what they are by default."""
    budget.spend(len(defaults))  # each of a few ops may stand for thousands of attributes
    left_out = {name: (dtype,) for name, dtype in defaults.items() if name not in node.types}
    return replace(node, types={**node.types, **left_out}) if left_out else node


def _reachable(graphs: Iterable[tuple[Message, frozenset[str]]]) -> list[Graph]:
    """The graphs, each with the nodes that are wanted of it, and the functions that are called."""
    functions, found = _Functions(), []
    for message, wanted in graphs:
        nodes = []
        for number, part in message.messages(_NODE, _LIBRARY):
            if number == _NODE:
                nodes.append(_node(part, in_function=False))
            else:
                _add_functions(functions, part)
        if nodes:
            found.append(Graph("", _needed(nodes, wanted)))
    seen: set[str] = set()
    for graph in found:  # grows
        for name in (name for node in graph.nodes for name in node.calls):
            called = functions.called(name)
            if called is not None and called.name not in seen:
                seen.add(called.name)
                found.append(called)
    return found


def _add_functions(functions: _Functions, library: Message) -> None:
    for _, message in library.messages(1):
        graph = _function(message)
        functions.found[graph.name] = graph
        if graph.device == "GPU" and graph.interface[0]:
            functions.for_gpu[graph.interface] = graph
        if len(functions.found) > MAX_FUNCTIONS:
            raise ModelError(f"the model has more than {MAX_FUNCTIONS:,} functions")


def _function(message: Message) -> Graph:
    name, arguments, nodes = "", [], []
    said: dict[str, str] = {}
    for number, part in message.messages(1, 3, 5):
        if number == 1:
            for inner, value in part.messages(1, 2):
                if inner == 1:
                    name = value.text
                else:
                    arguments += [text.text for _, text in value.messages(1)]
        elif number == 3:
            nodes.append(_node(part, in_function=True))
        else:
            key, value = _entry(part)
            # only short texts are looked at: `api_implements` is a name, `_XlaCompile` a flag
            texts = [inner.text for _, inner in value.messages(2)] if key.startswith(_INTERFACES) else []
            said[key] = texts[0] if texts else ""
    half = (
        "forward"
        if "backward_function_name" in said
        else "backward"
        if "forward_function_name" in said
        else ""
    )
    interface = (said.get("api_implements", ""), half)
    device = said.get("api_preferred_device", "")
    return Graph(name, tuple(nodes), tuple(arguments), interface, device)


_INTERFACES = ("api_implements", "api_preferred_device")


def _node(message: Message, *, in_function: bool) -> Node:
    name, op = "", ""
    inputs: list[Input] = []
    types: dict[str, tuple[str, ...]] = {}
    counts: dict[str, int] = {}
    calls: list[str] = []
    message.budget.nodes += 1
    if message.budget.nodes > MAX_NODES:
        raise ModelError(f"the file has more than {MAX_NODES:,} ops")
    for number, part in message.messages(1, 2, 3, 5):
        if number == 1:
            name = part.text
        elif number == 2:
            op = part.text
        elif number == 3:
            if not (text := part.text).startswith("^"):  # what only waits passes no tensor
                inputs.append(_input(text, in_function=in_function))
        else:
            _attribute(part, types, counts, calls)
    if not op:
        raise ModelError("the file has a node without an op: it is no model")
    return Node(name, op, types, counts, tuple(inputs), tuple(calls))


def _input(text: str, *, in_function: bool) -> Input:
    node, *rest = text.split(":")
    output = rest[0] if in_function and rest else ""
    index = rest[-1] if len(rest) > in_function else "0"
    if not index.isdecimal() or len(index) > 6 or len(rest) > 2:
        raise ModelError("the file has an input that leads nowhere")
    return Input(node, output, int(index))


def _entry(message: Message) -> tuple[str, Message]:
    """Key and value of an entry of a map."""
    found = dict(message.messages(1, 2))
    empty = Message(memoryview(b""), message.budget)
    return found.get(1, empty).text, found.get(2, empty)


def _attribute(
    message: Message, types: dict[str, tuple[str, ...]], counts: dict[str, int], calls: list[str]
) -> None:
    """What an attribute says of dtypes, counts and functions (``attr_value.proto``)."""
    key, value = _entry(message)
    for number, _, part in value.fields():
        if number == 6 and isinstance(part, int):
            types[key] = (_dtype(part),)
        elif number == 3 and isinstance(part, int):
            counts[key] = part
        elif number == 10 and isinstance(part, Message):
            calls += [name.text for _, name in part.messages(1)]
        elif number == 1 and isinstance(part, Message):
            listed = [_dtype(number) for number in _numbers(part)]
            functions = [name.text for _, each in part.messages(9) for _, name in each.messages(1)]
            calls += functions
            if listed:
                types[key], counts[key] = tuple(listed), len(listed)


def _numbers(message: Message) -> Iterator[int]:
    """The dtypes in a list, packed or not."""
    count = 0
    for number, _, value in message.fields():
        if number != 6:
            continue
        packed = value.packed() if isinstance(value, Message) else [value]
        for each in packed:
            count += 1
            if count > MAX_LIST:
                raise ModelError(f"the file has a list of more than {MAX_LIST:,} dtypes")
            yield each


def _dtype(number: int) -> str:
    number %= _REFERENCE
    return DTYPES[number] if number < len(DTYPES) else f"#{number}"


def _op_defaults(message: Message) -> tuple[str, dict[str, str]]:
    """An op, and the dtypes that its attributes have by default (``op_def.proto``)."""
    op, found = "", {}
    for number, part in message.messages(1, 4):
        if number == 1:
            op = part.text
            continue
        parts = dict(part.messages(1, 3))
        if 3 in parts and 1 in parts:
            dtypes = [
                value for number, _, value in parts[3].fields() if number == 6 and isinstance(value, int)
            ]
            if dtypes:
                found[parts[1].text] = _dtype(dtypes[-1])
    return op, found
