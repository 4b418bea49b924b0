"""A model cannot be saved and loaded again, or predicts something else afterwards.

Keep the weights with `model.save_weights` and rebuild the model in code.  Under Keras 3 use the
`.keras` format: an `.h5` file with its compile state does not load again with `loss="mse"` (write
`loss="mean_squared_error"`, or load with `compile=False`).
"""

import os
import tempfile

from checklib import compare, leave_xla, small_model, version

ID = "save"
TITLE = "A model can be saved and loaded again"
STAGE = "fit"
WEIGHT = "degrades"


def check(report):
    import tensorflow as tf

    model, inputs, targets = small_model()
    model.fit(inputs, targets, epochs=1, verbose=0)
    expected = model.predict(inputs, verbose=0)
    # The .keras format became the default in Keras 2.13; before it, the SavedModel folder was.
    keras = tuple(int(part) for part in (version("keras") or "0.0").split(".")[:2])
    report.facts["format"] = ".keras" if keras >= (2, 13) else "SavedModel"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model" + (".keras" if keras >= (2, 13) else ""))
        model.save(path)
        loaded = leave_xla(tf.keras.models.load_model(path))
        compare(report, "predictions after loading", loaded.predict(inputs, verbose=0), expected)
