"""What is compared: the operations that people use, each with inputs, TensorFlow's way and NumPy's.

Every input is a small multiple of a power of two with at most 8 significant bits, so that float16,
bfloat16 and float32 hold it exactly: one reference serves all of them, and only the operation is
compared, not the rounding of its inputs.  TensorFlow (``tf``) and NumPy (``np``) are handed in, since
this module is loaded before anybody knows whether they can be imported.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

import numeric_reference as reference

ACTIVATIONS = (
    "relu",
    "relu6",
    "elu",
    "leaky_relu",
    "gelu",
    "selu",
    "sigmoid",
    "tanh",
    "softplus",
    "swish",
    "softmax",
)


class Case(NamedTuple):
    """One operation.

    Attributes:
        name: What it is called in facts and messages.
        arrays: Gives its inputs, ``(np, random) -> list``; those of a layer begin with the data.
        expected: The result in NumPy, ``(np, *arrays)``.
        function: The result in TensorFlow, ``(tf, *tensors)``; None where only a layer does it.
        layer: Makes the Keras layer, ``(tf, **more)``, whose weights are the inputs after the first.
        length: The longest chain of additions in it, forward or gradient: see ``numeric_compare.allowed``.
        wrt: The inputs whose gradient is compared, by index; None for all of them.
        slopes: The gradient in NumPy, ``(np, upstream, *arrays)``, where differences take too long.
        mixed: Whether the layer is compared under the mixed policies.
    """

    name: str
    arrays: Callable[..., Any]
    expected: Callable[..., Any]
    function: Optional[Callable[..., Any]] = None
    layer: Optional[Callable[..., Any]] = None
    length: int = 1
    wrt: Optional[Tuple[int, ...]] = None
    slopes: Optional[Callable[..., Any]] = None
    mixed: bool = False


def normal(*shapes, unit=32):
    """Inputs of these shapes: rounded normal numbers, in multiples of ``1 / unit``."""

    def arrays(np, random):
        return [np.clip(np.round(random.randn(*shape) * 32), -128, 128) / unit for shape in shapes]

    return arrays


def distinct(*shape):
    """One input of at most 256 numbers, no two of them equal: what is largest is no matter of rounding."""

    def arrays(np, random):
        count = int(np.prod(shape))
        return [(random.permutation(count).reshape(shape) - count // 2) / 32]

    return arrays


def near_one(*shape):
    """One input of numbers around 1, positive: a product of a few stays small."""

    def arrays(np, random):
        return [1 + np.clip(np.round(random.randn(*shape) * 16), -32, 32) / 64]

    return arrays


def cases():
    """All of them, in the order in which they are compared."""
    found = [
        Case(
            "matmul",
            normal((16, 256), (256, 16)),
            lambda _, a, b: a @ b,
            lambda tf, a, b: tf.matmul(a, b),
            length=256,
            slopes=lambda _, up, a, b: [up @ b.T, a.T @ up],
        )
    ]
    found += [dense(name) for name in ACTIVATIONS]
    return found + convolutions() + normalisations() + recurrent() + losses() + reductions() + selections()


def dense(name):
    """A dense layer with the activation ``name``."""

    def keras(tf):
        # Keras 2 knows these two by no name.
        return getattr(tf.nn, name) if name in ("relu6", "leaky_relu") else name

    def slopes(np, up, x, kernel, bias):
        before = x @ kernel + bias
        (up,) = reference.slopes(np, lambda z: reference.activation(np, name, z), [before], up, (0,))
        return [up @ kernel.T, x.T @ up, up.sum(axis=0)]

    return Case(
        "dense " + name,
        # relu6 is to meet its upper end; the others would be told little beyond theirs.
        normal((4, 32), (32, 16), (16,), unit=32 if name == "relu6" else 64),
        lambda np, x, kernel, bias: reference.activation(np, name, x @ kernel + bias),
        lambda tf, x, kernel, bias: getattr(tf.nn, name)(tf.nn.bias_add(tf.matmul(x, kernel), bias)),
        lambda tf, **more: tf.keras.layers.Dense(16, activation=keras(tf), **more),
        length=32,
        slopes=slopes,
        mixed=name == "relu",
    )


def convolutions():
    def layer(name, *arguments, **options):
        return lambda tf, **more: getattr(tf.keras.layers, name)(*arguments, **options, **more)

    def slopes(np, up, x, k, *_):
        return [*reference.conv2d_slopes(np, up, x, k), up.sum(axis=(0, 1, 2))]

    def relu_slopes(np, up, x, k, b):
        return slopes(np, up * (reference.conv2d(np, x, k) + b > 0), x, k)

    same = {"padding": "same"}
    return [
        Case(
            "conv1d",
            normal((4, 8, 4), (3, 4, 8), (8,)),
            lambda np, x, k, b: reference.conv1d(np, x, k) + b,
            lambda tf, x, k, b: tf.nn.bias_add(tf.nn.conv1d(x, k, 1, "SAME"), b),
            layer("Conv1D", 8, 3, **same),
            length=32,
        ),
        Case(
            "conv2d",
            normal((4, 5, 5, 3), (3, 3, 3, 8), (8,)),
            lambda np, x, k, b: reference.conv2d(np, x, k) + b,
            lambda tf, x, k, b: tf.nn.bias_add(tf.nn.conv2d(x, k, 1, "SAME"), b),
            layer("Conv2D", 8, 3, **same),
            length=100,
            slopes=slopes,
            mixed=True,
        ),
        Case(
            "conv2d relu",
            normal((4, 5, 5, 3), (3, 3, 3, 8), (8,)),
            lambda np, x, k, b: np.maximum(reference.conv2d(np, x, k) + b, 0),
            lambda tf, x, k, b: tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, k, 1, "SAME"), b)),
            layer("Conv2D", 8, 3, activation="relu", **same),
            length=100,
            slopes=relu_slopes,
        ),
        Case(
            "conv2d strides 2",
            normal((4, 5, 5, 3), (3, 3, 3, 8)),
            lambda np, x, k: reference.conv2d(np, x, k, stride=2),
            lambda tf, x, k: tf.nn.conv2d(x, k, 2, "SAME"),
            layer("Conv2D", 8, 3, strides=2, use_bias=False, **same),
            length=36,
            slopes=lambda np, up, x, k: reference.conv2d_slopes(np, up, x, k, stride=2),
        ),
        Case(
            "depthwise conv2d",
            normal((4, 5, 5, 3), (3, 3, 3, 2)),
            reference.depthwise,
            lambda tf, x, k: tf.nn.depthwise_conv2d(x, k, [1, 1, 1, 1], "SAME"),
            layer("DepthwiseConv2D", 3, depth_multiplier=2, use_bias=False, **same),
            length=100,
            slopes=reference.depthwise_slopes,
        ),
        Case(
            "max pooling",
            distinct(4, 4, 4, 4),
            lambda _, x: reference.pool(x, "max"),
            lambda tf, x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
            layer("MaxPooling2D", 2),
        ),
        Case(
            "average pooling",
            distinct(4, 4, 4, 4),
            lambda _, x: reference.pool(x, "mean"),
            lambda tf, x: tf.nn.avg_pool2d(x, 2, 2, "VALID"),
            layer("AveragePooling2D", 2),
        ),
    ]


def normalisations():
    def moments(np, random):
        x, scale, offset, mean = normal((4, 4, 4, 3), (3,), (3,), (3,))(np, random)
        return [x, scale, offset, mean, near_one(3)(np, random)[0]]

    def fused(tf, x, *rest, **more):
        # The parameters are float32 whatever the images are: the kernel has no other form.
        rest = [tf.cast(array, "float32") for array in rest]
        return tf.compat.v1.nn.fused_batch_norm(x, *rest, epsilon=reference.EPSILON, **more)[0]

    return [
        Case(
            "batch norm, training",
            normal((4, 4, 4, 3), (3,), (3,)),
            reference.batch_norm,
            fused,
            length=64,
        ),
        Case(
            "batch norm, inference",
            moments,
            reference.batch_norm,
            lambda tf, x, *rest: fused(tf, x, *rest, is_training=False),
            lambda tf, **more: tf.keras.layers.BatchNormalization(epsilon=reference.EPSILON, **more),
            length=64,
            wrt=(0, 1, 2),
        ),
    ]


def recurrent():
    return [
        Case(
            "lstm",
            normal((4, 4, 5), (5, 32), (8, 32), (32,), unit=64),
            reference.lstm,
            layer=lambda tf, **more: tf.keras.layers.LSTM(8, **more),
            length=16,
        ),
        Case(
            "gru",
            normal((4, 4, 5), (5, 24), (8, 24), (2, 24), unit=64),
            reference.gru,
            layer=lambda tf, **more: tf.keras.layers.GRU(8, **more),
            length=16,
        ),
    ]


def losses():
    labels = [3, 1, 4, 1, 5, 9, 2, 6]

    def sparse(np, x):
        return reference.log_sum_exp(np, x)[:, 0] - x[np.arange(8), labels]

    def cross_entropy(np, targets, x):
        return (targets * (reference.log_sum_exp(np, x) - x)).sum(axis=1)

    return [
        Case("softmax", normal((8, 32)), reference.softmax, lambda tf, x: tf.nn.softmax(x), length=32),
        Case(
            "log softmax",
            normal((8, 32)),
            lambda np, x: x - reference.log_sum_exp(np, x),
            lambda tf, x: tf.nn.log_softmax(x),
            length=32,
        ),
        Case(
            "softmax cross-entropy",
            # Targets that sum to one: TensorFlow's gradient takes that for granted.
            lambda np, _: [(np.eye(8, 32) * 3 + np.eye(8, 32, 5)) / 4, *normal((8, 32))(np, _)],
            cross_entropy,
            lambda tf, targets, x: tf.nn.softmax_cross_entropy_with_logits(targets, x),
            length=32,
            wrt=(1,),
        ),
        Case(
            "sparse softmax cross-entropy",
            normal((8, 32)),
            sparse,
            lambda tf, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x),
            length=32,
        ),
    ]


def reductions():
    wide = normal((4, 128))
    return [
        Case("sum", wide, lambda _, x: x.sum(axis=1), lambda tf, x: tf.reduce_sum(x, 1), length=128),
        Case("sum of all", wide, lambda _, x: x.sum(), lambda tf, x: tf.reduce_sum(x), length=512),
        Case("mean", wide, lambda _, x: x.mean(axis=0), lambda tf, x: tf.reduce_mean(x, 0), length=4),
        Case("max", distinct(4, 64), lambda _, x: x.max(axis=1), lambda tf, x: tf.reduce_max(x, 1)),
        Case("min", distinct(4, 64), lambda _, x: x.min(axis=0), lambda tf, x: tf.reduce_min(x, 0)),
        Case(
            "product",
            near_one(16, 8),
            lambda _, x: x.prod(axis=1),
            lambda tf, x: tf.reduce_prod(x, 1),
            length=8,
        ),
        Case(
            "variance",
            wide,
            lambda _, x: x.var(axis=1),
            lambda tf, x: tf.math.reduce_variance(x, 1),
            length=128,
        ),
        Case(
            "log-sum-exp",
            wide,
            lambda np, x: reference.log_sum_exp(np, x)[:, 0],
            lambda tf, x: tf.reduce_logsumexp(x, 1),
            length=128,
        ),
        Case(
            "cumulative sum", wide, lambda _, x: x.cumsum(axis=1), lambda tf, x: tf.cumsum(x, 1), length=128
        ),
    ]


def selections():
    rows = [0, 5, 5, 2, 7, 0]  # twice the same: its gradient is a sum
    return [
        Case("gather", distinct(8, 32), lambda _, x: x[rows], lambda tf, x: tf.gather(x, rows), length=2),
        Case("sort", distinct(4, 64), lambda np, x: np.sort(x), lambda tf, x: tf.sort(x)),
        Case("argsort", distinct(4, 64), lambda np, x: np.argsort(x), lambda tf, x: tf.argsort(x), wrt=()),
        Case("argmax", distinct(4, 64), lambda _, x: x.argmax(axis=1), lambda tf, x: tf.argmax(x, 1), wrt=()),
        Case(
            "top k",
            distinct(4, 64),
            lambda np, x: -np.sort(-x)[:, :5],
            lambda tf, x: tf.math.top_k(x, 5).values,
        ),
    ]
