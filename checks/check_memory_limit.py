"""The GPU's memory cannot be limited in the way that the guides show.

`set_logical_device_configuration` must come before anything that touches the GPU, and once: later
it raises `Virtual devices cannot be modified after being initialized`.  On a PluggableDevice TensorFlow
accepts the limit and ignores it; then nothing but your own batch size keeps memory free.
"""

from allocation import binds, fill, most_megabytes
from checklib import Failed, FreshProcess, Skipped, gpus, no_gpu_sentence

ID = "memory-limit"
TITLE = "A memory limit is accepted before initialisation and refused after it"
STAGE = "memory-limit"
WEIGHT = "degrades"

TOO_LATE = "cannot be modified after being initialized"
DEVICES = 2  # logical devices asked for: how many there are tells whether anybody listened


def check(report):
    import tensorflow as tf

    facts = report.facts
    megabytes = facts["asked_mb"] = report.limits["device_memory_mb"]
    found = gpus()
    if not found:
        facts["on_the_cpu"] = answer(tf, tf.config.list_physical_devices("CPU")[0], megabytes, 1)
        raise Skipped("The memory limit is for GPUs. " + no_gpu_sentence())
    if not report.alone:
        raise FreshProcess
    facts["before"] = answer(tf, found[0], megabytes, DEVICES)
    if facts["before"] != "accepted":
        raise Failed(f"The limit was refused before initialisation: {facts['before']}")
    facts["asked_devices"] = DEVICES
    facts["logical_gpus"] = len(tf.config.list_logical_devices("GPU"))  # this initialises them
    facts["after_same"] = answer(tf, found[0], megabytes, DEVICES)
    facts["after_other"] = after = answer(tf, found[0], megabytes // 2, DEVICES)
    try_it(report, tf, megabytes)
    if not (after.startswith("RuntimeError") and TOO_LATE in after):
        raise Failed(f"Another limit after initialisation should raise RuntimeError and gave: {after}")


def try_it(report, tf, megabytes):
    """Allocates past the limit, where that leaves the machine room, and notes what came of it."""
    facts = report.facts
    past, most = megabytes * 3 // 2, most_megabytes(report.limits)
    if past > most:
        report.skip_part(
            f"Whether {megabytes} MiB bind was not tried: it takes {past} MiB, and {most} MiB may be taken."
        )
        return
    facts["held_mb"], facts["refusal"] = fill(tf, past)
    facts["binding"] = binds(megabytes, facts["held_mb"], facts["refusal"])
    if facts["binding"] is False:
        report.note(ignored_sentence(facts))


def ignored_sentence(facts):
    """What an ignored limit means, from the facts."""
    return (
        f"A memory limit is accepted and ignored: {facts['held_mb']} MiB fit under {facts['asked_mb']} MiB, "
        f"and of {facts['asked_devices']} logical devices {facts['logical_gpus']} is there. Do not count on "
        f"LogicalDeviceConfiguration(memory_limit=...); smaller batches are what limits memory."
    )


def answer(tf, device, megabytes, count):
    """What TensorFlow says when asked for ``count`` logical devices of ``megabytes`` each on ``device``."""
    limit = tf.config.LogicalDeviceConfiguration(memory_limit=megabytes)
    try:
        tf.config.set_logical_device_configuration(device, [limit] * count)
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"
