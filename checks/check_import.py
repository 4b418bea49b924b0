"""TensorFlow cannot be imported, so nothing else can work.

Read the message first.  `illegal hardware instruction` or SIGILL on a Mac: the Python is an x86-64
build that runs under Rosetta 2; install an arm64 Python and make the environment anew.
`Descriptors cannot be created directly`: this TensorFlow needs an older protobuf (`protobuf<3.21`).
`_ARRAY_API not found` or `Unable to convert function return value to a Python type`: it needs
`numpy<2`.  `Symbol not found`, `NotFoundError` or an abort in `load_pluggable_device_library`: the
plugin was built for another TensorFlow; take a pair that links, or uninstall the plugin.
"""

import ctypes
import platform
import sys

from checklib import metadata, version

ID = "import"
TITLE = "TensorFlow can be imported"
STAGE = "import"
WEIGHT = "breaks"

FRAMEWORKS = ("tensorflow", "tensorflow-macos", "tensorflow-cpu")
PACKAGES = (
    *FRAMEWORKS,
    "tensorflow-metal",
    "keras",
    "tf-keras",
    "numpy",
    "protobuf",
    "ml-dtypes",
    "h5py",
    "tensorboard",
    "setuptools",
)


def check(report):
    facts = report.facts
    facts["python"] = platform.python_version()
    facts["machine"] = platform.machine()
    facts["rosetta"] = under_rosetta()
    facts["wheel_tags"] = wheel_tags()
    facts["versions"] = {name: version(name) for name in PACKAGES}
    report.flush()  # an x86-64 wheel under Rosetta 2 ends the process at the next line

    import tensorflow as tf

    facts["tensorflow"] = tf.version.VERSION
    facts["git_version"] = tf.version.GIT_VERSION
    facts["compiler"] = tf.version.COMPILER_VERSION
    facts["build_info"] = dict(tf.sysconfig.get_build_info())


def under_rosetta():
    """Whether this process is translated by Rosetta 2; None where the question makes no sense."""
    if sys.platform != "darwin":
        return None
    value, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    libc = ctypes.CDLL(None)
    failed = libc.sysctlbyname(
        b"sysctl.proc_translated", ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return not failed and value.value == 1  # an Intel Mac does not know the name


def wheel_tags():
    """The tags of each installed framework wheel: which architecture was really installed."""
    tags = {}
    for name in FRAMEWORKS:
        try:
            lines = (metadata.distribution(name).read_text("WHEEL") or "").splitlines()
        except metadata.PackageNotFoundError:
            continue
        tags[name] = [line[4:].strip() for line in lines if line.startswith("Tag:")]
    return tags
