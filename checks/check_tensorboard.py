"""TensorBoard's command and its default plugins do not load; training itself is not touched.

`No module named 'pkg_resources'`: setuptools 82 took it away, and TensorBoard up to 2.20 needs it.
Install `setuptools<82` into the same environment.
"""

import importlib.util

from checklib import Skipped, version

ID = "tensorboard"
TITLE = "TensorBoard's default plugins load"
STAGE = "fit"
WEIGHT = "degrades"


def check(report):
    report.facts["tensorboard"] = version("tensorboard")
    report.facts["setuptools"] = version("setuptools")
    if importlib.util.find_spec("tensorboard") is None:
        raise Skipped("TensorBoard is not installed: this TensorFlow does not ask for it.")
    from tensorboard import default

    report.facts["plugins"] = len(default.get_plugins())
