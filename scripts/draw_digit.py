#!/usr/bin/env python3
"""Draws a handwritten-looking 7 as a 28x28 grey PNG: white ink on black, like MNIST.

    python -m pip install -r scripts/digits/requirements.txt
    python scripts/draw_digit.py examples/digits/seven.png

The strokes are ours: two curves, drawn large with a round pen and reduced.
"""

import argparse
import pathlib

import numpy as np
from PIL import Image

SIDE = 28
OVERSAMPLE = 16
PEN = 1.25  # radius in pixels
SOFTNESS = 0.5  # width in pixels over which the ink fades at its edge

# Cubic Bezier curves, (x, y) in pixels from the top left corner.
STROKES = [
    # The bar: slightly wavy, rising to the right.
    [(7.0, 7.9), (11.0, 8.6), (15.5, 7.9), (20.2, 7.0)],
    # The stem: leans left, a little bent.
    [(20.2, 7.0), (18.3, 11.2), (13.9, 15.6), (12.3, 22.3)],
]


def points(stroke, count=200):
    """Points along a cubic Bezier curve."""
    t = np.linspace(0, 1, count)[:, None]
    a, b, c, d = (np.array(p) for p in stroke)
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def render() -> np.ndarray:
    """Ink density by distance from the pen's path, averaged over each pixel."""
    path = np.concatenate([points(s) for s in STROKES])
    axis = (np.arange(SIDE * OVERSAMPLE) + 0.5) / OVERSAMPLE
    x, y = np.meshgrid(axis, axis)
    nearest = np.full(x.shape, np.inf)
    for px, py in path:
        np.minimum(nearest, (x - px) ** 2 + (y - py) ** 2, out=nearest)
    ink = np.clip(0.5 + (PEN - np.sqrt(nearest)) / SOFTNESS, 0, 1)
    ink = ink.reshape(SIDE, OVERSAMPLE, SIDE, OVERSAMPLE).mean((1, 3))
    return np.floor(ink * 255 + 0.5).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("output", type=pathlib.Path, help="the PNG to write")
    output = parser.parse_args().output
    Image.fromarray(render()).save(output, optimize=True)
    print(f"{output}: {SIDE}x{SIDE}, 8-bit grey")


if __name__ == "__main__":
    main()
