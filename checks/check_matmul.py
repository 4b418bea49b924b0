"""A matrix product fails, is wrong, or did not run where it was told to.

Wrong numbers on the GPU are silent elsewhere: do not train with this pair.  A result on the CPU
though a GPU is listed means that the plugin has no kernel for it.  Take another pair of TensorFlow
and plugin, or uninstall the plugin: on the CPU the same product is checked too.
"""

from checklib import SEED, Failed, compare, gpus, no_gpu_sentence, on_device_alone
from numeric_compare import lacks_kernel
from registered import not_registered

ID = "matmul"
TITLE = "Matrix products are right, on the device that was named"
STAGE = "matmul"
WEIGHT = "breaks"


def check(report):
    import numpy as np

    random = np.random.RandomState(SEED)
    pairs = {
        "2x3 by 3x2": ([[1, 2, 3], [4, 5, 6]], [[7, 8], [9, 10], [11, 12]]),
        "1024x1024": (random.randn(1024, 1024), random.randn(1024, 1024)),
    }
    for place in ("CPU:0", "GPU:0") if gpus() else ("CPU:0",):
        for size, (left, right) in pairs.items():
            # The reference starts from the rounded inputs: only the product itself is compared.
            left, right = np.asarray(left, "float32"), np.asarray(right, "float32")  # noqa: PLW2901
            product = multiply_on("/" + place, left, right)
            report.facts["device"] = product.device
            if not product.device.endswith("device:" + place):
                holder = product.device or "no named device"
                raise Failed(f"The {size} product was to run on /{place} and is held by {holder}.")
            expected = left.astype("float64") @ right.astype("float64")
            compare(report, f"{size} on /{place}", product.numpy(), expected)
    if not gpus():
        report.skip_part("The GPU part was not done. " + no_gpu_sentence())


def multiply_on(device, left, right):
    """The product, computed on ``device`` or not at all."""
    import tensorflow as tf

    try:
        with on_device_alone(tf, device):
            return tf.matmul(tf.constant(left), tf.constant(right))
    except Exception as error:
        if not lacks_kernel(error):
            raise
        why = not_registered("MatMul", device.strip("/").split(":")[0])
        raise Failed(f"TensorFlow has no kernel for a matrix product on {device}: {why}.") from error
