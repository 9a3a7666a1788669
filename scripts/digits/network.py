"""The digit classifier and its training loop (JAX, CPU).

    conv 5x5 -> relu -> average pool 2x2 -> conv 5x5 -> relu -> average pool 2x2 -> dense

Valid padding, stride 1. A proof costs about 3 cells for each convolution output,
6 for each pooled output and 1 for each weight, whatever the number of
multiply-adds: hence large kernels and few channels.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

from . import dataset

KERNEL = 5


def initialise(key, channels):
    """He-initialised parameters: a list of (weight, bias).

    Convolutions are [out, in, 5, 5]; the dense layer is [10, in] with its input in NCHW order.
    """
    shapes, side, previous = [], dataset.SIDE, 1
    for c in channels:
        shapes.append((c, previous, KERNEL, KERNEL))
        side, previous = (side - KERNEL + 1) // 2, c
    shapes.append((10, previous * side * side))
    keys = jax.random.split(key, len(shapes))
    return [
        (jax.random.normal(k, s) * np.sqrt(2 / np.prod(s[1:])), jnp.zeros(s[0]))
        for k, s in zip(keys, shapes)
    ]


def _pool(x):
    c, h, w, n = x.shape
    return x.reshape(c, h // 2, 2, w // 2, 2, n).mean((2, 4))


def _convolve(x, weight):
    """Valid convolution of x [c, h, w, n] as one matrix product.

    With the batch innermost, gathering the windows copies whole rows. On a CPU this is
    several times as fast as XLA's own convolution, above all its gradients.
    """
    out, _, kh, kw = weight.shape
    h, w, n = x.shape[1] - kh + 1, x.shape[2] - kw + 1, x.shape[3]
    windows = [x[:, i : i + h, j : j + w] for i in range(kh) for j in range(kw)]
    windows = jnp.concatenate(windows, 0).reshape(-1, h * w * n)
    kernel = weight.transpose(0, 2, 3, 1).reshape(out, -1)
    return (kernel @ windows).reshape(out, h, w, n)


def forward(params, images):
    """Logits of images [n, 28, 28] in [0, 1]."""
    x = images.transpose(1, 2, 0)[None]
    *convolutions, (weight, bias) = params
    for kernel, offset in convolutions:
        x = _pool(jax.nn.relu(_convolve(x, kernel) + offset[:, None, None, None]))
    # Flattening keeps NCHW order: channels, rows, columns.
    return (weight @ x.reshape(-1, x.shape[-1]) + bias[:, None]).T


def _loss(params, images, labels):
    logits = forward(params, images)
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def train(key, params, x, y, *, epochs, rate=4e-3, decay=1e-4, strength=0.75, batch=128,
          average=0.9985, watch=None):
    """Adam with weight decay and a cosine schedule; returns the moving average of the weights."""
    steps = len(x) // batch
    x, y = jnp.asarray(x / np.float32(255)), jnp.asarray(y.astype(np.int32))
    tree = jax.tree_util.tree_map
    zeros = tree(jnp.zeros_like, params)

    def step(state, inputs):
        params, m, v, mean, t = state
        index, key = inputs
        images = dataset.augment(key, x[index], strength)
        grads = jax.grad(_loss)(params, images, y[index])
        t = t + 1
        done = t / (steps * epochs)
        lr = rate * 0.5 * (1 + jnp.cos(jnp.pi * done)) * jnp.minimum(1, t / 200)
        m = tree(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
        v = tree(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
        correct = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        params = tree(
            lambda p, a, b: p - lr * (a * correct[0] / (jnp.sqrt(b * correct[1]) + 1e-8) + decay * p),
            params, m, v,
        )
        keep = jnp.minimum(average, t / (t + 10))
        mean = tree(lambda s, p: keep * s + (1 - keep) * p, mean, params)
        return (params, m, v, mean, t), None

    @jax.jit
    def epoch(state, key):
        order_key, step_key = jax.random.split(key)
        order = jax.random.permutation(order_key, len(x))[: steps * batch].reshape(steps, batch)
        state, _ = jax.lax.scan(step, state, (order, jax.random.split(step_key, steps)))
        return state

    state = (params, zeros, zeros, params, jnp.zeros(()))
    start = time.monotonic()
    for number in range(epochs):
        key, use = jax.random.split(key)
        state = epoch(state, use)
        if watch is not None and ((number + 1) % 10 == 0 or number + 1 == epochs):
            watch(number + 1, time.monotonic() - start, state[3])
    return state[3]
