"""Filling the GPU's memory, bounded: how much fits, and what is said when no more does."""

import os

from checklib import Failed

CHUNK = 16  # MiB


def machine_megabytes():
    """The memory of this machine, MiB."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20


def most_megabytes(limits):
    """What a check may take of this machine, MiB: an eighth of its memory, half of the check's own limit.

    Apple silicon has one memory: what a tensor on the GPU holds, nothing else can.
    """
    return min(int(limits["memory_mb"]) // 2, machine_megabytes() // 8)


def fill(tf, megabytes):
    """Hold tensors on GPU:0 until they come to ``megabytes`` or one is refused: (MiB held, the refusal)."""
    import numpy as np

    array = np.zeros(CHUNK * 2**18, "float32")
    held = []
    while len(held) * CHUNK < megabytes:
        try:
            with tf.device("/GPU:0"):
                held.append(tf.constant(array))
        # Eager copies of some releases say InternalError: Dst tensor is not initialized.
        except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
            return len(held) * CHUNK, f"{type(error).__name__}: {error}"
        if not held[-1].backing_device.endswith("GPU:0"):
            raise Failed(f"A tensor for /GPU:0 is held by {held[-1].backing_device}.")
    return len(held) * CHUNK, ""


def binds(asked, held, refusal):
    """Whether a limit of ``asked`` MiB binds; None where the GPU was full long before it."""
    if not refusal:
        return False
    return True if held >= asked // 2 else None
