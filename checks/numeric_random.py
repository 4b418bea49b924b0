"""Random numbers: the same for the same seed, the same on each device where that is documented, and random.

TensorFlow documents of its stateless functions that the same seed and shape give the same numbers, also
between CPU and GPU (tf.random.stateless_uniform); of the stateful ones only that `tf.random.set_seed`
makes a program's sequence repeatable.  What they give is held against the moments of the distribution,
within five standard errors: with a fixed seed it passes always or never.
"""

import math

from checklib import SEED

COUNT = 10_000
ERRORS = 5.0  # standard errors; a healthy generator passes this with all but 1 in 2 million seeds


def functions(tf):
    """By name: a function of nothing, its mean, its variance and the kurtosis of its distribution."""
    shape, seed = [COUNT], [SEED, 1]
    return {
        "stateless uniform": (lambda: tf.random.stateless_uniform(shape, seed), 1 / 2, 1 / 12, 1.8),
        "stateless normal": (lambda: tf.random.stateless_normal(shape, seed), 0.0, 1.0, 3.0),
        "uniform": (lambda: tf.random.uniform(shape, seed=1), 1 / 2, 1 / 12, 1.8),
        "normal": (lambda: tf.random.normal(shape, seed=1), 0.0, 1.0, 3.0),
    }


def random_findings(report, tf, np, devices):
    """What is wrong with random numbers on ``devices``, as sentences; other numbers elsewhere are a note."""
    facts = report.facts["random"] = {}
    problems, values = [], {}
    for device in devices:
        for name, (function, *moments) in functions(tf).items():
            first, second = (drawn(tf, device, function) for _ in range(2))
            values[device, name] = first
            off = worst_moment(np, first, *moments)
            facts.setdefault(device, {})[name] = {"standard_errors": off}
            if not np.array_equal(first, second):
                problems.append(f"{name} on {device} gives other numbers for the same seed.")
            if not off <= ERRORS:
                problems.append(
                    f"{name} on {device} is not so distributed: off by {off:.1f} standard errors."
                )
    first, *others = devices
    for other in others:
        for name in functions(tf):
            same = bool(np.allclose(values[first, name], values[other, name], rtol=1e-4, atol=1e-5))
            facts[other][name]["as_on"] = {first: same}
            if name.startswith("stateless") and not same:
                report.note(
                    f"{name} gives other numbers on {other} than on {first} for the same seed: a program "
                    f"cannot be repeated on the other device."
                )
    return problems


def drawn(tf, device, function):
    """The numbers on ``device``, with the global seed set: it counts for the stateful functions."""
    tf.random.set_seed(SEED)
    with tf.device(device):
        return function().numpy()


def worst_moment(np, values, mean, variance, kurtosis):
    """How far mean, variance and the correlation of neighbours are off, in standard errors."""
    values = np.asarray(values, "float64")
    if not np.isfinite(values).all():
        return math.inf
    centred = values - mean
    root = math.sqrt(values.size)
    off = (
        centred.mean() / math.sqrt(variance) * root,
        (centred.var() / variance - 1) / math.sqrt(kurtosis - 1) * root,
        (centred[1:] * centred[:-1]).mean() / variance * root,
    )
    return round(float(np.abs(off).max()), 2)
