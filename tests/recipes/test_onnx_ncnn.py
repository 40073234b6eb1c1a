"""recipes/onnx-ncnn, for real: its own environment, pnnx, ncnn and ONNX Runtime, on prepared models."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.catalog import recipes
from edgepack.tools import uv
from edgepack.tools.runner import command, run

from . import asked
from .files import FILES, LENET
from .nets import branches, digits

RECIPE = asked.RECIPES / "onnx-ncnn"

Convert = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def python() -> Path:
    return uv.environment(RECIPE / "requirements.txt", "3.11")


@functools.cache
def prepare(file: Path) -> dict[str, Any]:
    return asked.convert("onnx", file)


@pytest.fixture(scope="session")
def convert() -> Convert:
    """Give a model file: it is prepared as in a build, then converted; the report, with ``folder`` added."""

    def call(file: Path, precision: str = "fp32", **rest: Any) -> dict[str, Any]:
        prepared = prepare(file)
        assert prepared["ok"], prepared
        return asked.convert("onnx-ncnn", prepared["folder"] / "model.onnx", precision, **rest)

    return call


@pytest.fixture(scope="session")
def lenet(convert: Convert) -> dict[str, Any]:
    return convert(LENET)


@pytest.mark.parametrize(("precision", "least", "bytes_each"), [("fp32", 0.9999, 4), ("fp16", 0.999, 2)])
def test_lenet_computes_what_was_trained(
    convert: Convert, lenet: dict[str, Any], precision: str, least: float, bytes_each: int
) -> None:
    report = lenet if precision == "fp32" else convert(LENET, precision)
    assert report["ok"], report
    assert report["files"] == ["model.param", "model.bin"]
    assert report["inputs"] == [
        {"name": "in0", "tensor": "image", "shape": [1, 1, 28, 28], "dtype": "float32", "layout": "NCHW"}
    ]
    assert report["outputs"] == [{"name": "out0", "tensor": "logits", "shape": [1, 10]}]
    assert report["operators"] == {"Conv": 2, "Flatten": 1, "Gemm": 3, "MaxPool": 2, "Relu": 4}
    assert report["layers"] == ["Convolution", "Flatten", "InnerProduct", "Input", "Pooling"]
    assert report["parity"]["logits"]["ok"]
    assert report["parity"]["logits"]["cosine_min"] >= least
    assert report["tool"] == {"name": "pnnx", "version": "20261020"}
    assert report["warnings"] == []
    assert (report["folder"] / "model.param").read_text().startswith("7767517\n")
    weights = (report["folder"] / "model.bin").stat().st_size
    assert 0 <= weights - 61_706 * bytes_each < 1000


def test_the_same_bytes_twice(convert: Convert, lenet: dict[str, Any]) -> None:
    assert recipes.load_all(None)["onnx-ncnn"].about.reproducible
    again = convert(LENET)
    assert again["folder"] != lenet["folder"]
    for name in lenet["files"]:
        assert (again["folder"] / name).read_bytes() == (lenet["folder"] / name).read_bytes()
    assert asked.said(again) == asked.said(lenet)


@dataclass(frozen=True)
class Case:
    """A file's name in ``files.FILES``, and what the report must say of it."""

    id: str
    kind: str = ""
    says: tuple[str, ...] = ()
    warns: str = ""
    layers: tuple[str, ...] = field(default=())


REFUSED = [
    Case("ncnn lacks it", "unsupported-operator", ("Det (node second)", "ncnn")),
    Case(
        "ncnn lacks two by other names",
        "unsupported-operator",
        ("Greater (node test)", "Where (node pick)"),
    ),
    Case("pnnx crashes", "converter-failed", ("ended by SIGSEGV", "TopK (node second)")),
    Case("integers in", "unsupported-input", ("input x is uint8",)),
    Case("integers out", "unsupported-input", ("output y is int64",)),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_refused_with_its_reason_and_nothing_left(convert: Convert, tmp_path: Path, case: Case) -> None:
    report = convert(FILES[case.id](tmp_path))
    assert not report["ok"], report
    error = report["error"]
    assert error["kind"] == case.kind, error
    told = " ".join(str(error[k]) for k in ("what", "why", "fix"))
    for words in case.says:
        assert words in told
    known = [
        e for e in recipes.load_all(None)["onnx-ncnn"].about.errors if re.search(e.match, error["detail"])
    ]
    assert error["fix"] or error["why"] or known


CONVERTED = [
    Case("read only without its defaults", layers=("Convolution", "Input", "SELU")),
    Case("read only with its defaults", layers=("Convolution", "Input", "Padding")),
    Case("two in two out", layers=("Input", "ReLU", "Sigmoid")),
]


@pytest.mark.parametrize("case", CONVERTED, ids=lambda case: case.id)
def test_converted_and_compared(convert: Convert, tmp_path: Path, case: Case) -> None:
    report = convert(FILES[case.id](tmp_path))
    assert report["ok"], report["error"]
    assert tuple(report["layers"]) == case.layers
    assert all(parity["ok"] for parity in report["parity"].values())
    assert {o["tensor"] for o in report["outputs"]} == set(report["parity"])
    assert case.warns in " ".join(report["warnings"])


def test_blobs_are_named_after_the_models_own_order(convert: Convert, tmp_path: Path) -> None:
    report = convert(FILES["two in two out"](tmp_path))
    assert [(i["name"], i["tensor"]) for i in report["inputs"]] == [("in0", "large"), ("in1", "small")]
    assert [(o["name"], o["tensor"]) for o in report["outputs"]] == [("out0", "s"), ("out1", "l")]


def test_one_changed_weight_does_not_pass(lenet: dict[str, Any], python: Path, tmp_path: Path) -> None:
    """The comparison itself, on files that pnnx wrote and somebody changed."""
    weights = bytearray((lenet["folder"] / "model.bin").read_bytes())
    weights[4:8] = np.array([9.0], np.float32).tobytes()  # the first weight, after the type tag
    changed, answer = tmp_path / "model.bin", tmp_path / "answer.json"
    changed.write_bytes(weights)
    files = (LENET, lenet["folder"] / "model.param", changed, answer)
    kit = {"PYTHONPATH": str(asked.RECIPES / "kit")}
    assert run(command(python, RECIPE / "compare.py", *files, "fp32", env=kit)).ok
    error = json.loads(answer.read_text())["error"]
    assert error["kind"] == "parity"
    assert "needed for fp32: cosine 0.9999" in error["detail"]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """32 images for calibration and 32 others to look at."""
    folder = tmp_path_factory.mktemp("data")
    images = digits()
    for name, part in (("calibration", images[::2]), ("seen", images[1::2])):
        np.savez(folder / f"{name}.npz", image=part)
    return {name: folder / f"{name}.npz" for name in ("calibration", "seen")}


@pytest.mark.parametrize(
    ("method", "keep"),
    [("kl", ()), ("minmax", ()), ("percentile", ()), ("minmax", ("conv1", "dense3", "relu2"))],
)
def test_int8_computes_what_was_trained(
    convert: Convert, data: dict[str, Path], method: str, keep: tuple[str, ...]
) -> None:
    calibration, quantisation = str(data["calibration"]), {"method": method}
    report = convert(LENET, "int8", calibration=calibration, quantisation=quantisation, keep=keep)
    assert report["ok"], report
    assert report["kept"] == list(keep)
    assert report["quantised"] == (3 if keep else 5)
    assert set(report["layers"]) >= {"Quantize", "Dequantize", "Requantize"}  # the box's library needs them
    weights = (report["folder"] / "model.bin").stat().st_size
    assert weights < 0.27 * LENET.stat().st_size
    lines = (report["folder"] / "model.param").read_text().splitlines()
    marked = [line.split()[0] for line in lines if re.search(r" 8=[12]\b", line)]
    assert len(marked) == report["quantised"]
    wanted = asked.compute("onnx", prepare(LENET), data["seen"], ("*",))
    given = asked.compute("onnx-ncnn", report, data["seen"], ("*",))
    assert (given["logits"].argmax(1) == wanted["logits"].argmax(1)).all()
    for name, least in (("logits", 0.999), ("tap:pool1", 0.999), ("tap:relu3", 0.999)):
        assert asked.cosines(given[name], wanted[name]).min() >= least


def test_tensors_inside_are_named_as_in_the_model(convert: Convert, tmp_path: Path) -> None:
    """Only those whose numbers are the same: pnnx takes the batch norm, ReLUs and SiLUs into other layers."""
    model = branches(tmp_path)
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "in.npz", images=rng.random((3, 3, 32, 32), dtype=np.float32))
    report = convert(model)
    assert {"act", "sum", "far", "near", "both"} <= set(report["taps"])
    assert "stem" not in report["taps"]
    wanted = asked.compute("onnx", prepare(model), tmp_path / "in.npz", ("*",))
    given = asked.compute("onnx-ncnn", report, tmp_path / "in.npz", ("*",))
    assert {name.removeprefix("tap:") for name in given if name.startswith("tap:")} == set(report["taps"])
    for name, value in given.items():
        assert value.shape == wanted[name].shape
        assert np.allclose(value, wanted[name], atol=1e-3), name


def test_a_layer_is_kept_though_a_batch_norm_went_into_it(convert: Convert, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "in.npz", images=rng.random((3, 3, 32, 32), dtype=np.float32))
    kept = ("stem", "head")
    report = convert(branches(tmp_path), "int8", calibration=str(tmp_path / "in.npz"), keep=kept)
    assert report["ok"], report
    assert (report["kept"], report["quantised"]) == (list(kept), 2)
    lines = (report["folder"] / "model.param").read_text().splitlines()
    rounded = [line for line in lines if line.startswith("Convolution") and " 8=" in line]
    assert [re.search(r" 0=(\d+)", line)[1] for line in rounded] == ["8", "8"]  # type: ignore[index]
    unknown = convert(branches(tmp_path), "int8", calibration=str(tmp_path / "in.npz"), keep=["nothing"])
    assert "no node nothing" in unknown["error"]["what"]


def test_the_lock_brings_no_torch_and_names_no_host() -> None:
    lock = (RECIPE / "requirements.txt").read_text()
    pins = re.findall(r"^([a-z-]+)==", lock, re.MULTILINE)
    assert set(pins) >= {"pnnx", "ncnn", "onnx", "onnxruntime", "numpy"}
    assert not {p for p in pins if p.startswith(("torch", "nvidia", "triton"))}
    assert "://" not in lock
    blocks = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
