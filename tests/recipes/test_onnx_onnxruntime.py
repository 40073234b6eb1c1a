"""recipes/onnx-onnxruntime, for real, on the trained digits model: all precisions, computed on this host."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgepack.catalog import recipes

from .asked import Floats, Report, compute, convert, cosines
from .files import LENET, conv, node
from .nets import branches, digits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def prepared() -> Path:
    folder: Path = convert("onnx", LENET)["folder"]
    return folder / "model.onnx"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """32 images for calibration and 32 others to look at."""
    folder = tmp_path_factory.mktemp("data")
    images = digits()
    for name, part in (("calibration", images[::2]), ("seen", images[1::2])):
        np.savez(folder / f"{name}.npz", image=part)
    return {name: folder / f"{name}.npz" for name in ("calibration", "seen")}


@pytest.fixture(scope="session")
def wanted() -> Floats:
    with np.load(LENET.parents[1] / "data" / "golden.npz") as golden:
        return np.asarray(golden["output.logits"][1::2], np.float32)


@dataclass(frozen=True)
class Case:
    """least: cosine of every sample. share: of the fp32 file's size. holds: operators that must be there."""

    precision: str
    least: float
    share: float
    holds: tuple[str, ...] = ()
    quantisation: dict[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()


SYMMETRIC = {"scheme": "symmetric", "granularity": "per-tensor", "method": "percentile"}
QDQ = ("QuantizeLinear", "DequantizeLinear")
CASES = [
    Case("fp32", 0.99999, 1.01),
    Case("fp16", 0.9999, 0.52, ("Cast",)),
    Case("int8", 0.99, 0.32, QDQ),
    Case("int8", 0.99, 0.32, QDQ, SYMMETRIC),
    Case("int8", 0.99, 0.32, QDQ, {"method": "kl"}),
    Case("int8", 0.999, 0.32, QDQ, keep=("conv1", "dense3")),
    Case("int8-dynamic", 0.999, 0.3, ("ConvInteger", "MatMulInteger")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.precision} {c.quantisation} {c.keep}")
def test_each_precision_computes_what_was_trained(
    prepared: Path, data: dict[str, Path], wanted: Floats, case: Case
) -> None:
    report = convert(
        *("onnx-onnxruntime", prepared, case.precision),
        calibration=str(data["calibration"]) if case.precision == "int8" else None,
        quantisation=case.quantisation,
        keep=case.keep,
    )
    assert report["ok"], report
    assert (report["folder"] / "model.onnx").stat().st_size < case.share * LENET.stat().st_size
    assert set(case.holds) <= set(report["operators_after"])
    assert report["kept"] == list(case.keep)
    assert [(i["tensor"], i["dtype"]) for i in report["inputs"]] == [("image", "float32")]
    assert [(o["tensor"], o["shape"]) for o in report["outputs"]] == [("logits", [1, 10])]
    given = compute("onnx-onnxruntime", report, data["seen"], ("pool1", "pool2"))
    assert cosines(given["logits"], wanted).min() >= case.least
    assert (given["logits"].argmax(1) == wanted.argmax(1)).all()
    assert given["tap:pool2"].shape == (32, 16, 5, 5)


def test_taps_of_int8_are_what_the_next_layer_sees(prepared: Path, data: dict[str, Path]) -> None:
    """The quantiser takes a ReLU into the rounding after it: the tensor of that name has no ReLU any more."""
    whole = compute("onnx", convert("onnx", LENET), data["seen"], ("relu1", "relu3"))
    report = convert("onnx-onnxruntime", prepared, "int8", calibration=str(data["calibration"]))
    taps = compute("onnx-onnxruntime", report, data["seen"], ("*",))
    for name in ("tap:relu1", "tap:relu3"):
        assert taps[name].min() >= 0
        assert cosines(taps[name], whole[name]).min() > 0.999


def test_nodes_kept_in_floating_point_are_not_rounded(tmp_path: Path) -> None:
    """On a net with a batch norm, which optimising takes into the convolution before it."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "in.npz", images=rng.random((8, 3, 32, 32), dtype=np.float32))
    report = convert(
        *("onnx-onnxruntime", branches(tmp_path), "int8"),
        calibration=str(tmp_path / "in.npz"),
        keep=("stem", "down"),
    )
    assert report["ok"], report
    graph = onnx.load(report["folder"] / "model.onnx").graph
    rounded = {o for node in graph.node if node.op_type == "DequantizeLinear" for o in node.output}
    weighted = {node.name: node.input[1] in rounded for node in graph.node if node.op_type == "Conv"}
    assert sorted(weighted.values()) == [False, False, True, True]
    assert "BatchNormalization" not in report["operators_after"]


def test_a_constant_that_two_nodes_take_is_cast_once(tmp_path: Path) -> None:
    """As PyTorch exports a neck that is sized up twice; the float16 converter adds two casts of one name."""
    sizes = onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32))
    built = conv(
        node("Constant", into="sizes", name="sizes", value=sizes),
        node("Resize", "c", "", "sizes", into="up", name="up", mode="nearest"),
        node("Resize", "up", "", "sizes", mode="nearest"),
        y=("y", onnx.TensorProto.FLOAT, (1, 4, 32, 32)),
    )
    onnx.save(built, tmp_path / "model.onnx")
    np.savez(tmp_path / "in.npz", x=np.random.default_rng(0).random((2, 3, 8, 8), dtype=np.float32))
    whole = convert("onnx", tmp_path / "model.onnx")
    assert whole["macs"] == 4 * 8 * 8 * 27
    half = convert("onnx-onnxruntime", whole["folder"] / "model.onnx", "fp16")
    assert half["ok"], half
    wanted = compute("onnx", whole, tmp_path / "in.npz")
    given = compute("onnx-onnxruntime", half, tmp_path / "in.npz")
    assert cosines(given["y"], wanted["y"]).min() > 0.9999


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"precision": "int4"}, "ONNX Runtime has no int4"),
        ({"precision": "int8"}, "int8 needs calibration data"),
        ({"precision": "fp16", "keep": ["nothing"]}, "the model has no node nothing"),
    ],
    ids=["precision", "no data", "no such node"],
)
def test_what_cannot_be_done_is_said(prepared: Path, asked: dict[str, object], says: str) -> None:
    report = convert("onnx-onnxruntime", prepared, **asked)  # type: ignore[arg-type]
    assert says in report["error"]["what"]


def test_the_same_bytes_twice(prepared: Path, data: dict[str, Path]) -> None:
    about = recipes.load_all(None)["onnx-onnxruntime"].about
    assert about.reproducible
    for precision in about.precisions:
        calibration = str(data["calibration"]) if precision.calibration else None
        first, second = (_bytes(prepared, precision.name, calibration) for _ in range(2))
        assert first == second


def _bytes(model: Path, precision: str, calibration: str | None) -> bytes:
    report: Report = convert("onnx-onnxruntime", model, precision, calibration=calibration)
    return bytes((report["folder"] / "model.onnx").read_bytes())
