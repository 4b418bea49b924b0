"""What the checks share: how a check says what it found, and the questions several of them ask.

A check fills ``report.facts`` and returns; or it raises `Failed` (it ran, and the answer is wrong),
`Skipped` (it cannot be done here, and why) or `FreshProcess`.  Anything else that it raises is a
finding about the environment.  Runs on Python 3.8 and later with the standard library alone.
"""

import contextlib
import os
import sys
import sysconfig
from importlib import metadata

PLUGIN_FOLDER = "tensorflow-plugins"
PLUGIN_VARIABLE = "TF_PLUGGABLE_DEVICE_LIBRARY_PATH"

SEED = 0
"""The seed of everything random in the checks; results record it."""


class Failed(Exception):  # noqa: N818 - an outcome of a check, like the two below
    """The check ran to its end and what it saw is wrong; the message is for the user."""


class Skipped(Exception):  # noqa: N818
    """The check cannot be done here; the message says why."""


class FreshProcess(Exception):  # noqa: N818
    """The check wants a process in which nothing but itself has touched TensorFlow."""


class Report:
    """What a check gets: the limits, and the place to put facts.

    Attributes:
        limits: The limits of the run, a dict with the fields of ``running.limits.Limits``.
        alone: Whether this process runs this one check and no other.
        facts: What the check saw; kept when it fails half-way.
        flush: Sends the facts so far, for a check about to do what may end the process.
    """

    def __init__(self, limits, alone, send):
        self.limits = limits
        self.alone = alone
        self.facts = {}
        self.flush = lambda: send(self.facts)

    def skip_part(self, sentence):
        """Records a part of the check that was not done, and why."""
        self.facts.setdefault("skipped_parts", []).append(sentence)

    def note(self, sentence):
        """Records what a user should know though nothing failed; it never changes a verdict."""
        notes = self.facts.setdefault("notes", [])
        if sentence not in notes:
            notes.append(sentence)


def version(distribution):
    """The installed version of ``distribution``, or None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def plugins():
    """The PluggableDevice plugins in place: (names of distributions, names of libraries)."""
    distributions, libraries = set(), set()
    for distribution in metadata.distributions():
        # The file list is read as text: TensorFlow's own has 14,000 lines to parse.
        if "\n" + PLUGIN_FOLDER + "/" in "\n" + (distribution.read_text("RECORD") or ""):
            distributions.add(f"{distribution.metadata['Name']} {distribution.version}")
    for key in ("purelib", "platlib"):
        folder = os.path.join(sysconfig.get_path(key), PLUGIN_FOLDER)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.endswith((".so", ".dylib")):
                libraries.add(name)
    for path in os.environ.get(PLUGIN_VARIABLE, "").split(os.pathsep):
        if path:
            libraries.add(os.path.basename(path.rstrip(os.sep)))
    return sorted(distributions), sorted(libraries)


def gpus():
    """TensorFlow's physical GPUs; asking does not initialise them."""
    import tensorflow as tf

    return tf.config.list_physical_devices("GPU")


def no_gpu_sentence():
    """Why there is no GPU to check, as a sentence."""
    distributions, libraries = plugins()
    found = ", ".join(distributions or libraries)
    if found:
        return f"TensorFlow lists no GPU, though a plugin is installed ({found})."
    return "TensorFlow lists no GPU and no PluggableDevice plugin is installed."


def device_of(variable):
    """The device that holds a Keras variable: ``.value`` is a method in Keras 2, a tensor in Keras 3."""
    value = getattr(variable, "value", variable)
    return (value() if callable(value) else value).device


@contextlib.contextmanager
def on_device_alone(tf, device):
    """On ``device`` or not at all: soft placement would compute elsewhere, and unseen, what it cannot do."""
    soft = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(False)
    try:
        with tf.device(device):
            yield
    finally:
        tf.config.set_soft_device_placement(soft)


def leave_xla(model):
    """``model``, told not to compile with XLA where Keras 3 would try that in vain.

    Keras 3 turns XLA on wherever it can, and leaves it by itself on an Apple-silicon Mac with a GPU
    (`model_supports_jit`).  No PluggableDevice has an XLA compiler, so elsewhere we leave it as Keras
    does there.
    """
    if sys.platform != "darwin" and gpus() and any(plugins()) and (version("keras") or "").startswith("3."):
        model.jit_compile = False
    return model


def largest_error(got, expected):
    """Largest absolute difference over the largest expected magnitude; None if shapes differ or NaN."""
    import numpy as np

    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    if got.shape != expected.shape or not np.isfinite(got).all():
        return None
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def compare(report, what, got, expected, dtype="float32"):
    """Records the error of ``got`` under ``what`` and raises `Failed` when it passes the tolerance."""
    error = largest_error(got, expected)
    tolerance = report.limits["tolerance"][dtype]
    report.facts.setdefault("errors", {})[what] = error
    if error is None:
        raise Failed(f"{what}: the result has the wrong shape or is not finite.")
    if error > tolerance:
        allowed = f"{tolerance:.2g} is allowed"
        raise Failed(f"{what}: the result is off by {error:.2g} of the largest expected number; {allowed}.")


def small_model():
    """The guides' model and data: ``(model, inputs, targets)``, the same on every call.

    1000 rows of 100 columns; the targets can be learned, so that the loss has somewhere to fall to.
    """
    import numpy as np
    import tensorflow as tf

    tf.random.set_seed(SEED)
    random = np.random.RandomState(SEED)
    inputs = random.rand(1000, 100).astype("float32")
    targets = inputs.mean(axis=1, keepdims=True) * 2
    layers = tf.keras.layers
    model = tf.keras.Sequential([
        tf.keras.Input(shape=(100,)),
        layers.Dense(10, activation="relu"),
        layers.Dense(1),
    ])  # fmt: skip
    model.compile(optimizer="adam", loss="mse")
    return leave_xla(model), inputs, targets
