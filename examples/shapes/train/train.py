"""Trains the detector on drawn scenes and writes model/shapes.onnx; ``data.py`` then makes what is in data/.

    model/shapes.onnx        opset 13, a batch of one, raw maps p3, p4, p5
    data/train-report.json   mAP, seeds, seconds, versions

Seeded, on a fixed number of threads: the same weights again on the same processor and versions.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning takes the processor from others

import json
import platform
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pipeline
import scenes
import torch
from detector import Detector
from loss import loss
from map50 import mean_average_precision
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parent.parent
SEED = 3
SPLITS = {"train": 0, "choose": 1, "val": 2, "calib": 3}  # scenes.scene(SEED, split, number)
SCENES, EPOCHS, BATCH, RATE, THREADS = 4000, 12, 16, 3e-3, 1

Floats = NDArray[np.float32]


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    drawn = [scenes.scene(SEED, SPLITS["train"], i) for i in range(SCENES)]
    print(f"{SCENES} scenes drawn in {time.process_time():.0f} s", flush=True)
    detector = train(drawn)
    seconds = time.process_time()
    detector.eval().to(memory_format=torch.contiguous_format)
    export(detector, PROJECT / "model" / "shapes.onnx")
    chosen = [scenes.scene(SEED, SPLITS["choose"], i) for i in range(200)]
    report = {
        "map50": round(judge(detector, chosen), 4),
        "judged_on": len(chosen),
        "parameters": sum(p.numel() for p in detector.parameters()),
        "cpu_seconds": round(seconds),
        "seed": SEED,
        "scenes": SCENES,
        "epochs": EPOCHS,
        "batch": BATCH,
        "rate": RATE,
        "threads": THREADS,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "onnx": onnx.__version__,
        },
    }
    (PROJECT / "data" / "train-report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"mAP@0.5 {report['map50']} on {len(chosen)} scenes, {seconds:.0f} s of processor time")


def train(drawn: list[scenes.Scene]) -> Detector:
    """AdamW with one cycle of rates."""
    detector = Detector().train().to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(drawn) // BATCH)
    optimiser = torch.optim.AdamW(detector.parameters(), weight_decay=1e-3)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.15)
    rng = np.random.default_rng(SEED)
    prepared = pipeline.prepare(np.stack([one.pixels for one in drawn]))
    shapes_of = [targets(0, one) for one in drawn]
    for epoch in range(EPOCHS):
        losses = []
        for images, shapes in batches(prepared, shapes_of, rng):
            optimiser.zero_grad(set_to_none=True)
            quicker = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
            wrong = loss(detector(quicker), torch.from_numpy(shapes))
            wrong.backward()
            torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
            optimiser.step()
            rates.step()
            losses.append(float(wrong.detach()))
        told = f"loss {np.mean(losses):.3f}  {time.process_time():.0f} s"
        print(f"epoch {epoch + 1}/{EPOCHS}  {told}", flush=True)
    return detector


def batches(
    prepared: Floats, shapes_of: list[Floats], rng: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """Prepared images (BATCH, 3, 160, 160) and their shapes (M, 6), each batch mirrored or not."""
    order = rng.permutation(len(prepared))
    for at in range(0, len(prepared) - BATCH + 1, BATCH):
        chosen = order[at : at + BATCH]
        images = prepared[chosen]
        shapes = np.concatenate([shapes_of[i] for i in chosen])
        shapes[:, 0] = np.repeat(np.arange(BATCH), [len(shapes_of[i]) for i in chosen])
        for axis in (2, 3):
            if rng.integers(2):
                images = np.flip(images, axis)
                shapes[:, 5 - axis] = pipeline.SIDE - shapes[:, 5 - axis]
        yield np.ascontiguousarray(images), shapes


def targets(number: int, drawn: scenes.Scene) -> Floats:
    """(M, 6): the image's number, class, centre x, y, width, height in the model's pixels."""
    to_x, to_y = pipeline.SIDE / scenes.WIDTH, pipeline.SIDE / scenes.HEIGHT
    rows = [
        (
            number,
            box.klass,
            (box.x0 + box.x1) / 2 * to_x,
            (box.y0 + box.y1) / 2 * to_y,
            (box.x1 - box.x0) * to_x,
            (box.y1 - box.y0) * to_y,
        )
        for box in drawn.boxes
    ]
    return np.array(rows, np.float32).reshape(-1, 6)


def judge(detector: Detector, drawn: list[scenes.Scene]) -> float:
    """mAP@0.5 of what the whole pipeline says, thresholds and all."""
    images = torch.from_numpy(pipeline.prepare(np.stack([one.pixels for one in drawn])))
    with torch.no_grad():
        maps = [raw.numpy() for raw in detector(images)]
    found = [pipeline.boxes([raw[i] for raw in maps]) for i in range(len(drawn))]
    truths = [np.array([(b.klass, b.x0, b.y0, b.x1, b.y1) for b in one.boxes], np.float32) for one in drawn]
    return mean_average_precision(truths, found)


def export(detector: Detector, file: Path) -> None:
    """The exporter of TorchScript: it needs no further package and writes opset 13 as it is."""
    file.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            detector,
            (torch.zeros(1, 3, pipeline.SIDE, pipeline.SIDE),),
            str(file),
            opset_version=13,
            input_names=["image"],
            output_names=list(pipeline.HEADS),
            dynamo=False,
        )
    onnx.save(without_constants(onnx.load(file)), file)
    onnx.checker.check_model(str(file), full_check=True)


def without_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constant nodes (the sizes of Resize) as initializers: some readers want an input of every node."""
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    for node in model.graph.node:
        if node.op_type == "Constant":
            tensor = node.attribute[0].t
            tensor.name = node.output[0]
            model.graph.initializer.append(tensor)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


if __name__ == "__main__":
    main()
