"""A model as graphs of ops: `saved_graphs` and `keras_file` read it, `placing` places it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["GraphDef", "SavedModel", "Keras"]
Types = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Input:
    """Where a tensor comes from: the output of a node.

    Attributes:
        node: The node's name; of a function's argument, the argument's.
        output: In a function, the name of the output; empty in a graph, and for the only one.
        index: Which of the node's outputs, or of those of that name.
    """

    node: str
    output: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """An op at its place in a graph.

    Attributes:
        name: Its own, or in a Keras file its layer's.
        op: The op.
        types: The dtypes of its attributes.
        counts: How many inputs or outputs an argument stands for, by attribute.
        inputs: In order.  None where a file does not tell them.
        calls: The functions that it calls.
    """

    name: str
    op: str
    types: Types = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[Input, ...] | None = ()
    calls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """A graph, or the body of a function.

    Attributes:
        name: Empty for the graph itself.
        arguments: A function's arguments.
        interface: What a function implements, and for which device, where there are several
            (``api_implements``); the last says whether it is one of a gradient's halves.
    """

    name: str
    nodes: tuple[Node, ...]
    arguments: tuple[str, ...] = ()
    interface: tuple[str, str] = ("", "")
    device: str = ""


@dataclass(frozen=True)
class Model:
    """What a file says of a model.

    Attributes:
        graphs: The graphs, and the functions that they call, directly or not.
        unknown: What of it is not known to become which ops, as sentences.
        notes: What a reader should know of how it was read.
    """

    kind: Kind
    graphs: tuple[Graph, ...]
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
