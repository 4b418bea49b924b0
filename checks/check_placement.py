"""A GPU is listed, and the work goes to the CPU all the same, without a word.

TensorFlow places on the CPU what the plugin has no kernel for, so that a listed GPU proves nothing.
Here a product is asked for on `/GPU:0` with `tf.config.set_soft_device_placement(False)`, and its
result is asked where it lives.  If this fails, the plugin does not go with this TensorFlow: take
another pair, or uninstall the plugin, since it can only cost time.
"""

import numeric_compare
from checklib import Failed, Skipped, gpus, no_gpu_sentence, on_device_alone
from registered import not_registered

ID = "placement"
TITLE = "What is placed on the GPU runs there"
STAGE = "device"
WEIGHT = "breaks"

SIDE = 2048  # of the square tensor, of float32, whose 16 MiB must show in the memory in use


def check(report):
    import numpy as np
    import tensorflow as tf

    if not gpus():
        raise Skipped("There is nothing to place on. " + no_gpu_sentence())
    proofs = report.facts["proofs"] = ["listed"]
    place(report, tf, np, "/GPU:0")
    proofs.append("placed")
    moved = memory_moves(report, tf, np, "GPU:0")
    if moved:
        proofs.append("memory-moved")
    elif moved is None:
        report.note(
            "The plugin does not tell how much memory is in use: that work runs on the GPU is known from "
            "where results live alone."
        )
    else:
        before, during = report.facts["memory"]["before"], report.facts["memory"]["during"]
        raise Failed(
            f"A tensor of {SIDE * SIDE * 4} bytes says that it lives on GPU:0, and the memory in use there "
            f"went from {before} to {during} bytes."
        )


def place(report, tf, np, device):
    """`Failed` unless a product is computed on ``device`` and held there."""
    ones = np.ones((64, 64), "float32")
    try:
        with on_device_alone(tf, device):
            product = tf.matmul(tf.constant(ones), tf.constant(ones))
    except Exception as error:
        if not numeric_compare.lacks_kernel(error):
            raise
        report.facts["refusal"] = str(error)
        listed = ", ".join(gpu.name for gpu in gpus())
        raise Failed(
            f"TensorFlow lists {listed}, has no matrix product for {device}, and would compute it on the CPU "
            f"without a word: {not_registered('MatMul')}."
        ) from error
    held = report.facts["held_by"] = {"device": product.device, "backing_device": product.backing_device}
    wrong = [name for name in held.values() if not name.endswith("device:" + device.lstrip("/"))]
    if wrong:
        raise Failed(f"A product was to run on {device} and is held by {wrong[0] or 'no named device'}.")


def memory_moves(report, tf, np, device):
    """Whether a big tensor shows in the memory in use on ``device``; None where that is not told."""

    def in_use():
        return int(tf.config.experimental.get_memory_info(device)["current"])

    facts = report.facts["memory"] = {}
    try:
        before = facts["before"] = in_use()
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        facts["refusal"] = f"{type(error).__name__}: {error}"
        return None
    array = np.ones((SIDE, SIDE), "float32")
    with tf.device("/" + device):
        tensor = tf.constant(array)
    during = facts["during"] = in_use()
    del tensor
    facts["after"] = in_use()
    if before == during == 0:
        return None  # a plugin that does not count
    return during - before >= array.nbytes
