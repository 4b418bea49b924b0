"""LiteRT runs a small model, and its numbers are wrong, or it refuses the model.

The model is a convolution and two dense layers, converted by TensorFlow; what it is to compute is worked out
by NumPy.  If it fails with several threads alone, use one; else take another version of `ai-edge-litert`.
"""

import litert_run
from checklib import compare
from litert_reference import inputs, outputs

ID = "model"
TITLE = "A converted model computes what NumPy does, with one thread and with several"
STAGE = "numerics"
WEIGHT = "breaks"

THREADS = (1, 4)


def check(report):
    expected = outputs(inputs())
    for threads in THREADS:
        found, _ = litert_run.run(inputs(), num_threads=threads)
        compare(report, f"{threads} thread{'s' if threads > 1 else ''}", found, expected)
