"""Makes what the project holds besides the model, from model/shapes.onnx by ONNX Runtime.

    data/golden.npz     20 held-out raw pictures with the model's own raw maps, and what `post` must say
    data/val/           60 held-out pictures; labels.csv: the largest shape's class and the
                        model's own answer to that; boxes.csv: all shapes
    data/calib/         48 pictures like those it was trained on, for 8-bit ranges

No picture is in two of them, nor was any seen in training.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pipeline
import scenes
from map50 import mean_average_precision
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parent.parent
SEED = 3
VAL, CALIB, GOLDEN_SPLIT = 2, 3, 4  # scenes.scene(SEED, split, number); training is 0, choosing 1
HELD_OUT, CALIBRATION, GOLDEN = 60, 48, 20
MARGIN = 0.01  # a golden picture has no score and no overlap closer than this to where an answer would flip

Floats = NDArray[np.float32]
Maps = Sequence[Floats]


def main() -> None:
    model = PROJECT / "model" / "shapes.onnx"
    data = PROJECT / "data"
    write_golden(data / "golden.npz", model)
    held = [scenes.scene(SEED, VAL, i) for i in range(HELD_OUT)]
    report = write_held_out(data / "val", held, answers(model, held))
    for i in range(CALIBRATION):
        write_image(data / "calib" / f"{i:03d}.ppm", scenes.scene(SEED, CALIB, i).pixels)
    (data / "data-report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"held out: {report}")


def answers(model: Path, drawn: Sequence[scenes.Scene]) -> list[Maps]:
    """The trained model's raw maps, (11, H, W) a head, one picture at a time as on a box."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    prepared = pipeline.prepare(np.stack([one.pixels for one in drawn]))
    return [[raw[0] for raw in session.run(list(pipeline.HEADS), {"image": x[None]})] for x in prepared]


def write_golden(path: Path, model: Path) -> None:
    """The first GOLDEN scenes whose answers rounding cannot flip, the classes in turn."""
    drawn = [scenes.scene(SEED, GOLDEN_SPLIT, i) for i in range(10 * GOLDEN)]
    both = evenly([pair for pair in zip(drawn, answers(model, drawn), strict=True) if decided(pair[1])])
    if len(both) < GOLDEN:
        raise SystemExit("too few scenes that rounding cannot flip: draw more")
    records = [pipeline.record(pipeline.boxes(maps)) for _, maps in both]
    arrays: dict[str, NDArray[np.generic]] = {"input": np.stack([one.pixels for one, _ in both])}
    for i, name in enumerate(pipeline.HEADS):
        arrays[f"output.{name}"] = np.stack([maps[i] for _, maps in both])
    for field, dtype in pipeline.FIELDS.items():
        arrays[f"record.{field}"] = np.array([record[field] for record in records], dtype)
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def evenly(pairs: Sequence[tuple[scenes.Scene, Maps]]) -> list[tuple[scenes.Scene, Maps]]:
    """GOLDEN of them: each class's first, then each class's second, and on."""
    seen: dict[float, int] = {}
    turns = []
    for _, maps in pairs:
        klass = pipeline.record(pipeline.boxes(maps))["class"]
        seen[klass] = turn = seen.get(klass, 0) + 1
        turns.append(turn)
    return [pairs[i] for i in np.argsort(turns, kind="stable")[:GOLDEN]]


def decided(maps: Maps) -> bool:
    """Whether the answer stays the same if scores and overlaps move by MARGIN, and areas by a part of it."""
    return all(abs(value - limit) > MARGIN for value, limit in _close_calls(maps))


def _close_calls(maps: Maps) -> Iterator[tuple[float, float]]:
    """Each number that an answer hangs on, and where it flips."""
    for raw in maps:
        chance = pipeline.sigmoid(raw)
        yield from ((float(s), float(pipeline.LEAST_SCORE)) for s in (chance[4] * chance[5:].max(0)).ravel())
    found = pipeline.candidates(maps)
    kept = pipeline.suppress(found)
    for box in kept:
        yield from ((pipeline.overlap(box[2:], row[2:]), float(pipeline.MOST_OVERLAP)) for row in found)
    areas = np.sort((kept[:, 4] - kept[:, 2]) * (kept[:, 5] - kept[:, 3]))[::-1]
    if len(areas) > 1:
        yield float(areas[1] / areas[0]), 1.0


def write_held_out(folder: Path, drawn: Sequence[scenes.Scene], maps: Sequence[Maps]) -> dict[str, float]:
    """PPM files, labels.csv and boxes.csv; the figures of the trained model on them."""
    found = [pipeline.boxes(one) for one in maps]
    labels, boxes, truths = [], [], []
    for i, one in enumerate(drawn):
        name = f"{i:03d}.ppm"
        write_image(folder / name, one.pixels)
        labels.append((name, one.boxes[0].klass, pipeline.record(found[i])["class"]))
        told = [(b.klass, *(round(side, 2) for side in (b.x0, b.y0, b.x1, b.y1))) for b in one.boxes]
        boxes.extend((name, *row) for row in told)
        truths.append(np.array(told))
    _write_csv(folder / "labels.csv", ("file", "label", "reference"), labels)
    _write_csv(folder / "boxes.csv", ("file", "class", "x0", "y0", "x1", "y1"), boxes)
    return {
        "held_out": len(drawn),
        "shapes": len(boxes),
        "map50": round(mean_average_precision(truths, found), 4),
        "largest_right": sum(label == reference for _, label, reference in labels),
    }


def _write_csv(file: Path, head: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    with file.open("w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([head, *lines])


def write_image(file: Path, pixels: NDArray[np.uint8]) -> None:
    """Binary PPM."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(f"P6\n{pixels.shape[1]} {pixels.shape[0]}\n255\n".encode() + pixels.tobytes())


if __name__ == "__main__":
    main()
