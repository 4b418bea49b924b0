"""The GPU's memory cannot be limited in the way that the guides show.

`set_logical_device_configuration` must come before anything that touches the GPU, and once: later
it raises `Virtual devices cannot be modified after being initialized`.  Even where it is accepted, a
PluggableDevice may ignore the limit; `tf.config.experimental.set_memory_growth` is the other knob.
"""

from checklib import Failed, FreshProcess, Skipped, gpus, no_gpu_sentence

ID = "memory-limit"
TITLE = "A memory limit is accepted before initialisation and refused after it"
STAGE = "memory-limit"
WEIGHT = "degrades"

TOO_LATE = "cannot be modified after being initialized"


def check(report):
    import tensorflow as tf

    megabytes = report.limits["device_memory_mb"]
    report.facts["asked_mb"] = megabytes
    found = gpus()
    if not found:
        report.facts["on_the_cpu"] = answer(tf, tf.config.list_physical_devices("CPU")[0], megabytes)
        raise Skipped("The memory limit is for GPUs. " + no_gpu_sentence())
    if not report.alone:
        raise FreshProcess
    report.facts["before"] = answer(tf, found[0], megabytes)
    if report.facts["before"] != "accepted":
        raise Failed(f"The limit was refused before initialisation: {report.facts['before']}")
    report.facts["logical_gpus"] = len(tf.config.list_logical_devices("GPU"))  # this initialises them
    report.facts["after_same"] = answer(tf, found[0], megabytes)
    report.facts["after_other"] = after = answer(tf, found[0], megabytes // 2)
    report.facts["note"] = "Accepted is not honoured: a PluggableDevice may ignore it. Nothing was measured."
    if not (after.startswith("RuntimeError") and TOO_LATE in after):
        raise Failed(f"Another limit after initialisation should raise RuntimeError and gave: {after}")


def answer(tf, device, megabytes):
    """What TensorFlow says when asked for one logical device of ``megabytes`` on ``device``."""
    limit = tf.config.LogicalDeviceConfiguration(memory_limit=megabytes)
    try:
        tf.config.set_logical_device_configuration(device, [limit])
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"
