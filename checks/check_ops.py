"""The simplest arithmetic fails: constants, addition, scaling, NumPy arrays in and out.

If the message speaks of NumPy, the NumPy is too new for this TensorFlow (`numpy<2` for 2.17 and
older).  If it comes from the GPU alone, the plugin does not go with this TensorFlow: take another
pair, or hide the GPU with `tf.config.set_visible_devices([], "GPU")`.
"""

from checklib import Failed, gpus, no_gpu_sentence

ID = "ops"
TITLE = "Constants, sums and NumPy arrays"
STAGE = "matmul"
WEIGHT = "breaks"


def check(report):
    import numpy as np
    import tensorflow as tf

    if not gpus():
        report.skip_part("The GPU part was not done. " + no_gpu_sentence())
    array = np.arange(6, dtype="float32").reshape(2, 3)
    tensor = tf.constant([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    report.facts["device"] = tensor.device
    results = {
        "tf.constant(list).numpy()": (tensor.numpy(), array),
        "tf.constant(array).numpy()": (tf.constant(array).numpy(), array),
        "tensor + tensor": ((tensor + tensor).numpy(), array + array),
        "tensor * 3": ((tensor * 3.0).numpy(), array * 3),
        "tf.add(tensor, array)": (tf.add(tensor, array).numpy(), array + array),
        "np.add(tensor, array)": (np.add(tensor, array), array + array),
        "tf.reduce_sum(tensor)": (tf.reduce_sum(tensor).numpy(), np.float32(15)),
    }
    for what, (got, expected) in results.items():
        # Small whole numbers: every one of these results is exact, on any device.
        if not np.array_equal(got, expected):
            raise Failed(f"{what} gives {np.ravel(got)} instead of {np.ravel(expected)}.")
