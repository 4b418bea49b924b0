"""A plugin is installed, yet TensorFlow lists no GPU: everything runs on the CPU, silently.

On a Mac: is the Python an arm64 build, is the plugin in this very environment, and does the process
run inside the logged-in graphical session?  Over SSH or from a daemon, Metal may show no device.
A virtual machine may have no GPU to show.  Without a plugin there is nothing to find: install
`tensorflow-metal` in a version that goes with this TensorFlow.
"""

from checklib import Failed, Skipped, gpus, no_gpu_sentence, plugins
from registered import counts

ID = "device"
TITLE = "TensorFlow lists the GPU"
STAGE = "device"
WEIGHT = "breaks"


def check(report):
    import tensorflow as tf

    facts = report.facts
    facts["plugins"], facts["plugin_libraries"] = plugins()
    facts["devices"] = [device.name for device in tf.config.list_physical_devices()]
    if not tf.config.list_physical_devices("CPU"):
        raise Failed("TensorFlow lists no CPU device.")
    found = gpus()
    if found:
        details = tf.config.experimental.get_device_details
        facts["gpus"] = {device.name: details(device) for device in found}
        # TensorFlow's own count among them: what the plugin adds is told by `nox -s ops`.
        facts["gpu_kernels"] = counts("GPU")
    elif facts["plugins"] or facts["plugin_libraries"]:
        names = ", ".join(facts["plugins"] or facts["plugin_libraries"])
        listed = ", ".join(facts["devices"])
        raise Failed(f"The plugin is installed ({names}), TensorFlow lists no GPU: {listed}.")
    else:
        raise Skipped(no_gpu_sentence())
