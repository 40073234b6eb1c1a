"""examples/shapes: what is committed is what its training scripts say, and the program says it too."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import yaml
from numpy.typing import NDArray

from edgepack.bundle import open_bundle
from edgepack.tools.runner import command, run
from tests import digits

SHAPES = Path(__file__).parents[2] / "examples" / "shapes"
VAL = SHAPES / "data" / "val"
HEAD = b"P6\n128 96\n255\n"
OWN = ("pipeline", "scenes", "map50", "data")

Images = NDArray[np.uint8]
Maps = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Training:
    """The modules of train/ that need no PyTorch."""

    pipeline: ModuleType
    scenes: ModuleType
    map50: ModuleType
    data: ModuleType


@pytest.fixture(scope="module")
def train() -> Iterator[Training]:
    """Imported under their own names, which other examples' modules have too, so they are put aside after."""
    aside = {name: sys.modules.pop(name, None) for name in OWN}
    sys.path.insert(0, str(SHAPES / "train"))
    try:
        import data
        import map50
        import pipeline
        import scenes

        yield Training(pipeline, scenes, map50, data)
    finally:
        sys.path.remove(str(SHAPES / "train"))
        for name, module in aside.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def read_csv(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as f:
        return list(csv.DictReader(f))


def pixels(file: Path) -> Images:
    raw = file.read_bytes()
    assert raw.startswith(HEAD)
    assert len(raw) == len(HEAD) + 96 * 128 * 3
    return np.frombuffer(raw, np.uint8, offset=len(HEAD)).reshape(96, 128, 3)


@pytest.fixture(scope="module")
def labels() -> list[dict[str, str]]:
    return read_csv(VAL / "labels.csv")


@pytest.fixture(scope="module")
def held_out(labels: list[dict[str, str]]) -> Images:
    """The pictures of labels.csv, (N, 96, 128, 3) uint8."""
    return np.stack([pixels(VAL / row["file"]) for row in labels])


@pytest.fixture(scope="module")
def truths(labels: list[dict[str, str]]) -> list[NDArray[np.float64]]:
    """Boxes.csv by picture: class, x0, y0, x1, y1."""
    rows = read_csv(VAL / "boxes.csv")
    columns = ("class", "x0", "y0", "x1", "y1")
    return [
        np.array([[float(row[c]) for c in columns] for row in rows if row["file"] == label["file"]])
        for label in labels
    ]


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.generic]]:
    with np.load(SHAPES / "data" / "golden.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def answers(train: Training, images: Images) -> list[Maps]:
    """ONNX Runtime's raw maps now, on this machine."""
    session = ort.InferenceSession(SHAPES / "model" / "shapes.onnx", providers=["CPUExecutionProvider"])
    names = list(train.pipeline.HEADS)
    prepared = train.pipeline.prepare(images)
    return [[raw[0] for raw in session.run(names, {"image": x[None]})] for x in prepared]


@pytest.fixture(scope="module")
def found(train: Training, held_out: Images) -> list[NDArray[np.float32]]:
    """The held-out pictures' boxes by the Python twin."""
    return [train.pipeline.boxes(maps) for maps in answers(train, held_out)]


def test_the_model_is_what_the_readme_says() -> None:
    file = SHAPES / "model" / "shapes.onnx"
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    assert file.stat().st_size <= 1 << 20
    assert [o.version for o in model.opset_import] == [13]
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "image": [1, 3, 160, 160],
        "p3": [1, 11, 20, 20],
        "p4": [1, 11, 10, 10],
        "p5": [1, 11, 5, 5],
    }
    assert {node.op_type for node in model.graph.node} == {
        *("Conv", "BatchNormalization", "Sigmoid", "Mul", "Add", "Concat", "Resize")
    }


def test_every_picture_has_a_label_and_a_box(
    train: Training, labels: list[dict[str, str]], truths: list[NDArray[np.float64]]
) -> None:
    files = [row["file"] for row in labels]
    assert list(labels[0]) == ["file", "label", "reference"]
    assert len(set(files)) == len(files) == 60
    assert set(files) == {path.name for path in VAL.glob("*.ppm")}
    assert {int(klass) for rows in truths for klass in rows[:, 0]} == set(range(len(train.scenes.CLASSES)))
    assert min(len(rows) for rows in truths) >= 1
    assert min(rows[:, 1:].min() for rows in truths) >= 0
    assert max(rows[:, 3].max() for rows in truths) <= 128
    assert max(rows[:, 4].max() for rows in truths) <= 96


def test_the_label_is_the_largest_shapes_class(
    labels: list[dict[str, str]], truths: list[NDArray[np.float64]]
) -> None:
    for row, boxes in zip(labels, truths, strict=True):
        areas = (boxes[:, 3] - boxes[:, 1]) * (boxes[:, 4] - boxes[:, 2])
        assert int(row["label"]) == boxes[areas.argmax(), 0]


def test_references_are_onnx_runtimes(
    train: Training, labels: list[dict[str, str]], found: list[NDArray[np.float32]]
) -> None:
    assert [int(row["reference"]) for row in labels] == [train.pipeline.record(f)["class"] for f in found]


def test_the_reports_say_how_good_it_is(
    train: Training,
    labels: list[dict[str, str]],
    truths: list[NDArray[np.float64]],
    found: list[NDArray[np.float32]],
) -> None:
    report = json.loads((SHAPES / "data" / "data-report.json").read_text())
    score = train.map50.mean_average_precision(truths, found)
    assert score == pytest.approx(report["map50"], abs=1e-3)
    assert report["largest_right"] == sum(row["label"] == row["reference"] for row in labels)


def test_the_detector_is_good(
    train: Training, truths: list[NDArray[np.float64]], found: list[NDArray[np.float32]]
) -> None:
    assert train.map50.mean_average_precision(truths, found) >= 0.9


@pytest.mark.parametrize(
    ("fault", "at_most"),
    [("red and blue exchanged", 0.6), ("mean 255 times too large", 0.1), ("sides exchanged", 0.6)],
)
def test_a_wrong_pre_is_seen(
    train: Training,
    held_out: Images,
    truths: list[NDArray[np.float64]],
    found: list[NDArray[np.float32]],
    fault: str,
    at_most: float,
) -> None:
    """At most that part of the right one's mAP is left."""
    right = train.pipeline.prepare(held_out)
    mean = train.pipeline.MEAN[:, None, None] / train.pipeline.STD[:, None, None]
    wrong = {
        "red and blue exchanged": lambda: train.pipeline.prepare(held_out[..., ::-1]),
        "mean 255 times too large": lambda: right - 254 * mean,
        "sides exchanged": lambda: right.transpose(0, 1, 3, 2),
    }[fault]()
    session = ort.InferenceSession(SHAPES / "model" / "shapes.onnx", providers=["CPUExecutionProvider"])
    maps = [session.run(list(train.pipeline.HEADS), {"image": np.ascontiguousarray(x[None])}) for x in wrong]
    boxes = [train.pipeline.boxes([raw[0] for raw in one]) for one in maps]
    assert train.map50.mean_average_precision(truths, boxes) <= at_most * train.map50.mean_average_precision(
        truths, found
    )


def test_golden_vectors_are_the_models_own(train: Training, golden: dict[str, NDArray[np.generic]]) -> None:
    shapes = {name: (array.dtype.name, array.shape) for name, array in golden.items()}
    sides = ("score", "left", "top", "right", "bottom")
    assert shapes == {
        "input": ("uint8", (20, 96, 128, 3)),
        "output.p3": ("float32", (20, 11, 20, 20)),
        "output.p4": ("float32", (20, 11, 10, 10)),
        "output.p5": ("float32", (20, 11, 5, 5)),
        "record.class": ("int64", (20,)),
        "record.count": ("int64", (20,)),
        **{f"record.{field}": ("float32", (20,)) for field in sides},
    }
    assert (SHAPES / "data" / "golden.npz").stat().st_size < 2 << 20
    said = answers(train, golden["input"])
    for i, name in enumerate(train.pipeline.HEADS):
        now = np.stack([maps[i] for maps in said])
        np.testing.assert_allclose(golden[f"output.{name}"], now, atol=1e-3)
    records = [train.pipeline.record(train.pipeline.boxes(maps)) for maps in said]
    for field in ("class", "count"):
        assert golden[f"record.{field}"].tolist() == [record[field] for record in records]
    for field in sides:
        now = np.array([record[field] for record in records])
        np.testing.assert_allclose(golden[f"record.{field}"], now, rtol=1e-3, atol=1e-3)


def test_golden_vectors_show_something_and_hang_on_no_hair(
    train: Training, golden: dict[str, NDArray[np.generic]]
) -> None:
    assert len(set(golden["record.class"].tolist())) >= 5
    assert len(set(golden["record.count"].tolist())) >= 4
    maps = zip(*(golden[f"output.{name}"] for name in train.pipeline.HEADS), strict=True)
    assert all(train.data.decided(list(one)) for one in maps)


def test_pictures_are_the_scripts_and_in_one_set_only(
    train: Training, held_out: Images, golden: dict[str, NDArray[np.generic]]
) -> None:
    """The last place of a sine may round to another grey on another processor."""
    drawn = train.scenes.scene(train.data.SEED, train.data.VAL, 7).pixels
    assert np.abs(drawn.astype(int) - held_out[7]).max() <= 1
    calibration = [pixels(file) for file in sorted((SHAPES / "data" / "calib").glob("*.ppm"))]
    assert len(calibration) == 48
    every = {image.tobytes() for image in (*held_out, *calibration, *golden["input"])}
    assert len(every) == 60 + 48 + 20


def test_the_example_stays_small() -> None:
    parts = [SHAPES / name for name in ("data", "model", "src")]
    size = sum(file.stat().st_size for part in parts for file in part.rglob("*") if file.is_file())
    assert size < 8 << 20


def test_the_manifest_and_the_twin_agree_on_numbers(train: Training) -> None:
    manifest = yaml.safe_load((SHAPES / "edgepack.yaml").read_text())
    resize, normalize = manifest["pre"]
    assert resize["resize"]["size"] == [train.pipeline.SIDE, train.pipeline.SIDE]
    numbers = normalize["normalize"]
    assert np.float32(numbers["scale"]) == train.pipeline.SCALE
    np.testing.assert_array_equal(np.float32(numbers["mean"]), train.pipeline.MEAN)
    np.testing.assert_array_equal(np.float32(numbers["std"]), train.pipeline.STD)
    assert train.pipeline.CLASSES == train.scenes.CLASSES
    assert (train.scenes.HEIGHT, train.scenes.WIDTH) == train.pipeline.CAMERA


A, B, FAR = (0, 0, 10, 10), (0, 0, 10, 12), (50, 50, 60, 60)


@pytest.mark.parametrize(
    ("truths", "found", "expected"),
    [
        ([[(0, *A)]], [[(0, 0.9, *B)]], 1.0),
        ([[(0, *A)]], [[]], 0.0),
        ([[(0, *A)]], [[(1, 0.9, *A)]], 0.0),  # the right place, another class
        ([[(0, *A)]], [[(0, 0.9, *FAR), (0, 0.8, *A)]], 0.5),  # a worse one found first
        ([[(0, *A)]], [[(0, 0.9, *A), (0, 0.8, *B)]], 1.0),  # seen twice: costs nothing at full recall
        ([[(0, *A), (0, *FAR)]], [[(0, 0.9, *A)]], 0.5),
        ([[(0, *A)], [(0, *A)]], [[(0, 0.9, *A), (0, 0.8, *A)], [(0, 0.7, *A)]], 5 / 6),
        ([[(0, *A), (1, *FAR)]], [[(0, 0.9, *A)]], 0.5),  # the mean of classes
        ([[(0, *A)]], [[(0, 0.9, 0, 0, 10, 5)]], 1.0),  # an overlap of exactly one half is enough
        ([[(0, *A)], []], [[(0, 0.5, *A)], [(0, 0.9, *A)]], 0.5),  # where no truth is
    ],
)
def test_mean_average_precision_by_hand(
    train: Training,
    truths: list[list[tuple[float, ...]]],
    found: list[list[tuple[float, ...]]],
    expected: float,
) -> None:
    want = [np.array(rows, float).reshape(-1, 5) for rows in truths]
    said = [np.array(rows, float).reshape(-1, 6) for rows in found]
    assert train.map50.mean_average_precision(want, said) == pytest.approx(expected)


@pytest.mark.slow
def test_the_program_finds_what_onnx_runtime_finds(
    train: Training,
    labels: list[dict[str, str]],
    truths: list[NDArray[np.float64]],
    found: list[NDArray[np.float32]],
    tmp_path: Path,
    warm_cache: Path,
) -> None:
    """The bundle's own program, for this machine's kind of processor, on the held-out pictures."""
    target = {"x86_64": "x86_64", "aarch64": "aarch64"}[os.uname().machine]
    skipped = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock", "__pycache__", "train")
    shutil.copytree(SHAPES, tmp_path / "shapes", ignore=skipped)
    project = digits.Digits(tmp_path / "shapes", tmp_path / "home", warm_cache)
    project.temporary.mkdir(parents=True)
    project.said("build", target)
    release = tmp_path / "release"
    bundle = open_bundle(project.folder / "dist" / f"shapes@{target}")
    for file in bundle.files:
        place = release / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with bundle.open(file) as member:
            place.write_bytes(member.read())
        place.chmod(file.mode)
    done = run(command(release / "bin" / "shapes", "infer", *(VAL / row["file"] for row in labels)))
    assert done.ok, done.text()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    said = [np.array(answer["boxes"], np.float32).reshape(-1, 6) for answer in answers]
    score = train.map50.mean_average_precision(truths, said)
    assert score == pytest.approx(train.map50.mean_average_precision(truths, found), abs=1e-3)
    for ours, reference in zip(said, found, strict=True):
        assert ours.shape == reference.shape
        np.testing.assert_allclose(ours, reference, atol=1e-3)
