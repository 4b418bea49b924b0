"""What the model of the LiteRT checks computes, in NumPy: a convolution, ReLU, two dense layers.

``litert_model_bytes.py`` is this model, converted by TensorFlow (``tests/litert_convert.py``).  Weights and
input are a formula's, so that what the converter and NumPy get is the same on every machine.
"""

SIDE, CHANNELS, KERNEL, FILTERS, HIDDEN, OUTPUTS = 8, 2, 3, 4, 10, 3


def _wave(shape, start):
    """Numbers between -0.5 and 0.5 that look like none in particular."""
    import numpy as np

    count = int(np.prod(shape))
    return (np.sin(np.arange(count) * 1.7 + start) / 2).astype("float32").reshape(shape)


def weights():
    """Kernel and bias of each layer, in the order of the layers."""
    flat = (SIDE - KERNEL + 1) ** 2 * FILTERS
    shapes = (KERNEL, KERNEL, CHANNELS, FILTERS), (flat, HIDDEN), (HIDDEN, OUTPUTS)
    return [(_wave(shape, place), _wave(shape[-1:], place + 10)) for place, shape in enumerate(shapes)]


def inputs():
    """One image, as the model takes it."""
    return _wave((1, SIDE, SIDE, CHANNELS), 20)


def outputs(image):
    """What comes of *image*, in float64."""
    import numpy as np

    (kernel, bias), hidden, last = ([w.astype("float64") for w in pair] for pair in weights())
    size = SIDE - KERNEL + 1
    found = np.zeros((1, size, size, FILTERS)) + bias
    for row in range(KERNEL):
        for column in range(KERNEL):
            part = image[:, row : row + size, column : column + size, :].astype("float64")
            found += part @ kernel[row, column]
    found = np.maximum(found, 0).reshape(1, -1)
    found = np.maximum(found @ hidden[0] + hidden[1], 0)
    return found @ last[0] + last[1]
