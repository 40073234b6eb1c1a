"""recipes/onnx-tvm, for real: its own environment, TVM, zig's linker and ONNX Runtime."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from edgepack.convert.errors import ConvertError

from . import nets
from .files import conv, node
from .trying import Told, Trial, ill_formed, refused_models

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("onnx-tvm", tmp_path_factory.mktemp("tvm"))


@pytest.fixture(scope="module")
def digits() -> dict[str, nets.Floats]:
    return {"image": nets.digits()[:16]}


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.99999), ("fp16", 0.9999)])
def test_lenet(trial: Trial, digits: dict[str, nets.Floats], precision: str, least: float) -> None:
    result = trial.convert(nets.LENET, precision, target="x86_64")
    report = result.report
    assert report["files"] == ["model.so"]
    assert report["inputs"] == [
        {"name": "image", "tensor": "image", "shape": [1, 1, 28, 28], "dtype": "float32", "layout": "NCHW"}
    ]
    assert report["outputs"] == [{"name": "logits", "tensor": "logits", "shape": [1, 10]}]
    assert report["operators"] == {"Conv": 2, "Flatten": 1, "Gemm": 3, "MaxPool": 2, "Relu": 4}
    assert {"relax.nn.conv2d", "relax.matmul"} <= set(report["layers"])
    assert ("relax.astype" in report["layers"]) == (precision == "fp16")
    assert report["warnings"] == []
    assert result.least_cosine(digits)["logits"] >= least
    assert trial.convert(nets.LENET, precision, target="x86_64").bytes_of() == result.bytes_of()


@pytest.mark.parametrize(
    ("arch", "bits", "machine"), [("aarch64", 2, 183), ("armhf", 1, 40), ("riscv64", 2, 243)]
)
def test_another_processor_gets_its_own_code(
    trial: Trial, tmp_path: Path, arch: str, bits: int, machine: int
) -> None:
    """EI_CLASS and e_machine as in elf.h; that the code was not run is said."""
    result = trial.convert(nets.branches(tmp_path), target="some-board", options={"arch": arch})
    head = result.bytes_of()["model.so"][:20]
    assert head[:4] == b"\x7fELF"
    assert (head[4], struct.unpack("<H", head[18:20])[0]) == (bits, machine)
    assert f"the code for {arch} was not run" in result.report["warnings"][0]


def test_branches(trial: Trial, tmp_path: Path) -> None:
    data = {"images": np.random.default_rng(3).random((4, 3, 32, 32), dtype=np.float32)}
    found = trial.convert(nets.branches(tmp_path), target="x86_64").least_cosine(data)
    assert set(found) == {"near", "far"}
    assert min(found.values()) > 0.999999


TOLD = {
    "det": Told(ConvertError, "TVM has nothing for Det (node second)", "other operators"),
    **ill_formed("7 to 26"),
}


@pytest.mark.parametrize("which", TOLD)
def test_what_users_are_told(trial: Trial, tmp_path: Path, which: str) -> None:
    files = refused_models(tmp_path, det=conv(node("Det", "c"), y=("y", 1, (1, 4))))
    TOLD[which].of(trial.refusal(files[which], target="x86_64"))


def test_a_target_of_unknown_architecture(trial: Trial) -> None:
    refused = trial.refusal(nets.LENET, target="some-board")
    assert "some-board does not say for which processor" in refused.what
    assert "aarch64" in refused.fix


def test_the_program_and_the_declaration_agree_on_opsets(trial: Trial) -> None:
    assert trial.opsets_written() in trial.program()
