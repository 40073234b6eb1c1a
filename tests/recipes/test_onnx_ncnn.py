"""recipes/onnx-ncnn, for real: its own environment, pnnx, ncnn and ONNX Runtime."""

from __future__ import annotations

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

from .files import FILES, LENET

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "onnx-ncnn"

Convert = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def python() -> Path:
    return uv.environment(RECIPE / "requirements.txt", "3.11")


@pytest.fixture(scope="session")
def convert(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Convert:
    """Give a model file, get the report with ``folder`` added; nothing else may have been left in it."""

    def call(file: Path, precision: str = "fp32") -> dict[str, Any]:
        out = tmp_path_factory.mktemp("out")
        request = tmp_path_factory.mktemp("request") / "request.json"
        asked = {"model": str(file), "precision": precision, "options": {}, "out": str(out)}
        request.write_text(json.dumps(asked))
        done = run(command(python, "-I", RECIPE / "convert.py", request, timeout_s=300))
        assert done.ok, done.text()
        report: dict[str, Any] = json.loads((out / "report.json").read_text())
        left = {path.name for path in out.iterdir()}
        assert left == {"report.json", *report.get("files", [])}
        return report | {"folder": out}

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
        {"name": "in0", "tensor": "image", "shape": [1, 1, 28, 28], "dtype": "float32"}
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
    for name in (*lenet["files"], "report.json"):
        assert (again["folder"] / name).read_bytes() == (lenet["folder"] / name).read_bytes()


@dataclass(frozen=True)
class Case:
    """A file's name in ``files.FILES``, and what the report must say of it."""

    id: str
    kind: str = ""
    says: tuple[str, ...] = ()
    warns: str = ""
    layers: tuple[str, ...] = field(default=())


REFUSED = [
    # not ONNX, or not the whole of it
    Case("half of the file", "not-a-model", ("model.onnx is cut off", "bytes are missing")),
    Case("last byte missing", "not-a-model", ("model.onnx is cut off",)),
    Case("four bytes left", "not-a-model", ("model.onnx is cut off",)),
    Case("two bytes left", "not-a-model", ("model.onnx is cut off",)),
    Case("empty", "not-a-model", ("model.onnx is empty",)),
    Case("PyTorch", "not-a-model", ("not an ONNX file", "PyTorch checkpoint")),
    Case("Git LFS", "not-a-model", ("not an ONNX file", "git lfs pull")),
    Case("text", "not-a-model", ("not an ONNX file",)),
    Case("noise", "not-a-model", ("not an ONNX file",)),
    Case("a folder", "not-a-model", ("is not a file",)),
    Case("opset 99", "not-a-model", ("opset 99", "7 to 26")),
    Case("an input from nowhere", "not-a-model", ("not valid ONNX",)),
    Case("weights are no numbers", "not-a-model", ("weights n are not numbers",)),
    Case("weights of another size", "not-a-model", ("weights dense3.bias", "another size")),
    # weights in files of their own
    Case("external data not there", "not-a-model", ("keeps weights in weights.bin", "not beside it")),
    Case("external data cut off", "not-a-model", ("weights.bin is too short",)),
    Case("external data above the folder", "not-a-model", ("'../elsewhere'", "its own folder")),
    Case("external data anywhere", "not-a-model", ("'/etc/hostname'", "its own folder")),
    Case("external data by a link", "not-a-model", ("leads out of the model's folder",)),
    # operators
    Case("an operator of one's own", "unsupported-operator", ("acme::Frobnicate (node second)",)),
    Case("an operator of nobody's", "unsupported-operator", ("Frobnicate (node second)",)),
    Case("ncnn lacks it", "unsupported-operator", ("Det (node second)", "ncnn")),
    Case(
        "ncnn lacks two by other names",
        "unsupported-operator",
        ("Greater (node test)", "Where (node pick)"),
    ),
    Case("pnnx crashes", "converter-failed", ("ended by signal", "TopK (node second)")),
    # inputs and outputs
    Case("dynamic height", "unsupported-input", ("x [1, 3, height, 8]", "dynamic shape")),
    Case("batch of two", "unsupported-input", ("x [2, 3, 8, 8]", "batch of 1")),
    Case("larger than memory", "unsupported-input", ("larger than 1 GiB",)),
    Case("integers in", "unsupported-input", ("input x is uint8",)),
    Case("integers out", "unsupported-input", ("output y is int64",)),
    Case("computes no numbers", "parity", ("no finite number",)),
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
    Case("external data beside it", layers=("Convolution", "Input")),
    Case("open batch", warns="x: the open batch dimension was fixed to 1", layers=("Convolution", "Input")),
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
    assert run(command(python, "-I", RECIPE / "compare.py", *files, "fp32")).ok
    error = json.loads(answer.read_text())["error"]
    assert error["kind"] == "parity"
    assert "needed for fp32: cosine 0.9999" in error["detail"]


def test_the_lock_brings_no_torch_and_names_no_host() -> None:
    lock = (RECIPE / "requirements.txt").read_text()
    pins = re.findall(r"^([a-z-]+)==", lock, re.MULTILINE)
    assert set(pins) >= {"pnnx", "ncnn", "onnx", "onnxruntime", "numpy"}
    assert not {p for p in pins if p.startswith(("torch", "nvidia", "triton"))}
    assert "://" not in lock
    blocks = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_recipe_and_its_code_agree_on_opsets() -> None:
    opsets = recipes.load_all(None)["onnx-ncnn"].about.opsets
    assert opsets is not None
    assert f"OPSETS = range({opsets.min}, {opsets.max + 1})" in (RECIPE / "check.py").read_text()
