"""Converts the model of the LiteRT checks with real TensorFlow: ``checks/litert_model_bytes.py``.

Run by a Python that has TensorFlow: ``python tests/litert_convert.py [FILE]``; a test does it and compares.
"""

from __future__ import annotations

import base64
import sys
import textwrap
from pathlib import Path

CHECKS = Path(__file__).resolve().parent.parent / "checks"
TARGET = CHECKS / "litert_model_bytes.py"


def converted() -> bytes:
    """The model, as TensorFlow converts it."""
    sys.path.insert(0, str(CHECKS))
    import litert_reference as reference  # type: ignore[import-not-found,unused-ignore]
    import tensorflow as tf  # type: ignore[import-not-found,import-untyped,unused-ignore]

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            tf.keras.Input(shape=(reference.SIDE, reference.SIDE, reference.CHANNELS), batch_size=1),
            layers.Conv2D(reference.FILTERS, reference.KERNEL, activation="relu"),
            layers.Flatten(),
            layers.Dense(reference.HIDDEN, activation="relu"),
            layers.Dense(reference.OUTPUTS),
        ]
    )
    model.set_weights([array for pair in reference.weights() for array in pair])
    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def source(model: bytes) -> str:
    """The module that holds the model."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(model).decode(), 100))
    said = '"""The model of the LiteRT checks; made by `python tests/litert_convert.py`."""'
    return f'{said}\n\nMODEL = """\n{lines}\n"""\n'


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET).write_text(source(converted()), encoding="utf-8")
