"""A script for an environment with TensorFlow: what it registers itself, what Keras' layers become.

``python inside.py kernels OP...`` tells the kernels for the device types ``GPU`` and ``DEFAULT`` (those that
every PluggableDevice gets), and the signatures of these ops and of *OP*.  ``python inside.py layers`` makes
each layer of the list below and traces it as `model.predict` and as `model.fit` would, in float32 and in
float16: an attribute that follows is told as ``*``.  Each prints one JSON.  `kernels.framework_update` runs
it; nothing of the package is imported, so that any Python from 3.8 on will do.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

DEVICES = ("GPU", "DEFAULT")


def type_name(number: int) -> str:
    """``FLOAT`` for 1; a reference to it (over 100) is no dtype of its own."""
    types = importlib.import_module("tensorflow.core.framework.types_pb2")
    return str(types.DataType.Name(number % 100)).replace("DT_", "", 1)


def tell_kernels(more: list[str]) -> dict[str, Any]:
    """The kernels of TensorFlow itself, and the signatures of their ops."""
    tf = importlib.import_module("tensorflow")
    registry = importlib.import_module("tensorflow.python.framework.kernels")
    ops = importlib.import_module("tensorflow.python.framework.op_def_registry")
    registered = registry.get_all_registered_kernels().kernel
    found = [kernel for kernel in registered if kernel.device_type in DEVICES]
    kernels = [
        {
            "op": kernel.op,
            "device": kernel.device_type,
            "dtypes": {c.name: [type_name(t) for t in c.allowed_values.list.type] for c in kernel.constraint},
            "host": sorted(kernel.host_memory_arg),
            "priority": kernel.priority,
            "label": kernel.label,
        }
        for kernel in found
    ]
    names = sorted({kernel.op for kernel in found} | set(more))
    definitions = [definition for name in names if (definition := ops.get(name)) is not None]
    return {
        "tensorflow": tf.version.VERSION,
        "kernels": kernels,
        "on_the_cpu": sorted({kernel.op for kernel in registered if kernel.device_type == "CPU"}),
        "ops": [
            {
                "op": definition.name,
                "inputs": [argument(arg) for arg in definition.input_arg],
                "outputs": [argument(arg) for arg in definition.output_arg],
                "defaults": {
                    attr.name: type_name(attr.default_value.type)
                    for attr in definition.attr
                    if attr.type == "type" and attr.HasField("default_value")
                },
            }
            for definition in definitions
        ],
    }


def argument(arg: Any) -> str:  # noqa: ANN401 - a protobuf
    """``value``; ``values*N`` for as many as the attribute says, or as its list of dtypes is long."""
    many = arg.number_attr or arg.type_list_attr
    return f"{arg.name}*{many}" if many else str(arg.name)


LAYERS: dict[str, tuple[Any, ...]] = {
    # class: the shapes of its inputs without the batch, its arguments, then options that make it another
    "Dense": ([(8,)], {"units": 4}, {"use_bias": False}),
    "Conv1D": ([(16, 4)], {"filters": 4, "kernel_size": 3}, {"use_bias": False}, {"padding": "causal"}),
    "Conv2D": ([(16, 16, 4)], {"filters": 4, "kernel_size": 3}, {"use_bias": False}),
    "Conv3D": ([(8, 8, 8, 2)], {"filters": 4, "kernel_size": 3}, {"use_bias": False}),
    "Conv1DTranspose": ([(16, 4)], {"filters": 4, "kernel_size": 3}, {"use_bias": False}),
    "Conv2DTranspose": ([(16, 16, 4)], {"filters": 4, "kernel_size": 3}, {"use_bias": False}),
    "Conv3DTranspose": ([(8, 8, 8, 2)], {"filters": 4, "kernel_size": 3}, {"use_bias": False}),
    "DepthwiseConv1D": ([(16, 4)], {"kernel_size": 3}, {"use_bias": False}),
    "DepthwiseConv2D": ([(16, 16, 4)], {"kernel_size": 3}, {"use_bias": False}),
    "SeparableConv1D": ([(16, 4)], {"filters": 4, "kernel_size": 3}, {"use_bias": False}),
    "SeparableConv2D": ([(16, 16, 4)], {"filters": 4, "kernel_size": 3}, {"use_bias": False}),
    "MaxPooling1D": ([(16, 4)], {}),
    "MaxPooling2D": ([(16, 16, 4)], {}),
    "MaxPooling3D": ([(8, 8, 8, 2)], {}),
    "AveragePooling1D": ([(16, 4)], {"pool_size": 2}),
    "AveragePooling2D": ([(16, 16, 4)], {"pool_size": 2}),
    "AveragePooling3D": ([(8, 8, 8, 2)], {"pool_size": 2}),
    "GlobalMaxPooling1D": ([(16, 4)], {}),
    "GlobalMaxPooling2D": ([(16, 16, 4)], {}),
    "GlobalMaxPooling3D": ([(8, 8, 8, 2)], {}),
    "GlobalAveragePooling1D": ([(16, 4)], {}),
    "GlobalAveragePooling2D": ([(16, 16, 4)], {}),
    "GlobalAveragePooling3D": ([(8, 8, 8, 2)], {}),
    "BatchNormalization": ([(16, 16, 4)], {}, {"rank": 2}, {"rank": 3}),
    "LayerNormalization": ([(8,)], {}),
    "GroupNormalization": ([(16, 16, 4)], {"groups": 2}),
    "UnitNormalization": ([(8,)], {}),
    "Normalization": ([(8,)], {"mean": 0.0, "variance": 1.0}),
    "Rescaling": ([(16, 16, 4)], {"scale": 0.5}),
    "Resizing": ([(16, 16, 4)], {"height": 8, "width": 8}),
    "Dropout": ([(8,)], {"rate": 0.5}),
    "SpatialDropout1D": ([(16, 4)], {"rate": 0.5}),
    "SpatialDropout2D": ([(16, 16, 4)], {"rate": 0.5}),
    "GaussianDropout": ([(8,)], {"rate": 0.5}),
    "GaussianNoise": ([(8,)], {"stddev": 0.5}),
    "AlphaDropout": ([(8,)], {"rate": 0.5}),
    "RandomFlip": ([(16, 16, 3)], {}),
    "RandomRotation": ([(16, 16, 3)], {"factor": 0.1}),
    "RandomZoom": ([(16, 16, 3)], {"height_factor": 0.1}),
    "RandomTranslation": ([(16, 16, 3)], {"height_factor": 0.1, "width_factor": 0.1}),
    "RandomContrast": ([(16, 16, 3)], {"factor": 0.1}),
    "Flatten": ([(4, 4)], {}),
    "Reshape": ([(4, 4)], {"target_shape": (2, 8)}),
    "Permute": ([(4, 6)], {"dims": (2, 1)}),
    "RepeatVector": ([(8,)], {"n": 3}),
    "Masking": ([(16, 4)], {}),
    "ActivityRegularization": ([(8,)], {}),
    "Add": ([(8,), (8,)], {}),
    "Subtract": ([(8,), (8,)], {}),
    "Multiply": ([(8,), (8,)], {}),
    "Average": ([(8,), (8,)], {}),
    "Maximum": ([(8,), (8,)], {}),
    "Minimum": ([(8,), (8,)], {}),
    "Concatenate": ([(8,), (8,)], {}),
    "Dot": ([(8,), (8,)], {"axes": 1}),
    "ZeroPadding1D": ([(16, 4)], {}),
    "ZeroPadding2D": ([(16, 16, 4)], {}),
    "ZeroPadding3D": ([(8, 8, 8, 2)], {}),
    "Cropping1D": ([(16, 4)], {}),
    "Cropping2D": ([(16, 16, 4)], {}),
    "Cropping3D": ([(8, 8, 8, 2)], {}),
    "UpSampling1D": ([(16, 4)], {}),
    "UpSampling2D": ([(16, 16, 4)], {}, {"interpolation": "bilinear"}),
    "UpSampling3D": ([(8, 8, 8, 2)], {}),
    "ReLU": ([(8,)], {}, {"max_value": 6.0}),
    "LeakyReLU": ([(8,)], {}),
    "PReLU": ([(8,)], {}),
    "ELU": ([(8,)], {}),
    "Softmax": ([(8,)], {}),
    "Embedding": ([(6,)], {"input_dim": 10, "output_dim": 4}),
    "SimpleRNN": ([(6, 4)], {"units": 3}),
    "LSTM": ([(6, 4)], {"units": 3}, {"recurrent_dropout": 0.5}, {"unroll": True}, {"use_bias": False}),
    "GRU": ([(6, 4)], {"units": 3}, {"recurrent_dropout": 0.5}, {"unroll": True}, {"reset_after": False}),
    "MultiHeadAttention": ([(6, 4), (6, 4)], {"num_heads": 2, "key_dim": 2}),
    "Attention": ([(6, 4), (6, 4)], {}),
    "AdditiveAttention": ([(6, 4), (6, 4)], {}),
}
ACTIVATIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "hard_sigmoid", "tanh"),
    *("softmax", "log_softmax", "softplus", "softsign", "silu", "swish", "exponential", "mish"),
)
RANKED = {2: (8,), 3: (6, 8), 4: (16, 16, 4)}
SEPARATE = {"MultiHeadAttention"}  # its inputs are arguments, not one list
WHOLE = {"Embedding"}  # takes whole numbers


def tell_layers() -> dict[str, Any]:
    """What each layer becomes."""
    tf = importlib.import_module("tensorflow")
    gpu_as_seen(tf)
    found = []
    for name, (shapes, arguments, *options) in LAYERS.items():
        if not hasattr(tf.keras.layers, name):
            continue
        ranks = [{"rank": 3}] if name == "Dense" else []
        found += [told(tf, name, shapes, arguments, option) for option in ({}, *options, *ranks)]
    for name in ACTIVATIONS:
        layer = {"activation": name}
        try:
            tf.keras.activations.get(name)
        except ValueError:
            continue
        found.append({**told(tf, "Activation", [(8,)], layer, {}), "layer": "", "activation": name})
    keras = importlib.import_module("keras").__version__
    return {
        "tensorflow": tf.version.VERSION,
        "keras": keras,
        "layers": [line for line in found if "ops" in line],
    }


def gpu_as_seen(tf: Any) -> None:  # noqa: ANN401 - TensorFlow
    """Keras 3 asks for a GPU while it traces; on the Macs that this is about there is one."""
    for name in ("keras.src.backend.tensorflow.rnn", "keras.src.backend.tensorflow.layer"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module, "tf"):
            tf.config.list_logical_devices = lambda _kind=None: [object()]


def told(tf: Any, name: str, shapes: Any, arguments: Any, option: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """One layer under one option: the ops of predicting, and those that training adds."""
    option = dict(option)
    line: dict[str, Any] = {"layer": name, "options": dict(option)}
    if rank := option.pop("rank", None):
        shapes = [RANKED[rank] for _ in shapes]
    try:
        both = [traced(tf, name, shapes, {**arguments, **option}, dtype) for dtype in ("float32", "float16")]
    except Exception as error:  # noqa: BLE001 - what Keras cannot do is left out, and said
        sys.stderr.write(f"{name} {option}: {type(error).__name__}: {str(error)[:200]}\n")
        return {}
    line["ops"] = merged(both[0][0], both[1][0])
    line["train"] = [op for op in merged(both[0][1], both[1][1]) if op not in line["ops"]]
    return line


def merged(single: list[Any], half: list[Any]) -> list[Any]:
    """The ops of a layer with ``*`` for each dtype that follows the layer's."""
    pairs = list(zip(single, half))  # noqa: B905 - Python 3.8
    if [op for op, _ in single] != [op for op, _ in half]:
        # In float16 it is another graph: what the two have in common follows, the rest is told as it is.
        pairs = []
        for op, types in single:
            swapped = [op, {name: "HALF" if dtype == "FLOAT" else dtype for name, dtype in types.items()}]
            pairs.append(([op, types], swapped if swapped in half else [op, types]))
    ops = []
    for (op, types), (_, others) in pairs:
        line = [op, {attr: "*" if others.get(attr) != dtype else dtype for attr, dtype in types.items()}]
        if line not in ops:
            ops.append(line)
    return sorted(ops, key=json.dumps)


def traced(tf: Any, name: str, shapes: Any, arguments: Any, dtype: str) -> tuple[list[Any], list[Any]]:  # noqa: ANN401
    """The ops of predicting, and of training, in the order in which they stand in the graph."""
    layer = getattr(tf.keras.layers, name)(dtype=dtype, **arguments)
    kind = "int32" if name in WHOLE else dtype
    specs = [tf.TensorSpec((None, *shape), kind) for shape in shapes]

    def forward(*tensors: Any, training: bool) -> Any:  # noqa: ANN401
        one = tensors if name in SEPARATE else (list(tensors) if len(tensors) > 1 else tensors[0],)
        return layer(*one, training=training)

    def fit(*tensors: Any) -> Any:  # noqa: ANN401
        with tf.GradientTape() as tape:
            tape.watch([tensor for tensor in tensors if tensor.dtype.is_floating])
            out = forward(*tensors, training=True)
        watched = [*layer.trainable_variables, *(t for t in tensors if t.dtype.is_floating)]
        values = [getattr(variable, "value", variable) for variable in watched]
        values = [value() if callable(value) else value for value in values]
        return tape.gradient(out, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    forward(*[tf.keras.Input(shape, dtype=kind) for shape in shapes], training=False)  # this builds it
    predicted = tf.function(lambda *tensors: forward(*tensors, training=False), autograph=False)
    trained = tf.function(fit, autograph=False)
    return tuple(ops_of(function.get_concrete_function(*specs).graph) for function in (predicted, trained))  # type: ignore[return-value]


PLUMBING = {"Placeholder", "NoOp", "_Arg", "_Retval", "Const", "Identity", "IdentityN", "ReadVariableOp"}
CALLS = {"PartitionedCall", "StatefulPartitionedCall"}


def ops_of(graph: Any) -> list[Any]:  # noqa: ANN401
    """The ops of a graph and of the functions that it calls, with their dtypes."""
    definition = graph.as_graph_def()
    functions = {function.signature.name: function for function in definition.library.function}
    # Grappler takes the implementation that the device prefers (`implementation_selector`).
    preferred = {
        kind_of(function): function
        for function in functions.values()
        if function.attr["api_preferred_device"].s == b"GPU"
    }
    found: list[Any] = []
    seen: set[str] = set()
    todo = [list(definition.node)]
    while todo:
        for node in todo.pop():
            types = {
                attr: type_name(value.type)
                for attr, value in node.attr.items()
                if value.WhichOneof("value") == "type"
            }
            if node.op not in PLUMBING | CALLS:
                found.append([node.op, dict(sorted(types.items()))])
            names = {value.func.name for value in node.attr.values() if value.WhichOneof("value") == "func"}
            for name in names - seen:
                seen.add(name)
                function = functions[name]
                todo.append(list(preferred.get(kind_of(function), function).node_def))
    return found


def kind_of(function: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """What implementations have in common that can stand for each other; other functions are alone."""
    interface = function.attr["api_implements"].s or function.signature.name
    return interface, "forward_function_name" in function.attr, "backward_function_name" in function.attr


def main(arguments: list[str]) -> None:
    """Print what is asked for."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    told_of = tell_layers() if arguments[0] == "layers" else tell_kernels(arguments[1:])
    sys.stdout.write(json.dumps(told_of) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
