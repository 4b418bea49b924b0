"""Runs the numerics check on one faulty operation after the other, in an environment with TensorFlow.

``PYTHON numerics_driver.py CHECKS``: each fault is put into TensorFlow's own namespace, the cases that use it
are compared on a CPU, and a line of JSON tells what the check made of it.  A second CPU stands in for a GPU.
The last line holds the gradients that the reference has by a formula against differences.
"""

# It runs in that environment, whose TensorFlow has no types, and imports once it is told from where.
# mypy: ignore-errors

import contextlib
import itertools
import json
import os
import sys
from unittest import mock

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])

import check_numerics
import checklib
import numeric_reference
import numpy as np
import tensorflow as tf

relu, matmul, softplus, total = tf.nn.relu, tf.matmul, tf.nn.softplus, tf.reduce_sum
stateless, sort = tf.random.stateless_normal, tf.sort
OFFSETS = itertools.count(0.0, 1e-4)
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "float16": 1e-2, "bfloat16": 8e-2}


def half(left, right, **more):
    """A product that takes its inputs for float16, as a kernel that saves half of the work."""
    if left.dtype != tf.float32:
        return matmul(left, right, **more)
    return matmul(*(tf.cast(tf.cast(x, tf.float16), tf.float32) for x in (left, right)), **more)


@tf.custom_gradient
def steep(x):
    """The right value, and a slope that is off by a thousandth."""
    return softplus(x), lambda upstream: upstream * tf.sigmoid(x) * 1.001


def refused(*_):
    """What a kernel that fails says."""
    raise tf.errors.InternalError(None, None, "the device failed")


def lacking_in_graphs(x):
    """An operation for which a device has no kernel once a graph is placed, as TensorFlow says it."""
    if tf.executing_eagerly():
        return sort(x)
    raise tf.errors.NotFoundError(None, None, "No registered 'TopKV2' OpKernel for 'CPU' devices")


def one(*_):
    """Random numbers that are none."""
    return tf.ones([10_000])


def again(*arguments):
    """Other numbers each time."""
    return stateless(*arguments) + next(OFFSETS)


FAULTS = {
    "none": ("", {}, "dense relu|dense softplus|sum|sort|lstm"),
    "relu-in-graphs": ("nn", {"relu": lambda x: relu(x) if tf.executing_eagerly() else x}, "dense relu"),
    "half": ("", {"matmul": half}, "matmul"),
    "steep": ("nn", {"softplus": steep}, "dense softplus"),
    "rounded": ("", {"reduce_sum": lambda x, *a: total(x, *a) * (1 + 5e-5)}, "sum"),
    "nan": ("", {"reduce_sum": lambda x, *a: total(x, *a) * float("nan")}, "sum"),
    "raises": ("", {"sort": refused}, "sort|sum"),
    "lacks-in-graphs": ("", {"sort": lacking_in_graphs}, "sort|sum"),
    "constant": ("random", {"stateless_normal": one}, "sum"),
    "unrepeatable": ("random", {"stateless_normal": again}, "sum"),
}


def examined(where, names, only):
    """What the check says of the cases in ``only`` with ``names`` replaced in TensorFlow."""
    wanted = only.split("|")
    cases = [case for case in check_numerics.cases() if case.name in wanted]
    report = checklib.Report({"tolerance": TOLERANCE}, alone=True, send=print)
    devices = ["/CPU:0", "/CPU:1"] if not names else ["/CPU:0"]
    message = ""
    place = getattr(tf, where) if where else tf
    faulty = mock.patch.multiple(place, **names) if names else contextlib.nullcontext()
    with mock.patch.object(check_numerics, "cases", return_value=cases), faulty:
        try:
            check_numerics.examine(report, tf, np, devices)
        except checklib.Failed as finding:
            message = str(finding)
    return {"message": message, "facts": report.facts}


def by_formula():
    """The cases whose gradient is no difference."""
    return [check_numerics.expect(np, case, 0, fine=True) for case in check_numerics.cases() if case.slopes]


def off(one):
    """How far each of a case's gradients is from central differences, of the largest number; the most."""

    def value(*moved):
        return one.case.expected(np, *moved)

    found = numeric_reference.slopes(np, value, one.arrays, one.upstream, one.wrt)
    return max(abs(one.slopes[i] - slope).max() / abs(slope).max() for i, slope in enumerate(found))


def main():
    """One line for each fault."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for fault, what in FAULTS.items():
        print(json.dumps({"fault": fault, **examined(*what)}, default=str))
    print(json.dumps({"fault": "slopes", "off": {one.case.name: off(one) for one in by_formula()}}))


main()
