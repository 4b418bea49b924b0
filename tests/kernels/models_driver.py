"""A script for an environment with TensorFlow: makes three models, saves each in three ways, tells their ops.

``python models_driver.py FOLDER`` writes ``NAME.keras``, the SavedModel ``NAME`` and the frozen GraphDef
``NAME.pb``, and prints by name what TensorFlow itself says of the frozen graph: op, dtypes by attribute.
"""

# It runs in that environment, whose TensorFlow has no types.
# mypy: ignore-errors

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

keras = tf.keras
layers = keras.layers


def models():
    yield (
        "dense",
        keras.Sequential(
            [keras.Input((8,)), layers.Dense(4, activation="relu"), layers.Dense(2, activation="softmax")]
        ),
    )
    yield "convolutional", keras.Sequential([
        keras.Input((16, 16, 3)),
        layers.Conv2D(4, 3, activation="relu", dtype="mixed_float16"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(2, activation="softplus"),
    ])  # fmt: skip
    yield (
        "recurrent",
        keras.Sequential(
            [
                keras.Input((6,)),
                layers.Embedding(10, 4),
                layers.LSTM(3),
                layers.Dense(1, activation="sigmoid"),
            ]
        ),
    )


def main():
    folder, told = Path(sys.argv[1]), {}
    for name, model in models():
        model.save(folder / f"{name}.keras")
        tf.saved_model.save(model, str(folder / name))
        spec = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
        function = tf.function(lambda x, model=model: model(x, training=False)).get_concrete_function(spec)
        graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
        (folder / f"{name}.pb").write_bytes(graph.SerializeToString())
        nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
        told[name] = [
            [
                node.op,
                {
                    key: types_pb2.DataType.Name(value.type)[3:]
                    for key, value in node.attr.items()
                    if value.WhichOneof("value") == "type"
                },
            ]
            for node in nodes
        ]
    print(json.dumps(told))


main()
