"""The GPU, or the CPU, computes wrong numbers; nothing else says so.

The message names the worst operation, and the facts name all of them.  A ReLU that `model.predict`
does not apply is the plugin's known defect in compiled graphs: keep the activation out of the layer
(`tf.maximum(x, 0)` as a layer of its own), or take another pair; `run_eagerly=True` in `model.compile`
is right and slow.  For any other difference on the GPU alone: run that operation under
`tf.device("/CPU:0")`, hide the GPU with `tf.config.set_visible_devices([], "GPU")`, or take another
pair of TensorFlow and plugin.  Do not train on what is wrong.
"""

import time

import numeric_compare as compare
from checklib import SEED, Failed, gpus, no_gpu_sentence
from numeric_cases import cases
from numeric_random import random_findings
from numeric_run import Bench, expect

ID = "numerics"
TITLE = "The numbers are right: forward and gradient, eager, in graphs, in predict"
STAGE = "numerics"
WEIGHT = "degrades"

SMALL = ("float16", "bfloat16")
NAMED = 8  # operations that a note names one by one; the facts name all


def check(report):
    import numpy as np
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it warns of many functions, and many there are to be
    found = gpus()
    if not found:
        report.skip_part("The GPU part was not done. " + no_gpu_sentence())
    examine(report, tf, np, ["/CPU:0", "/GPU:0"] if found else ["/CPU:0"])


def examine(report, tf, np, devices):
    """Compares all cases on each of ``devices``; `Failed` if anything is more than rounding."""
    started = time.monotonic()
    facts = report.facts
    # float32 gets inputs of its own: see `expect`.
    fine = [expect(np, case, SEED, fine=True) for case in cases()]
    coarse = [expect(np, case, SEED, fine=False) for case in cases() if case.function]
    facts["seed"] = SEED
    facts["reference_seconds"] = round(time.monotonic() - started, 2)
    differences = compare.Differences(report.limits["tolerance"])
    problems = []
    for device in devices:
        started = time.monotonic()
        bench = Bench(tf, np, device, differences)
        measure(bench, fine, coarse)
        problems += rectifiers(bench, facts)
        facts.setdefault("not_registered", {})[device] = bench.missing
        facts.setdefault("registered_for", {})[device] = bench.kernels
        facts.setdefault("refused", {})[device] = bench.refused
        facts.setdefault("seconds", {})[device] = round(time.monotonic() - started, 2)
        for sentence in remarks(bench):
            report.note(sentence)
    problems += random_findings(report, tf, np, devices)
    facts.update(differences.facts())
    if aside := compare.cpu_sentence(facts):
        report.note(aside)
    if failure := compare.failure_sentence(facts):
        problems.append(failure)
    if problems:
        raise Failed(" ".join(problems))


def measure(bench, fine, coarse):
    """Every case in every dtype and mode, on one device."""
    bench.cases(fine, "float32")
    for dtype in SMALL:
        bench.cases(coarse, dtype)
    mixed = [one for one in coarse if one.case.mixed]
    for policy in compare.MIXED:
        bench.cases(mixed, policy)
    bench.predict([one for one in fine if one.case.layer], "float32")
    for policy in compare.MIXED:
        bench.predict(mixed, policy)


def rectifiers(bench, facts):
    """The probe that needs no luck: kernel and bias all -1, inputs all 1, so that a ReLU leaves 0 alone."""
    for name in ("relu", "relu6"):
        least = bench.rectified(name)
        facts.setdefault("least_after", {}).setdefault(bench.device, {})[name] = least
        if least != 0:
            what = "does not apply" if least < 0 else "is wrong about"
            yield (
                f"model.predict on {bench.device} {what} {name} after a dense layer: "
                f"the least number is {least:g} and should be 0."
            )


def remarks(bench):
    """What was not computed where it was asked for, as sentences."""
    if bench.missing and "GPU" in bench.device:
        told = "; ".join(
            f"{dtype}: {', '.join(names) if len(names) <= NAMED else f'{len(names)} operations'}"
            for dtype, names in bench.missing.items()
        )
        yield f"Not registered for the GPU in some part, which TensorFlow leaves to the CPU: {told}."
    if bench.refused:
        told = ", ".join(f"{name} ({kernel})" for name, kernel in bench.refused.items())
        yield f"On {bench.device} these raise an error, for want of a kernel anywhere: {told}."
    if any("Cudnn" in kernel for kernel in bench.refused.values()):
        yield (
            "Keras takes any GPU for one with cuDNN: write RNN(LSTMCell(n)) for LSTM(n), or, under Keras 3, "
            "LSTM(n, use_cudnn=False)."
        )
