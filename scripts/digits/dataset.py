"""MNIST images from IDX files, the train/held-out split, and augmentation.

Only one file pair is needed: the 10,000 images are split by index, so that any
program can rebuild the split without a random number generator:

    held out:  index % 5 == 0   (2,000 images)
    training:  the others       (8,000 images)
"""

import gzip
import pathlib
import struct

import jax
import jax.numpy as jnp
import numpy as np

SIDE = 28
HELD_OUT_MODULUS = 5


def _read_idx(path: pathlib.Path, magic: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes (gzip or plain), with its magic checked."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        raw = file.read()
    found, = struct.unpack(">I", raw[:4])
    if found != magic:
        raise SystemExit(f"{path}: expected IDX magic {magic:#x}, got {found:#x}")
    rank = magic & 0xFF
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    if body.size != int(np.prod(shape)):
        raise SystemExit(f"{path}: expected {np.prod(shape)} bytes after the header, got {body.size}")
    return body.reshape(shape)


def load(images: pathlib.Path, labels: pathlib.Path):
    """Return ((train_x, train_y), (held_x, held_y)); pixels are bytes [n, 28, 28]."""
    x, y = _read_idx(images, 0x803), _read_idx(labels, 0x801)
    if len(x) != len(y):
        raise SystemExit(f"{images} has {len(x)} images but {labels} has {len(y)} labels")
    held = np.arange(len(x)) % HELD_OUT_MODULUS == 0
    return (x[~held], y[~held]), (x[held], y[held])


def _hat_matrix(control_points: int) -> np.ndarray:
    """[28, control_points] smooth interpolation weights of a coarse grid."""
    at = np.linspace(0, control_points - 1, SIDE)[:, None] - np.arange(control_points)[None, :]
    weights = np.exp(-0.5 * (at / 0.6) ** 2)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


_COARSE = _hat_matrix(4)
_FINE = _hat_matrix(8)


def _elastic(key, count: int, basis: np.ndarray, strength: float):
    """Smooth random displacement fields [count, 28, 28, 2], in pixels."""
    n = basis.shape[1]
    grid = strength * jax.random.normal(key, (count, n, n, 2))
    return jnp.einsum("ya,xb,nabc->nyxc", basis, basis, grid)


def augment(key, images, strength=1.0):
    """Warp float images [n, 28, 28] by a random affine map and two elastic fields.

    The ink is also made bolder or fainter by a random contrast curve.
    """
    count = images.shape[0]
    k = jax.random.split(key, 7)

    def spread(key, shape, bound):
        return strength * jax.random.uniform(key, shape, minval=-bound, maxval=bound)

    angle, shear = spread(k[0], (count,), 0.26), spread(k[1], (count,), 0.25)
    zoom, shift = jnp.exp(spread(k[2], (count, 2), 0.17)), spread(k[3], (count, 2), 2.2)
    centre = (SIDE - 1) / 2
    axis = jnp.arange(SIDE) - centre
    y, x = jnp.meshgrid(axis, axis, indexing="ij")
    cos, sin = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    from_y = (cos * y - sin * x) * zoom[:, 0, None, None] + shift[:, 0, None, None]
    from_x = (sin * y + cos * x) * zoom[:, 1, None, None] + shift[:, 1, None, None]
    from_x = from_x + shear[:, None, None] * y
    warp = _elastic(k[4], count, _COARSE, 1.1 * strength) + _elastic(k[5], count, _FINE, 0.8 * strength)
    at = jnp.stack([from_y, from_x], -1) + centre + warp

    # Bilinear sampling from an image padded with black, so that no index leaves it.
    low = jnp.clip(jnp.floor(at), -1, SIDE - 1)
    part = jnp.clip(at - low, 0, 1)
    base = low.astype(jnp.int32) + 1
    stride = SIDE + 2
    flat = jnp.pad(images, ((0, 0), (1, 1), (1, 1))).reshape(count, -1)
    index = base[..., 0] * stride + base[..., 1]

    def pick(offset):
        return jnp.take_along_axis(flat, (index + offset).reshape(count, -1), 1).reshape(index.shape)

    py, px = part[..., 0], part[..., 1]
    top = pick(0) * (1 - px) + pick(1) * px
    bottom = pick(stride) * (1 - px) + pick(stride + 1) * px
    sampled = top * (1 - py) + bottom * py
    gamma = jnp.exp(spread(k[6], (count, 1, 1), 0.4))
    return jnp.maximum(sampled, 1e-6) ** gamma
