"""The integer arithmetic that a proof states, in numpy.

A value v is held as the integer round(v * scale). `rescale(a, b)` is a / b rounded to
the nearest integer, ties towards +infinity. A convolution or dense layer is
rescale(accumulator, scale) + bias; a 2x2 average pool is rescale(sum, 4).
"""

import numpy as np


def rescale(a: np.ndarray, b: int) -> np.ndarray:
    """floor((2a + b) / (2b))"""
    return (2 * a + b) // (2 * b)


def quantise(values: np.ndarray, scale: int) -> np.ndarray:
    """Nearest integers to values * scale."""
    return np.floor(np.asarray(values, np.float64) * scale + 0.5).astype(np.int64)


def quantise_pixels(images: np.ndarray, scale: int) -> np.ndarray:
    """Bytes 0..255 stand for 0..1."""
    return quantise(images.astype(np.float64) / 255, scale)


def forward(params, images: np.ndarray, scale: int) -> np.ndarray:
    """Integer logits of byte images [n, 28, 28]; params are float (weight, bias) pairs."""
    x = quantise_pixels(images, scale)[:, None]
    for layer, (weight, bias) in enumerate(params):
        weight, bias = quantise(weight, scale), quantise(bias, scale)
        if weight.ndim == 4:
            windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
            # Integers below 2^53 are exact in float64, and its matrix product is far faster.
            sums = np.einsum(
                "nchwij,ocij->nohw", windows.astype(np.float64), weight.astype(np.float64),
                optimize=True,
            )
            x = rescale(sums.astype(np.int64), scale) + bias[:, None, None]
            x = np.maximum(x, 0)
            x = rescale(
                x[:, :, 0::2, 0::2] + x[:, :, 0::2, 1::2] + x[:, :, 1::2, 0::2] + x[:, :, 1::2, 1::2], 4
            )
        else:
            x = rescale(x.reshape(len(x), -1) @ weight.T, scale) + bias
            if layer + 1 < len(params):
                x = np.maximum(x, 0)
    return x
