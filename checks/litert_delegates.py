"""LiteRT computes something else with its default delegate than without, or a library of it cannot be loaded.

A delegate runs parts of a model in its own way: XNNPACK, the default, on the CPU.  If the numbers differ, do
without: `Interpreter(..., experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)`.
"""

import ctypes
import glob
import os

import litert_run
from checklib import compare
from litert_reference import inputs

ID = "delegates"
TITLE = "The delegates are listed, and the default one computes what there is without"
STAGE = "numerics"
WEIGHT = "degrades"


def check(report):
    import ai_edge_litert
    from ai_edge_litert import interpreter as litert

    found, ops = litert_run.run(inputs())
    report.facts["default_delegate"] = "DELEGATE" in ops
    resolver = getattr(litert, "OpResolverType", None)
    if resolver is None:
        report.skip_part("this version cannot do without the default delegate")
    else:
        plain = resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        expected, bare = litert_run.run(inputs(), experimental_op_resolver_type=plain)
        report.facts["ops"] = bare
        compare(report, "the default delegate", found, expected)
    folder = os.path.dirname(ai_edge_litert.__file__)
    accelerators = [
        p for p in glob.glob(os.path.join(folder, "lib*")) if "Accelerator" in os.path.basename(p)
    ]
    report.facts["accelerators"] = listed = {}
    for path in sorted(accelerators):
        name = os.path.basename(path)
        report.flush()
        try:
            ctypes.CDLL(path)
            listed[name] = "loads"
        except OSError as error:
            listed[name] = str(error)
            report.note(f"{name} of the package cannot be loaded: {error}")
    if not accelerators:
        report.note("the package brings no accelerator for a GPU: models run on the CPU")
