"""recipes/torchscript-onnx and recipes/torch-exported-onnx, for real: PyTorch, and ONNX Runtime beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgepack.convert.errors import ConvertError, ModelError
from edgepack.errors import EdgepackError
from tests import digits

from .imports.holding import NETS, hold, recorded
from .trying import Trial

pytestmark = pytest.mark.heavy

OUTPUTS = {"output0": [1, 6, 16, 16], "output1": [1, 5]}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("torchscript-onnx", tmp_path_factory.mktemp("torchscript"))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("torch-exported-onnx", tmp_path_factory.mktemp("torch-exported"))


def test_a_traced_module_with_the_shape_it_was_traced_with(script: Trial) -> None:
    result = script.convert(NETS / "torch.pt")
    said = recorded("torch.npz")
    assert result.report["inputs"] == [
        {"name": "images", "tensor": "images", "shape": [1, 3, 32, 32], "dtype": "float32"}
    ]
    assert {o["name"]: o["shape"] for o in result.report["outputs"]} == OUTPUTS
    assert result.report["opset"] == script.recipe.about.opsets.max
    assert {"Conv", "PRelu", "Concat", "Resize", "Add", "Gemm", "Softmax"} <= set(result.report["operators"])
    hold(result, {"images": said["images"]}, {name: said[name] for name in OUTPUTS})
    assert script.convert(NETS / "torch.pt").bytes_of() == result.bytes_of()


def test_names_and_shapes_said_in_the_archive(script: Trial) -> None:
    result = script.convert(NETS / "torch-said.pt")
    said = recorded("torch.npz")
    hold(result, {"photo": said["images"]}, {"boxes": said["output0"], "classes": said["output1"]})


@pytest.mark.parametrize(
    ("file", "kind", "what", "words"),
    [
        ("torch-weights.pt", ModelError, "weights without the network's code", "state_dict"),
        ("torch-module.pt", ModelError, "weights without the network's code", "pickled module"),
        ("torch-shapeless.pt", ModelError, "nothing says which shape", "edgepack.json"),
        ("torch.pt2", ModelError, "exported program, no TorchScript", ".pt2"),
        ("cut", ModelError, "cut off", "torch.jit.trace"),
    ],
)
def test_what_users_are_told(
    script: Trial, tmp_path: Path, file: str, kind: type[EdgepackError], what: str, words: str
) -> None:
    model = NETS / file
    if file == "cut":
        model = tmp_path / "cut.pt"
        model.write_bytes((NETS / "torch.pt").read_bytes()[:9000])
    refused = script.refusal(model)
    assert isinstance(refused, kind)
    assert what in refused.what
    assert words in refused.why + refused.fix


def test_another_shape_than_the_module_takes(script: Trial) -> None:
    refused = script.refusal(NETS / "torch.pt", options={"shapes": {"images": [1, 4, 32, 32]}})
    assert isinstance(refused, ConvertError)
    assert "images [1, 4, 32, 32]" in refused.what
    assert "check the shape" in refused.fix
    assert '{"inputs": {"images": [1, 3, 224, 224]}}' in refused.fix


def test_a_shape_said_in_the_manifest_reaches_the_import(tmp_path: Path) -> None:
    project = digits.copy(tmp_path / "net", digits.fresh_cache(tmp_path / "kept"))
    shutil.copyfile(NETS / "torch-shapeless.pt", project.folder / "net.pt")
    text = "name: net\nversion: 1.0.0\nmodel:\n  file: net.pt\ntargets: {x86_64: {}}\n"
    (project.folder / "edgepack.yaml").write_text(text)
    refused = project.run("check", "x86_64")
    assert (refused.code, "model.shapes: {images: [1, 3, 224, 224]}`" in refused.err) == (4, True), refused
    project.rewrite("edgepack.yaml", "net.pt\n", "net.pt\n  shapes: {images: [1, 3, 32, 32]}\n")
    assert project.said("check", "x86_64")["targets"].keys() == {"x86_64"}


def test_an_exported_program(exported: Trial) -> None:
    result = exported.convert(NETS / "torch.pt2")
    said = recorded("torch.npz")
    assert {o["name"]: o["shape"] for o in result.report["outputs"]} == OUTPUTS
    assert result.report["opset"] == exported.recipe.about.opsets.max
    hold(result, {"images": said["images"]}, {name: said[name] for name in OUTPUTS})


def test_a_torchscript_file_called_pt2(exported: Trial, tmp_path: Path) -> None:
    model = tmp_path / "net.pt2"
    model.write_bytes((NETS / "torch.pt").read_bytes())
    refused = exported.refusal(model)
    assert isinstance(refused, ModelError)
    assert "TorchScript" in refused.what
    assert "torchscript" in refused.fix
