"""LiteRT cannot be imported, so no model can be run.

Read the message first.  `Library not loaded: @rpath/libpywrap_litert_common.dylib` on a Mac: the wheel lacks
a library of its own, as all from 1.4.0 to 2.1.0rc1 do; take a newer one.  `No module named ai_edge_litert`:
it is not installed; `tflite_runtime` has no wheel for Apple silicon.
"""

import platform

from checklib import version

ID = "import"
TITLE = "The interpreter of LiteRT can be imported"
STAGE = "import"
WEIGHT = "breaks"

PACKAGES = ("ai-edge-litert", "numpy", "flatbuffers", "protobuf", "ml-dtypes", "backports-strenum", "tqdm")


def check(report):
    facts = report.facts
    facts["python"] = platform.python_version()
    facts["machine"] = platform.machine()
    facts["versions"] = {name: version(name) for name in PACKAGES}
    report.flush()  # what follows loads compiled code

    from ai_edge_litert.interpreter import Interpreter

    facts["interpreter"] = Interpreter.__module__
