"""Runs the cases on a device in each of the ways that people do: eager, in a graph, in `model.predict`.

Where the device is named, soft placement is off at first.  An operation that the device has no kernel
for is noted and computed again as TensorFlow would do it, the missing part on the CPU: what people get
is that, and it has to be right as well.
"""

import contextlib
from typing import Any, NamedTuple, Tuple

import numeric_compare as compare
import numeric_reference as reference
from checklib import leave_xla, on_device_alone
from registered import dtypes_of

EAGER, GRAPH, PREDICT = "eager", "tf.function", "model.predict"


class Expected(NamedTuple):
    """A case with its inputs and what NumPy makes of them.

    Attributes:
        wrt: The inputs whose gradient is compared.
        upstream: What the gradient comes from: the weight of each number of the result.
        slopes: The gradients, one for each of ``wrt``.
    """

    case: Any
    arrays: Tuple[Any, ...]
    value: Any
    wrt: Tuple[int, ...]
    upstream: Any
    slopes: Tuple[Any, ...]


def expect(np, case, seed, fine):
    """The case's inputs, and its results in float64.

    With ``fine`` the inputs fill the 24 bits of float32, so that a kernel that takes them for float16 shows;
    otherwise they have at most 8, which float16 and bfloat16 hold as well.
    """
    random = np.random.RandomState(seed)
    arrays = [np.asarray(array, "float64") for array in case.arrays(np, random)]
    wrt = tuple(range(len(arrays))) if case.wrt is None else case.wrt
    for index in wrt if fine else ():
        blur = 1 + (random.rand(*arrays[index].shape) - 0.5) / 256  # what is in order stays in order
        arrays[index] = (arrays[index] * blur).astype("float32").astype("float64")
    value = np.asarray(case.expected(np, *arrays))
    upstream = np.clip(np.round(random.randn(*value.shape) * 16), -32, 32) / 16
    if case.slopes:
        slopes = case.slopes(np, upstream, *arrays)
    else:
        slopes = reference.slopes(np, lambda *moved: case.expected(np, *moved), arrays, upstream, wrt)
    return Expected(case, tuple(arrays), value, wrt, upstream, tuple(slopes))


class Bench:
    """One device and what has been seen there.

    Args:
        tf: TensorFlow.
        np: NumPy.
        device: ``/CPU:0``, ``/GPU:0``.
        found: The `numeric_compare.Differences` to add to.

    Attributes:
        missing: The operations that the device has no kernel for, by dtype.
        kernels: The kernels that were missing, with the dtypes that they are registered for.
        refused: Those that raise as people write them, with the kernel that is nowhere to be had.
    """

    def __init__(self, tf, np, device, found):
        self.tf, self.np, self.device, self.found = tf, np, device, found
        self.missing = {}
        self.kernels = {}
        self.refused = {}

    def cases(self, chosen, dtype):
        """Compares cases, forward and gradient: each eagerly, then in graphs."""
        placing = [self.attempt([one], dtype, EAGER, strict=True) for one in chosen]
        for strict in (True, False):
            self.together([one for one, how in zip(chosen, placing) if how is strict], dtype, GRAPH, strict)

    def predict(self, chosen, dtype):
        """Compares `model.predict` of every layer."""
        self.together(chosen, dtype, PREDICT, strict=False)

    def together(self, chosen, dtype, mode, strict):
        """Compares cases in one graph, since each graph costs its making; those without a kernel apart."""
        sound = [one for one in chosen if one.case.name not in self.refused]
        apart = [[one] for one in chosen if one.case.name in self.refused]
        for group in filter(None, [sound, *apart]):
            self.attempt(group, dtype, mode, strict)

    def attempt(self, group, dtype, mode, strict):
        """Compares cases in one go; how they were placed, or None where the device is not asked for them."""
        try:
            results = self.results(group, dtype, mode, strict)
        except Exception as error:
            if len(group) > 1:  # one of them, and its name is what counts
                for one in group:
                    self.attempt([one], dtype, mode, strict)
            elif strict and compare.lacks_kernel(error):
                self.lacks(group[0].case.name, dtype, error)
                if dtype != "float32":
                    return None  # a model in it is not for this device
                return self.attempt(group, dtype, mode, strict=False)
            else:
                self.raised(group[0], dtype, mode, error)
        else:
            for one, (value, slopes) in zip(group, results):
                self.compare(one, dtype, mode, value, slopes)
        return strict

    def lacks(self, name, dtype, error):
        """Notes an operation for which a kernel is not registered, and what that kernel is registered for."""
        known = self.missing.setdefault(dtype, [])
        known.extend([name] if name not in known else [])
        kernel = compare.kernel_of(error)
        if kernel not in self.kernels and kernel != "a kernel":
            self.kernels[kernel] = dtypes_of(kernel, self.device.strip("/").split(":")[0])

    def results(self, group, dtype, mode, strict):
        """The value and the slopes of each case, as NumPy arrays; ``strict`` for soft placement off."""
        if mode == PREDICT:
            return [(value, []) for value in self.predicted(group, dtype)]
        with on_device_alone(self.tf, self.device) if strict else self.placed_by_default():
            both, forward, tensors = zip(*(self.functions(one, dtype) for one in group))
            found = self.called(both, tensors, mode)
            values = [value for value, _ in found]
            if mode == GRAPH and dtype == "float32":
                # Where no gradient is asked for, TensorFlow fuses more.
                values = self.called(forward, tensors, mode)
            slopes = [[slope.numpy() for slope in slopes] for _, slopes in found]
            return list(zip([value.numpy() for value in values], slopes))

    def called(self, functions, arguments, mode):
        """What the functions give, called one by one or in one graph.

        AutoGraph is off: no case has control flow for it to convert, and converting took a quarter of the
        check's time.
        """

        def every(arguments):
            return [function(*some) for function, some in zip(functions, arguments)]

        return (self.tf.function(every, autograph=False) if mode == GRAPH else every)(arguments)

    def functions(self, expected, dtype):
        """A function that gives the case's value and its slopes, one that gives its value, and the inputs."""
        tf, case = self.tf, expected.case
        policy = dtype in compare.MIXED
        tensors = [tf.constant(array, "float32" if policy else dtype) for array in expected.arrays]
        upstream = tf.constant(expected.upstream, compare.base(dtype)) if expected.wrt else None
        weights = []
        if policy or case.function is None:
            layer = case.layer(tf, dtype=dtype)
            layer.build(tensors[0].shape)
            layer.set_weights([array.astype("float32") for array in expected.arrays[1:]])
            weights = list(layer.trainable_variables)

        def forward(*tensors):
            return layer(tensors[0]) if weights else case.function(tf, *tensors)

        def both(*tensors):
            sources = [tensors[0], *weights] if weights else [tensors[i] for i in expected.wrt]
            with tf.GradientTape() as tape:
                tape.watch(sources[0] if weights else sources)
                value = forward(*tensors)
            slopes = tape.gradient(value, sources, output_gradients=upstream) if sources else []
            return value, [tf.convert_to_tensor(slope) for slope in slopes]

        return both, forward, tensors

    def compare(self, expected, dtype, mode, value, slopes):
        """Holds a value and its slopes against the reference."""
        length = expected.case.length
        what = {"op": expected.case.name, "dtype": dtype, "mode": mode, "device": self.device}
        error = compare.error_of(self.np, value, expected.value, dtype)
        self.found.add(error, length, direction="forward", **what)
        errors = [compare.error_of(self.np, got, slope, dtype) for got, slope in zip(slopes, expected.slopes)]
        if errors:
            self.found.add(max(errors), length, direction="gradient", **what)

    def predicted(self, chosen, dtype):
        """What one model of all ``chosen`` layers predicts, an array for each."""
        keras = self.tf.keras
        with self.placed_by_default():
            inputs = [keras.Input(shape=one.arrays[0].shape[1:]) for one in chosen]
            layers = [one.case.layer(self.tf, dtype=dtype) for one in chosen]
            model = leave_xla(keras.Model(inputs, [layer(data) for layer, data in zip(layers, inputs)]))
            for layer, one in zip(layers, chosen):
                if len(one.arrays) > 1:
                    layer.set_weights([array.astype("float32") for array in one.arrays[1:]])
            values = model.predict([one.arrays[0].astype("float32") for one in chosen], verbose=0)
        return values if isinstance(values, (list, tuple)) else [values]

    def rectified(self, name):
        """The least number that ``name`` (relu, relu6) leaves in `model.predict` where all are negative."""
        tf, np = self.tf, self.np
        with self.placed_by_default():
            layers = tf.keras.layers
            activation = getattr(tf.nn, name) if name == "relu6" else name
            layer = layers.Dense(5, activation=activation)
            model = leave_xla(tf.keras.Sequential([tf.keras.Input(shape=(10,)), layer]))
            layer.set_weights([-np.ones((10, 5), "float32"), -np.ones(5, "float32")])
            return float(model.predict(np.ones((4, 10), "float32"), verbose=0).min())

    def raised(self, expected, dtype, mode, error):
        """A result that could not be had: for want of a kernel, or else as wrong as a number can be."""
        name = expected.case.name
        if compare.lacks_kernel(error):
            self.refused.setdefault(name, compare.kernel_of(error))
        else:
            what = {"op": name, "dtype": dtype, "mode": mode, "device": self.device}
            self.found.raised(error, direction="forward or gradient", **what)

    def placed_by_default(self):
        """As people write it: the GPU takes what it can.  Where there is one, the CPU has to be named."""
        return self.tf.device(self.device) if "CPU" in self.device else contextlib.nullcontext()
