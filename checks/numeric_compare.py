"""How results are held against the reference: the error, what is allowed, and the words for it.

An error is the largest absolute difference over the largest expected magnitude, in units of the
dtype's epsilon (the gap between 1 and the next number).  Why so much is allowed is argued in
docs/numerics.md.  Nothing here knows TensorFlow.
"""

import math
import re

EPSILONS = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
"""The Keras policies, by the dtype in which they compute."""

TOLD = 60
"""Differences that are told one by one; of more, the largest are."""


def base(dtype):
    """The dtype in which ``dtype``, perhaps a policy, computes."""
    return MIXED.get(dtype, dtype)


def allowed(dtype, length, floors):
    """The largest error that is rounding, in epsilons.

    Args:
        dtype: Of the result; a policy stands for the dtype in which it computes.
        length: The longest chain of additions in the operation.
        floors: ``[limits.tolerance]``: what is allowed in any case, by dtype, relative.
    """
    name = base(dtype)
    return max(floors[name] / EPSILONS[name], math.sqrt(length) / 2)


def error_of(np, got, expected, dtype):
    """The error of ``got`` in epsilons; infinite where a number is none, or the shape is another."""
    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    if got.shape != expected.shape or not np.isfinite(got).all():
        return math.inf
    if not expected.size:
        return 0.0
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(got - expected).max()) / scale / EPSILONS[base(dtype)]


class Differences:
    """What was compared so far: the largest error of each operation, and each difference.

    Attributes:
        floors: ``[limits.tolerance]``.
        count: How many results were compared.
        largest: The largest error by device, dtype and operation, in epsilons.
        rows: Each difference that is more than rounding, as it came.
    """

    def __init__(self, floors):
        self.floors = floors
        self.count = 0
        self.largest = {}
        self.rows = []

    def add(self, error, length, **what):
        """Takes one comparison; ``what`` has ``op``, ``dtype``, ``mode``, ``direction`` and ``device``."""
        self.count += 1
        error = math.inf if math.isnan(error) else error  # it compares with nothing, and sorts nowhere
        table = self.largest.setdefault(what["device"], {}).setdefault(what["dtype"], {})
        table[what["op"]] = rounded(max(error, table.get(what["op"], 0.0)))
        limit = allowed(what["dtype"], length, self.floors)
        if not error <= limit:
            self.rows.append(dict(what, error=rounded(error), allowed=rounded(limit)))

    def raised(self, error, **what):
        """Takes one result that could not be had, because TensorFlow raised ``error``."""
        self.count += 1
        message = " ".join(str(error).split())
        self.rows.append(dict(what, error=math.inf, raised=f"{type(error).__name__}: {message[:300]}"))

    def facts(self):
        """What a check reports of it."""
        worst = sorted(self.rows, key=lambda row: (not counts(row), -row["error"]))
        return {
            "compared": self.count,
            "different": sum(map(counts, self.rows)),
            "largest_errors": self.largest,
            "differences": worst[:TOLD],
        }


def counts(row):
    """Whether a difference is a failure: on the GPU any is, on the CPU those of float32.

    The CPU is there to tell what the GPU should give.  Some of its kernels for bfloat16 are broken in old
    releases (2.7: oneDNN without AVX-512 leaves the result empty), which is no reason to warn of a pair.
    """
    return row["dtype"] == "float32" or "CPU" not in row["device"]


def rounded(number):
    """Three digits are enough to judge an error."""
    return float(f"{number:.3g}")


def failure_sentence(facts):
    """What went wrong, from `Differences.facts`: how many, where, and the worst; None where nothing did."""
    rows = [row for row in facts["differences"] if counts(row)]
    if not rows:
        return None
    worst = rows[0]
    where = f"{worst['op']} in {worst['dtype']}, {worst['direction']}, {worst['mode']}, on {worst['device']}"
    if "raised" in worst:
        what = worst["raised"]
    elif math.isinf(worst["error"]):
        what = "the result is not finite, or has another shape"
    else:
        what = f"off by {worst['error']:g} epsilons, {worst['allowed']:g} are allowed"
    others = ", ".join(names(rows, besides=worst["op"]))
    return (
        f"{facts['different']} of {facts['compared']} results are wrong. The worst: {where}: {what}"
        f"{'; also: ' if others else ''}{others}."
    )


def cpu_sentence(facts):
    """What the CPU gets wrong in the small dtypes; None where it is right."""
    rows = [row for row in facts["differences"] if not counts(row)]
    told = sorted({row["dtype"] for row in rows})
    return f"On the CPU, wrong in {', '.join(told)}: {', '.join(names(rows))}." if rows else None


def names(rows, besides=""):
    """The operations of ``rows``, each once."""
    return sorted({row["op"] for row in rows} - {besides})


def lacks_kernel(error):
    """Whether an error of TensorFlow's says that the device has no kernel for an operation.

    Three places of TensorFlow say it, each in its words: the eager runtime before and after placing,
    and the graph's placer.
    """
    if type(error).__name__ not in ("InvalidArgumentError", "NotFoundError", "UnimplementedError"):
        return False
    message = str(error)
    marks = (
        "Could not satisfy device specification",
        "Could not satisfy explicit device specification",
        "Could not find device for node",
        "No registered '",
        "No OpKernel was registered",
        "no supported kernel for",
    )
    return any(mark in message for mark in marks)


def kernel_of(error):
    """The operation whose kernel is lacking, as TensorFlow names it; ``a kernel`` where it does not."""
    patterns = (
        r"OpKernel was registered to support Op '(\w+)'",
        r"No registered '(\w+)'",
        r"\{\{node (\w+)\}\} = ",
        r"for operation ([\w/]+)",
        r"\[Op:(\w+)\]",
    )
    found = (re.search(pattern, str(error)) for pattern in patterns)
    return next((match[1] for match in found if match), "a kernel")
