#!/usr/bin/env python3
"""Trains the digit classifier of examples/digits, and writes it as ONNX.

    python -m pip install -r scripts/digits/requirements.txt
    python scripts/train_digits.py t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz

It takes MNIST's 10,000 test images, trains on 8,000 of them (warped anew each time they
are seen) and measures on the other 2,000, those with index % 5 == 0: in float, and in the
integer arithmetic that a proof states. No weights are chosen by the held-out images: the
number of epochs and the seed are fixed, and the last weights (their moving average) are the
result. (They were looked at in choosing channels, warp and weight decay: five runs.)
Takes about five minutes on one core.
"""

import argparse
import json
import pathlib

import jax
import numpy as np
from onnx.reference import ReferenceEvaluator

from digits import dataset, export, fixed_point, network

CHANNELS = (4, 12)
SCALE = 512


def accuracy(logits, labels) -> float:
    return float((np.asarray(logits).argmax(1) == labels).mean())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=pathlib.Path, help="t10k-images-idx3-ubyte, gzip or plain")
    parser.add_argument("labels", type=pathlib.Path, help="t10k-labels-idx1-ubyte, gzip or plain")
    examples = pathlib.Path(__file__).resolve().parent.parent / "examples" / "digits"
    parser.add_argument("--output", type=pathlib.Path, default=examples, help="folder to write to")
    parser.add_argument("--epochs", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    (train_x, train_y), (held_x, held_y) = dataset.load(args.images, args.labels)
    held_float = held_x / np.float32(255)
    forward = jax.jit(network.forward)

    def watch(epoch, seconds, params):
        now = accuracy(forward(params, held_float), held_y)
        print(f"epoch {epoch:3}  {seconds:5.0f} s  held out {now:.2%}", flush=True)

    key = jax.random.key(args.seed)
    params = network.initialise(key, CHANNELS)
    params = network.train(key, params, train_x, train_y, epochs=args.epochs, watch=watch)
    params = [(np.asarray(weight), np.asarray(bias)) for weight, bias in params]

    args.output.mkdir(parents=True, exist_ok=True)
    model = args.output / "model.onnx"
    export.write(model, params)

    # The file is what counts, so it is read back and must say what the trained network says.
    session = ReferenceEvaluator(str(model))
    said = np.concatenate([session.run(None, {"image": x[None, None]})[0] for x in held_float[:20]])
    np.testing.assert_allclose(said, forward(params, held_float[:20]), atol=1e-3)

    integer = fixed_point.forward(params, held_x, SCALE)
    report = {
        "model": model.name,
        "parameters": sum(weight.size + bias.size for weight, bias in params),
        "data": "MNIST t10k (10,000 images)",
        "held_out": {
            "rule": f"index % {dataset.HELD_OUT_MODULUS} == 0",
            "modulus": dataset.HELD_OUT_MODULUS,
            "remainder": 0,
            "images": len(held_y),
        },
        "training": {"images": len(train_y), "epochs": args.epochs, "seed": args.seed},
        "float": {"accuracy": accuracy(forward(params, held_float), held_y)},
        "fixed_point": {
            "scale": SCALE,
            "accuracy": accuracy(integer, held_y),
            "correct": int((integer.argmax(1) == held_y).sum()),
        },
    }
    (args.output / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
