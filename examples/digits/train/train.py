"""Trains LeNet-5 on scikit-learn's handwritten digits and writes all that the project needs.

    model/lenet.onnx         the trained model
    data/golden.npz          64 held-out raw images with the model's own outputs and answers
    data/val/                the 360 held-out images and labels.csv
    data/train-report.json   accuracy, seeds, versions

Seeded and on one thread: the same bytes again on the same processor and versions.
"""

from __future__ import annotations

import csv
import json
import platform
import time
from pathlib import Path

import lenet
import numpy as np
import onnx
import onnxruntime as ort
import pipeline
import sklearn
from export import to_onnx
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

PROJECT = Path(__file__).resolve().parent.parent
SPLIT_SEED = 0
TRAIN_SEED = 0
EPOCHS = 40
BATCH = 32
RATE = 2e-3
GOLDEN = 64
WHITEST = 16  # load_digits counts pixels in 4x4 blocks: 0..16

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    raw = images.reshape(-1, 8, 8).astype(np.uint8)
    train_x, held_x, train_y, held_y = train_test_split(
        raw, labels.astype(np.int64), test_size=0.2, stratify=labels, random_state=SPLIT_SEED
    )
    layers = train(pipeline.prepare(train_x), train_y)

    model = PROJECT / "model" / "lenet.onnx"
    model.parent.mkdir(exist_ok=True)
    model.write_bytes(to_onnx(layers))
    logits = answers(model, pipeline.prepare(held_x))

    write_golden(PROJECT / "data" / "golden.npz", held_x[:GOLDEN], logits[:GOLDEN])
    write_held_out(PROJECT / "data" / "val", held_x, held_y, logits.argmax(axis=1))
    report = {
        "accuracy": round(float((logits.argmax(axis=1) == held_y).mean()), 6),
        "correct": int((logits.argmax(axis=1) == held_y).sum()),
        "held_out": len(held_y),
        "trained_on": len(train_y),
        "parameters": sum(int(w.size) for layer in layers for w in layer.weights),
        "seeds": {"split": SPLIT_SEED, "train": TRAIN_SEED},
        "epochs": EPOCHS,
        "batch": BATCH,
        "rate": RATE,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": ort.__version__,
        },
    }
    (PROJECT / "data" / "train-report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"held-out accuracy {report['correct']}/{report['held_out']} = {report['accuracy']:.4f}")


def train(x: lenet.Floats, y: Ints) -> list[lenet.Layer]:
    """Adam with a cosine rate; each image is moved by up to two pixels each time it is seen."""
    rng = np.random.default_rng(TRAIN_SEED)
    layers, adam = lenet.lenet5(rng), lenet.Adam()
    steps = EPOCHS * (len(x) // BATCH)
    for epoch in range(EPOCHS):
        started, losses = time.monotonic(), []
        order = rng.permutation(len(x))
        for at in range(0, len(x) - BATCH + 1, BATCH):
            chosen = order[at : at + BATCH]
            rate = RATE * 0.5 * (1 + np.cos(np.pi * adam.step / steps))
            losses.append(_step(layers, _moved(x[chosen], rng), y[chosen]))
            adam.update(layers, float(rate))
        took = time.monotonic() - started
        print(f"epoch {epoch + 1:2d}/{EPOCHS}  loss {np.mean(losses):.4f}  {took:.1f} s", flush=True)
    return layers


def _step(layers: list[lenet.Layer], x: lenet.Floats, y: Ints) -> float:
    """Cross-entropy of one batch, and its gradients left in the layers."""
    chance = pipeline.softmax(lenet.forward(layers, x))
    rows = np.arange(len(y))
    loss = -np.log(chance[rows, y] + 1e-12).mean()
    chance[rows, y] -= 1
    lenet.backward(layers, chance / np.float32(len(y)))
    return float(loss)


def _moved(x: lenet.Floats, rng: np.random.Generator, reach: int = 2) -> lenet.Floats:
    side = x.shape[-1]
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    down, right = rng.integers(0, 2 * reach + 1, (2, len(x)))
    pairs = zip(padded, down, right, strict=True)
    return np.stack([image[:, i : i + side, j : j + side] for image, i, j in pairs])


def answers(model: Path, prepared: lenet.Floats) -> lenet.Floats:
    """The trained model's logits (N, 10) by ONNX Runtime, one image at a time as on a box."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["logits"], {"image": x[None]})[0] for x in prepared])


def write_golden(path: Path, raw: Bytes, logits: lenet.Floats) -> None:
    path.parent.mkdir(exist_ok=True)
    arrays: dict[str, NDArray[np.generic]] = {
        "input": raw,
        "output.logits": logits,
        "record.class": logits.argmax(axis=1).astype(np.int64),
        "record.confidence": pipeline.softmax(logits).max(axis=1),
    }
    np.savez_compressed(path, allow_pickle=False, **arrays)


def write_held_out(folder: Path, raw: Bytes, labels: Ints, reference: Ints) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="") as f:
        rows = csv.writer(f, lineterminator="\n")
        rows.writerow(["file", "label", "reference"])
        for i, image in enumerate(raw):
            name = f"{i:03d}.pgm"
            head = f"P5\n{image.shape[1]} {image.shape[0]}\n{WHITEST}\n"
            (folder / name).write_bytes(head.encode() + image.tobytes())
            rows.writerow([name, labels[i], reference[i]])


if __name__ == "__main__":
    with threadpool_limits(1):  # sums in another order are other sums
        main()
