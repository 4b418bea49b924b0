"""Memory growth, the GPU's other knob, is refused, or the memory fraction does not bind.

`tf.config.experimental.set_memory_growth(gpu, True)` must come before anything that touches the GPU;
later it raises `Physical devices cannot be modified after being initialized`.  A fraction
(`per_process_gpu_memory_fraction` in the `ConfigProto` of the program's first `tf.compat.v1.Session`)
is honoured by some releases and ignored by others: the facts say which this is.
"""

from allocation import fill, machine_megabytes
from checklib import Failed, FreshProcess, Skipped, gpus, no_gpu_sentence

ID = "memory-growth"
TITLE = "Memory growth is accepted before initialisation and refused after it"
STAGE = "memory-limit"
WEIGHT = "degrades"

TOO_LATE = "cannot be modified after being initialized"
SHARE = 64  # MiB


def check(report):
    import tensorflow as tf

    found = gpus()
    if not found:
        raise Skipped("Memory growth is for GPUs. " + no_gpu_sentence())
    if not report.alone:
        raise FreshProcess
    facts = report.facts
    facts["before"] = answer(tf, found[0], enable=True)
    if facts["before"] != "accepted":
        raise Failed(f"Memory growth was refused before initialisation: {facts['before']}")
    facts["growth"] = bool(tf.config.experimental.get_memory_growth(found[0]))
    try_fraction(report, tf)
    facts["after_other"] = after = answer(tf, found[0], enable=False)
    if not (after.startswith("RuntimeError") and TOO_LATE in after):
        raise Failed(f"To change growth after initialisation should raise RuntimeError and gave: {after}")


def try_fraction(report, tf):
    """Asks for a share of the memory that is at most `SHARE` MiB, and allocates twice as much."""
    facts = report.facts
    # A GPU has at most the machine's memory: where the fraction counts, its share is not above ours.
    fraction = facts["fraction"] = round(SHARE / machine_megabytes(), 6)
    options = tf.compat.v1.GPUOptions(per_process_gpu_memory_fraction=fraction, allow_growth=True)
    session = tf.compat.v1.Session(config=tf.compat.v1.ConfigProto(gpu_options=options))
    session.list_devices()  # this initialises them, and the process has one allocator for each
    facts["held_mb"], facts["refusal"] = fill(tf, 2 * SHARE)
    session.close()
    facts["fraction_binds"] = bool(facts["refusal"])
    if not facts["fraction_binds"]:
        report.note(
            f"per_process_gpu_memory_fraction is ignored: {facts['held_mb']} MiB fit under a fraction that "
            f"is at most {SHARE} MiB here."
        )


def answer(tf, device, *, enable):
    """What TensorFlow says when asked for memory growth on ``device``, or for none."""
    try:
        tf.config.experimental.set_memory_growth(device, enable)
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"
