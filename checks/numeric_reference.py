"""What the compared operations are, in NumPy and float64: each a formula of its textbook.

NumPy (``np``) is handed in: this module is loaded before anybody knows whether NumPy can be imported.
Images are ``(batch, height, width, channels)``, series ``(batch, time, channels)``; padding is SAME.
"""

import math

EPSILON = 1e-3
"""What batch normalisation adds to the variance: Keras' default."""


def activation(np, name, x):
    """The activation ``name`` of ``x``; softmax over the last axis."""
    if name == "gelu":
        return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    if name == "softmax":
        return softmax(np, x)
    negative = np.minimum(x, 0)
    return {
        "relu": lambda: np.maximum(x, 0),
        "relu6": lambda: np.clip(x, 0, 6),
        "leaky_relu": lambda: np.where(x > 0, x, 0.2 * x),
        "elu": lambda: np.where(x > 0, x, np.expm1(negative)),
        "selu": lambda: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(negative)),
        "sigmoid": lambda: sigmoid(np, x),
        "tanh": lambda: np.tanh(x),
        "softplus": lambda: np.logaddexp(x, 0),
        "swish": lambda: x * sigmoid(np, x),
    }[name]()


def sigmoid(np, x):
    return 1 / (1 + np.exp(-x))


def log_sum_exp(np, x):
    """``log(sum(exp(x)))`` over the last axis, which stays with length 1."""
    largest = x.max(axis=-1, keepdims=True)
    return largest + np.log(np.exp(x - largest).sum(axis=-1, keepdims=True))


def softmax(np, x):
    return np.exp(x - log_sum_exp(np, x))


def windows(np, x, size, stride):
    """The parts of the images that each place of a ``size`` x ``size`` kernel sees, place by place."""
    height, width = (-(-length // stride) for length in x.shape[1:3])
    pads = [max((out - 1) * stride + size - length, 0) for out, length in zip((height, width), x.shape[1:3])]
    x = np.pad(x, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    for row in range(size):
        for column in range(size):
            part = x[:, row : row + (height - 1) * stride + 1 : stride]
            yield row, column, part[:, :, column : column + (width - 1) * stride + 1 : stride]


def conv2d(np, x, kernel, stride=1):
    """A square kernel ``(size, size, channels in, channels out)`` over images."""
    return sum(part @ kernel[i, j] for i, j, part in windows(np, x, kernel.shape[0], stride))


def conv2d_slopes(np, upstream, x, kernel, stride=1):
    """The gradient of ``conv2d``, which is linear in each of the two, so that no difference is needed."""
    return [
        by_image(np, lambda units: conv2d(np, units, kernel, stride), x, upstream),
        by_window(np, x, kernel, stride, upstream, "bhwi,bhwo->io"),
    ]


def depthwise_slopes(np, upstream, x, kernel):
    """The gradient of ``depthwise``, likewise."""
    apart = upstream.reshape(*upstream.shape[:3], *kernel.shape[2:])
    return [
        by_image(np, lambda units: depthwise(np, units, kernel), x, upstream),
        by_window(np, x, kernel, 1, apart, "bhwc,bhwcm->cm"),
    ]


def by_image(np, function, x, upstream):
    """The gradient for images of a function that is linear in each, from what it makes of each unit image."""
    units = np.eye(x[0].size).reshape(-1, *x.shape[1:])
    jacobian = function(units).reshape(len(units), -1)
    return (upstream.reshape(len(x), -1) @ jacobian.T).reshape(x.shape)


def by_window(np, x, kernel, stride, upstream, pattern):
    """The gradient for a kernel: at each of its places, that of what it sees of the images."""
    places = [np.einsum(pattern, part, upstream) for _, _, part in windows(np, x, kernel.shape[0], stride)]
    return np.reshape(places, kernel.shape)


def conv1d(np, x, kernel):
    """A kernel ``(size, channels in, channels out)`` over series; the size is odd."""
    size, length = kernel.shape[0], x.shape[1]
    x = np.pad(x, [(0, 0), (size // 2, size // 2), (0, 0)])
    return sum(x[:, i : i + length] @ kernel[i] for i in range(size))


def depthwise(np, x, kernel):
    """Each channel by its own kernels ``(size, size, channels, multiplier)``."""
    parts = windows(np, x, kernel.shape[0], 1)
    y = sum(part[..., None] * kernel[i, j] for i, j, part in parts)
    return y.reshape(*y.shape[:3], -1)


def pool(x, how):
    """2 x 2 pooling of images by ``max`` or ``mean``."""
    batch, height, width, channels = x.shape
    return getattr(x.reshape(batch, height // 2, 2, width // 2, 2, channels), how)(axis=(2, 4))


def batch_norm(np, x, scale, offset, mean=None, variance=None):
    """Normalised by the batch's own moments, or by those that are given (inference)."""
    if mean is None:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
    return (x - mean) / np.sqrt(variance + EPSILON) * scale + offset


def lstm(np, x, kernel, recurrent, bias):
    """The last output of an LSTM; the gates come in Keras' order: input, forget, candidate, output."""
    h = c = np.zeros((x.shape[0], recurrent.shape[0]))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(np, f) * c + sigmoid(np, i) * np.tanh(g)
        h = sigmoid(np, o) * np.tanh(c)
    return h


def gru(np, x, kernel, recurrent, bias):
    """The last output of a GRU whose reset gate comes after the product (Keras' default)."""
    h = np.zeros((x.shape[0], recurrent.shape[0]))
    for t in range(x.shape[1]):
        xz, xr, xh = np.split(x[:, t] @ kernel + bias[0], 3, axis=1)
        hz, hr, hh = np.split(h @ recurrent + bias[1], 3, axis=1)
        z = sigmoid(np, xz + hz)
        h = z * h + (1 - z) * np.tanh(xh + sigmoid(np, xr + hr) * hh)
    return h


def slopes(np, function, arrays, upstream, wrt):
    """The gradient of ``sum(function(*arrays) * upstream)`` by central differences, for each of ``wrt``.

    The step is 2**-16: the truncation is of the order of 1e-10 and the rounding of 1e-11, both hundreds of
    times below the epsilon of float32.  Only for inputs that keep away from kinks by more than a step.
    """
    step = 2.0**-16
    found = []
    for index in wrt:
        moved = [array.copy() for array in arrays]
        values, slope = moved[index].reshape(-1), np.empty(arrays[index].size)
        for place in range(values.size):
            before = values[place]
            ends = []
            for sign in (1, -1):
                values[place] = before + sign * step
                ends.append((function(*moved) * upstream).sum())
            values[place] = before
            slope[place] = (ends[0] - ends[1]) / (2 * step)
        found.append(slope.reshape(arrays[index].shape))
    return found
