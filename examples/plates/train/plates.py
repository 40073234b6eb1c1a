"""Plates with digits on a belt, and what the two trained models say of them: this example's golden vectors.

    python train/plates.py            # needs NumPy and ONNX Runtime

The way of the box in Python: edgepack's blocks as NumPy has them, ONNX Runtime for the models.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "recipes" / "kit"), str(ROOT / "examples" / "shapes" / "train")]

import scenes  # noqa: E402
from edgepack_blocks.boxes import Detection, part, told  # noqa: E402
from edgepack_blocks.geometry import Geometry  # noqa: E402
from edgepack_blocks.pictures import color, normalize, resize  # noqa: E402
from edgepack_blocks.scores import softmax, topk  # noqa: E402
from edgepack_blocks.yolo import yolo  # noqa: E402

SAMPLES, MOST = 12, 8
SCORE = 0.7
ANCHORS = [[14, 18], [28, 36], [56, 74]]
PLATES = ("red square", "blue square")


def picture(number: int) -> Any:
    """uint8 (96, 128, 3): up to three plates with a digit each."""
    rng = np.random.default_rng((11, number))
    digits = np.load(ROOT / "examples" / "digits" / "data" / "golden.npz")["input"]
    pixels = scenes._ground(rng)
    for place in rng.permutation(3)[: int(rng.integers(1, 4))]:
        shape = scenes.Shape("square", 24 + 40 * place, float(rng.uniform(26, 70)), 22.0, np.pi / 4)
        colour = np.array(scenes.COLOURS[PLATES[int(rng.integers(2))].split()[0]], np.float64)
        cover = shape.cover()[..., None] * 0.97
        under = pixels[shape.window()]
        under += (colour - under) * cover
        digit = digits[int(rng.integers(len(digits)))].repeat(3, 0).repeat(3, 1)[..., None] / 16
        top, left = int(shape.y) - 12, int(shape.x) - 12
        ink = pixels[top : top + 24, left : left + 24]
        ink += (np.minimum(colour + 55, 255) - ink) * digit * 0.9
    noisy = pixels + rng.normal(0, 2, pixels.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def model(file: Path) -> Any:
    """One sample in, all outputs without their batch axis."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: {
        o.name: y[0]
        for o, y in zip(session.get_outputs(), session.run(None, {name: np.float32(x)[None]}), strict=True)
    }


def stretch(image: Any) -> Any:
    """The twin of src/pre.cpp: full contrast."""
    span = float(image.max() - image.min())
    return (image - image.min()) * (255 / span if span else 0)


def digit_of(image: Any, lenet: Any) -> dict[str, Any]:
    """`models.digit` of edgepack.yaml: a part of the picture to its record."""
    x, where = color(image, Geometry.of(image), "gray")
    x, where = resize(stretch(x), where, [28, 28])
    x, where = normalize(x, where, [0.5], [0.5])
    (scores,) = lenet(x).values()
    best = topk(softmax(scores))
    return {"class": best["class"], "confidence": best["score"]}


def answer(pixels: Any, detector: Any, lenet: Any) -> tuple[dict[str, Any], dict[str, Any], list[Detection]]:
    """The detector's outputs, the record's lists, and what was found."""
    image = pixels.transpose(2, 0, 1)
    x, where = resize(image, Geometry.of(image), [160, 160])
    x, where = normalize(x, where, [0.605, 0.489, 0.364], [0.132, 0.115, 0.118])
    outputs = detector(x)
    labels = scenes.CLASSES
    found = yolo(
        list(outputs.values()),
        where,
        "v5",
        [8, 16, 32],
        ANCHORS,
        labels,
        overlap=0.5,
        per_class=False,
        score=SCORE,
    )
    classes = np.full(MOST, -1, np.int64)
    sure = np.full(MOST, np.nan, np.float32)
    asked = 0
    for index, one in enumerate(found):
        if one.name in PLATES and index < MOST:
            said = digit_of(part(image, one), lenet)
            classes[index], sure[index] = said["class"], said["confidence"]
            asked += 1
    boxes = np.full(6 * MOST, np.nan, np.float32)
    flat = told(found, True, False)["boxes"]
    boxes[: len(flat)] = flat[: len(boxes)]
    record = {"count": np.int64(len(found)), "boxes": boxes, "digit_count": np.int64(asked)}
    return outputs, {**record, "digit_class": classes, "digit_confidence": sure}, found


def steady(said: tuple[dict[str, Any], dict[str, Any], list[Detection]]) -> bool:
    """Whether rounding cannot change an answer: no score near the threshold, no digit that is a guess."""
    _, record, found = said
    sure = record["digit_confidence"][: len(found)]
    return all(one.score > SCORE + 0.02 for one in found) and bool(np.all(sure > 0.6))


def main() -> None:
    detector, lenet = model(HERE / "model" / "shapes.onnx"), model(HERE / "model" / "lenet.onnx")
    pictures, said = [], []
    for number in range(200):
        one = picture(number)
        told_of = answer(one, detector, lenet)
        if len(said) < SAMPLES and steady(told_of):
            pictures.append(one)
            said.append(told_of)
    vectors = {"input": np.stack(pictures)}
    vectors |= {f"output.{name}": np.float32([s[0][name] for s in said]) for name in said[0][0]}
    vectors |= {f"record.{name}": np.stack([s[1][name] for s in said]) for name in said[0][1]}
    np.savez_compressed(HERE / "data" / "golden.npz", **vectors)
    for _, record, found in said:
        print(
            [one.name for one in found],
            record["digit_class"][: len(found)],
            record["digit_confidence"][: len(found)],
        )


if __name__ == "__main__":
    main()
