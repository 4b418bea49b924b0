"""The GPU is far slower than the CPU of the same machine, so that it costs time instead of saving it.

The facts have the seconds and the ratios: above 1 the GPU is faster.  Small models are often faster on
the CPU, since each operation has to be launched; that alone is a note.  Far below 1 means that the plugin
computes on a detour: take another pair, use larger batches, or hide the GPU with
`tf.config.set_visible_devices([], "GPU")`.  Run it again on an idle machine before you believe it.
"""

import time

import numeric_compare
from checklib import SEED, Failed, Skipped, gpus, leave_xla, no_gpu_sentence, on_device_alone

ID = "speed"
TITLE = "The GPU is not far slower than the CPU"
STAGE = "fit"
WEIGHT = "degrades"

RUNS = 5
BUDGET = 1.0  # seconds for the runs of one work on one device; one is made in any case


def check(report):
    import numpy as np
    import tensorflow as tf

    if not gpus():
        raise Skipped("Speed is the ratio of two devices. " + no_gpu_sentence())
    speed = report.facts["speed"] = {}
    for name, work in works(tf, np).items():
        try:
            speed[name] = compared(work, "/CPU:0", "/GPU:0")
        except Exception as error:
            if not numeric_compare.lacks_kernel(error):
                raise
            kernel = numeric_compare.kernel_of(error)
            report.skip_part(f"{name} was not timed: the GPU has no kernel for {kernel}.")
    judge(report, speed, report.limits["speed_ratio"])


def judge(report, speed, least):
    """A note for what the GPU does slower than the CPU, `Failed` for what falls below ``least``."""
    slower = {name: times["ratio"] for name, times in speed.items() if times["ratio"] < 1}
    told = ", ".join(f"{name} at {ratio:.2g} of its speed" for name, ratio in slower.items())
    if any(ratio < least for ratio in slower.values()):
        raise Failed(f"The GPU is far slower than the CPU: {told}; {least:g} is the least that passes.")
    if slower:
        report.note(f"The GPU is slower than the CPU: {told}.")


def compared(work, first, second):
    """The median seconds of ``work`` on two devices, and how many times faster the second is."""
    seconds = [median_seconds(work(device), time.perf_counter) for device in (first, second)]
    return {
        "cpu_seconds": round(seconds[0], 6),
        "gpu_seconds": round(seconds[1], 6),
        "ratio": round(seconds[0] / max(seconds[1], 1e-9), 3),
    }


def median_seconds(run, clock):
    """The median duration of ``run`` after one call that warms up, over a few calls or a second."""
    run()
    taken = []
    while len(taken) < RUNS and sum(taken) < BUDGET:
        started = clock()
        run()
        taken.append(clock() - started)
    taken.sort()
    middle = len(taken) // 2
    return taken[middle] if len(taken) % 2 else (taken[middle - 1] + taken[middle]) / 2


def works(tf, np):
    """By name: what gives, for a device, the function that is timed; each ends when its result is here."""
    random = np.random.RandomState(SEED)

    def matmul(device):
        left, right = (random.randn(1024, 1024).astype("float32") / 32 for _ in range(2))
        return chain(device, tf.matmul, left, right)

    def conv(device):
        images = random.randn(16, 64, 64, 32).astype("float32")
        kernel = random.randn(3, 3, 32, 32).astype("float32") / 17
        return chain(device, lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), images, kernel)

    def chain(device, function, value, by):
        with on_device_alone(tf, device):
            first, by = tf.constant(value), tf.constant(by)

        def run():
            with on_device_alone(tf, device):
                last = first
                for _ in range(4):  # what it costs to fetch the result is shared by four
                    last = function(last, by)
                return last.numpy()

        return run

    def fit(device):
        inputs = random.randn(4096, 256).astype("float32")
        targets = inputs[:, :10].copy()
        layers = tf.keras.layers
        scope = tf.device(device) if "CPU" in device else tf.device(None)
        with scope:
            model = tf.keras.Sequential([
                tf.keras.Input(shape=(256,)),
                layers.Dense(512, activation="relu"),
                layers.Dense(512, activation="relu"),
                layers.Dense(10),
            ])  # fmt: skip
            model.compile(optimizer="sgd", loss="mse")
            leave_xla(model)

        def run():
            with tf.device(device) if "CPU" in device else tf.device(None):
                model.fit(inputs, targets, batch_size=512, epochs=1, verbose=0)

        return run

    return {"matmul": matmul, "conv2d": conv, "fit": fit}
