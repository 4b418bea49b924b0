"""GraphDefs, SavedModels and ``.keras`` files of a few hundred bytes, written by hand."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from metalmatrix.kernels.tensorflow_c import DTYPES
from tests.tiny_macho import uleb

REGULAR = DTYPES.index


def part(number: int, value: int | str | bytes) -> bytes:
    """A field of a message."""
    if isinstance(value, int):
        return uleb(number << 3) + uleb(value)
    data = value.encode() if isinstance(value, str) else value
    return uleb(number << 3 | 2) + uleb(len(data)) + data


def entry(number: int, key: str, value: bytes) -> bytes:
    """An entry of a map."""
    return part(number, part(1, key) + part(2, value))


def dtype(name: str) -> bytes:
    """An attribute's value that is a dtype."""
    return part(6, REGULAR(name))


def dtypes(*names: str) -> bytes:
    """An attribute's value that is a list of dtypes, packed."""
    return part(1, part(6, b"".join(uleb(REGULAR(name)) for name in names)))


def count(number: int) -> bytes:
    """An attribute's value that is a number."""
    return part(3, number)


def calls(name: str) -> bytes:
    """An attribute's value that is a function."""
    return part(10, part(1, name))


def node(name: str, op: str, *inputs: str, **attributes: bytes) -> bytes:
    """A node of a graph, as the field's content."""
    found = part(1, name) + part(2, op) + b"".join(part(3, one) for one in inputs)
    return found + b"".join(entry(5, key, value) for key, value in attributes.items())


def function(name: str, arguments: tuple[str, ...], *nodes: bytes, **attributes: str) -> bytes:
    """A function."""
    signature = part(1, name) + b"".join(part(2, part(1, argument)) for argument in arguments)
    found = part(1, signature) + b"".join(part(3, one) for one in nodes)
    return found + b"".join(entry(5, key, part(2, value)) for key, value in attributes.items())


def graph(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> bytes:
    """A GraphDef."""
    library = part(2, b"".join(part(1, one) for one in functions)) if functions else b""
    return b"".join(part(1, one) for one in nodes) + library


def saved(content: bytes, *outputs: str, defaults: bytes = b"") -> bytes:
    """A SavedModel of one graph, with one signature that promises *outputs*."""
    signature = b"".join(entry(2, f"out{n}", part(1, name)) for n, name in enumerate(outputs))
    info = part(1, part(2, defaults))
    signatures = entry(5, "serving_default", signature) if outputs else b""
    initialises = entry(5, "__saved_model_init_op", entry(2, "x", part(1, "init")))
    return part(1, 1) + part(2, info + part(2, content) + signatures + initialises)


def op_default(op: str, attribute: str, name: str) -> bytes:
    """An op's definition, with the dtype that an attribute has by default."""
    return part(1, part(1, op) + part(4, part(1, attribute) + part(2, "type") + part(3, dtype(name))))


def keras(*layers: dict[str, Any], version: str = "3.5.0", **more: str | bytes) -> bytes:
    """A ``.keras`` file of a Sequential model."""
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "model", "layers": list(layers)},
    }
    said = json.dumps({"keras_version": version})
    return archive({"config.json": json.dumps(config), "metadata.json": said, **more})


def archive(files: dict[str, str | bytes]) -> bytes:
    """A zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return buffer.getvalue()


def layer(kind: str, name: str = "", shape: list[int | None] | None = None, **config: Any) -> dict[str, Any]:  # noqa: ANN401
    """A layer of Keras' own."""
    found: dict[str, Any] = {"module": "keras.layers", "class_name": kind, "registered_name": None}
    found["config"] = {"name": name or kind.lower(), "dtype": "float32", **config}
    return found | ({"build_config": {"input_shape": shape}} if shape else {})
