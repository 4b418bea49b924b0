"""What the double does, told from inside an environment with it: runs there, prints a line of JSON.

Started as ``PYTHON -I probe.py LIBRARY``, in Python 3.8 or later with TensorFlow and NumPy.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
from typing import Any

# Nothing is known of their types outside of the environment that this runs in.
np: Any = importlib.import_module("numpy")
tf: Any = importlib.import_module("tensorflow")

LIMIT_MB = 64
SQUARE = 512  # rows and columns: 1 MiB


def main(library: str) -> None:
    """Prints all that is asked below."""
    physical = tf.config.list_physical_devices("GPU")
    limit = tf.config.LogicalDeviceConfiguration(memory_limit=LIMIT_MB)
    tf.config.set_logical_device_configuration(physical[0], [limit, limit])
    counter = ctypes.CDLL(library).simulated_gpu_calls
    counter.restype = ctypes.c_longlong
    told = {
        "physical": len(physical),
        "logical": len(tf.config.list_logical_devices("GPU")),
        "unknown_op": counter(b"NoSuchOp"),
        **placement(counter),
        "held_mb": held(),
    }
    print(json.dumps(told))  # noqa: T201 - the answer


def in_use() -> int:
    """The bytes in use on the first GPU, by TensorFlow's own account."""
    return int(tf.config.experimental.get_memory_info("GPU:0")["current"])


def placement(counter: ctypes._NamedFuncPointer) -> dict[str, Any]:
    """How a product of 1 MiB ran: its result's device, the memory that it takes, the calls of the kernel."""
    tf.config.set_soft_device_placement(False)
    with tf.device("/GPU:0"):
        ones = tf.constant(np.ones([SQUARE, SQUARE], "float32"))
        before, called = in_use(), counter(b"MatMul")
        product = tf.matmul(ones, ones)
        told = {
            "device": product.device,
            "moved": in_use() - before,
            "calls": counter(b"MatMul") - called,
            "right": bool((product.numpy() == SQUARE).all()),
        }
    tf.config.set_soft_device_placement(True)
    return told


def held() -> float:
    """How many MiB the device holds at once, of one and a half times the limit."""
    with tf.device("/GPU:0"):
        tensors = [tf.identity(tf.zeros([1 << 18])) for _ in range(LIMIT_MB * 3 // 2)]
        return in_use() / (1 << 20) if tensors else 0.0


if __name__ == "__main__":
    main(sys.argv[1])
