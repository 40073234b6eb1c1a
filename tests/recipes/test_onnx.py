"""recipes/onnx, for real: what every model goes through first, and the reference that all are held to."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgepack.catalog import recipes
from edgepack.tools import uv
from edgepack.tools.runner import command, run

from . import asked
from .asked import RECIPES, Report, compute, convert
from .files import FILES, LENET
from .nets import DIGITS, branches, digits

RECIPE = RECIPES / "onnx"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def lenet() -> Report:
    return convert("onnx", LENET)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("images") / "image.npz"
    np.savez(file, image=digits())
    return file


def test_lenet_is_described(lenet: Report) -> None:
    assert lenet["ok"], lenet
    assert lenet["files"] == ["model.onnx"]
    assert lenet["inputs"] == [
        {"name": "image", "tensor": "image", "shape": [1, 1, 28, 28], "dtype": "float32"}
    ]
    assert lenet["outputs"] == [{"name": "logits", "tensor": "logits", "shape": [1, 10], "dtype": "float32"}]
    assert lenet["operators"] == {"Conv": 2, "Flatten": 1, "Gemm": 3, "MaxPool": 2, "Relu": 4}
    assert lenet["opset"] == 13
    assert lenet["parameters"] == 61_706  # LeCun et al. 1998, with its layers fully connected
    assert lenet["macs"] == 28 * 28 * 6 * 25 + 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10
    assert lenet["nodes"]["Conv"] == ["conv1", "conv2"]
    assert lenet["tensors"]["pool2"] == [1, 16, 5, 5]
    assert (lenet["changes"], lenet["warnings"]) == ([], [])


def test_the_reference_computes_what_the_training_wrote_down(lenet: Report, images: Path) -> None:
    found = compute("onnx", lenet, images, ("pool1", "nowhere"))
    with np.load(LENET.parents[1] / "data" / "golden.npz") as golden:
        assert np.abs(found["logits"] - golden["output.logits"]).max() < 1e-4
    assert set(found) == {"logits", "tap:pool1"}
    assert found["tap:pool1"].shape == (64, 6, 14, 14)
    everything = compute("onnx", lenet, images, ("*",))
    assert {f"tap:{name}" for name in lenet["tensors"]} - set(everything) == {"tap:image"}
    assert np.array_equal(everything["tap:pool1"], found["tap:pool1"])


@dataclass(frozen=True)
class Case:
    """A file's name in ``files.FILES``, and what the report must say of it."""

    id: str
    kind: str = ""
    says: tuple[str, ...] = ()


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
    # inputs and outputs
    Case(
        "dynamic height",
        "unsupported-input",
        (
            *("x [1, 3, height, 8]", "dynamic shape", "`model.shapes: {x: [1, 3, …, 8]}`"),
            *("torch.onnx.export", "tf2onnx", "keras.Input"),
        ),
    ),
    Case("batch of two", "unsupported-input", ("x [2, 3, 8, 8]", "batch of 1")),
    Case("larger than memory", "unsupported-input", ("larger than 1 GiB",)),
    Case("computes no numbers", "parity", ("no finite number",)),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_refused_with_its_reason_and_nothing_left(tmp_path: Path, case: Case) -> None:
    report = convert("onnx", FILES[case.id](tmp_path))
    assert not report["ok"], report
    error = report["error"]
    assert error["kind"] == case.kind, error
    told = " ".join(str(error[k]) for k in ("what", "why", "fix"))
    for words in case.says:
        assert words in told
    assert error["fix"] or error["why"]


def test_weights_beside_the_model_are_taken_in(tmp_path: Path) -> None:
    report = convert("onnx", FILES["external data beside it"](tmp_path))
    assert report["ok"], report
    alone = onnx.load(report["folder"] / "model.onnx", load_external_data=False)
    assert numpy_helper.to_array(alone.graph.initializer[0]).shape == (4, 3, 3, 3)
    assert all(not weight.external_data for weight in alone.graph.initializer)


def test_an_open_batch_becomes_one_and_other_sizes_are_the_users_to_give(tmp_path: Path) -> None:
    batch = convert("onnx", FILES["open batch"](tmp_path))
    assert batch["inputs"][0]["shape"] == [1, 3, 8, 8]
    assert batch["outputs"][0]["shape"] == [1, 4, 8, 8]
    assert batch["warnings"] == ["x: the open batch dimension was fixed to 1"]
    height = FILES["dynamic height"](tmp_path)
    given = convert("onnx", height, options={"shapes": {"x": [1, 3, 16, 8]}})
    assert given["tensors"] == {"x": [1, 3, 16, 8], "c": [1, 4, 16, 8], "y": [1, 4, 16, 8]}
    wrong = convert("onnx", height, options={"shapes": {"x": [1, 5, 16, 8]}})
    assert wrong["error"]["what"] == "the input x cannot have the shape [1, 5, 16, 8]"


def test_a_size_that_the_layers_do_not_fit_is_the_shapes_fault_and_not_the_models(tmp_path: Path) -> None:
    model = onnx.load(str(DIGITS.parent / "shapes/model/shapes.onnx"))
    for axis, name in ((2, "h"), (3, "w")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    onnx.save(model, tmp_path / "open.onnx")
    wrong = convert("onnx", tmp_path / "open.onnx", options={"shapes": {"image": [1, 3, 150, 160]}})
    assert "that model.shapes says (image: [1, 3, 150, 160])" in wrong["error"]["what"]
    assert "multiples of 32" in wrong["error"]["fix"]
    assert convert("onnx", tmp_path / "open.onnx", options={"shapes": {"image": [1, 3, 160, 160]}})["ok"]


def test_integers_are_allowed_and_told(tmp_path: Path) -> None:
    for name, side, dtype in (("integers in", "inputs", "uint8"), ("integers out", "outputs", "int64")):
        report = convert("onnx", FILES[name](tmp_path))
        assert report[side][0]["dtype"] == dtype


OPTIONS = [
    ({"simplify": True}, ["simplified by onnxslim"], 13),
    ({"opset": 18}, ["opset 13 to 18 by onnx version converter"], 18),
    ({"opset": 11}, ["opset 13 to 11 by restating it"], 11),  # ONNX's converter knows no way back for Resize
    ({"strip_defaults": True}, ["attributes at their defaults left out"], 13),
    ({"simplify": True, "opset": 17}, ["simplified by onnxslim", "opset 13 to 17"], 17),
]


@pytest.mark.parametrize(("options", "done", "opset"), OPTIONS, ids=lambda value: str(value)[:30])
def test_changes_change_no_number(
    tmp_path: Path, options: dict[str, object], done: list[str], opset: int
) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "in.npz", images=rng.random((3, 3, 32, 32), dtype=np.float32))
    model = branches(tmp_path)
    before = convert("onnx", model)
    after = convert("onnx", model, options=options)
    assert after["ok"], after
    assert len(after["done"]) == len(done)
    assert all(words in said for words, said in zip(done, after["done"], strict=True))
    assert after["opset"] == opset
    wanted, given = (compute("onnx", report, tmp_path / "in.npz") for report in (before, after))
    assert all(np.allclose(given[name], wanted[name], atol=1e-4) for name in ("near", "far"))


def test_pruning_zeroes_the_smallest_of_each_layer_and_says_what_it_saves() -> None:
    report = convert("onnx", LENET, options={"prune": {"magnitude": 0.3}})
    (change,) = report["changes"]
    assert change["weights"] == 61_470
    assert change["zeros"] == sum(layer["zeros"] for layer in change["layers"]) == int(0.3 * 61_470)
    before, after = change["gzip"]
    assert after < 0.8 * before
    trained, pruned = (
        {w.name: numpy_helper.to_array(w) for w in onnx.load(file).graph.initializer}
        for file in (LENET, report["folder"] / "model.onnx")
    )
    for name, values in trained.items():
        gone = pruned[name] == 0
        assert np.array_equal(pruned[name][~gone], values[~gone])
        if gone.any():
            assert np.abs(values[gone]).max() <= np.abs(values[~gone]).min()
    wrong = convert("onnx", LENET, options={"prune": {"magnitude": 1.5}})
    assert "between 0 and 1" in wrong["error"]["what"]


def test_the_parts_of_a_split_follow_one_another(lenet: Report, images: Path, tmp_path: Path) -> None:
    before, after = (
        convert("onnx", LENET, options={"split": {"at": "flatten1", "part": part}})
        for part in ("before", "after")
    )
    assert [o["name"] for o in before["outputs"]] == [i["name"] for i in after["inputs"]] == ["flatten1"]
    assert before["operators"] == {"Conv": 2, "Flatten": 1, "MaxPool": 2, "Relu": 2}
    middle = compute("onnx", before, images)
    np.savez(tmp_path / "middle.npz", **middle)
    whole = compute("onnx", lenet, images)
    assert np.allclose(compute("onnx", after, tmp_path / "middle.npz")["logits"], whole["logits"], atol=1e-4)


NOT_SPLIT = {
    "logit": ("no node of the model makes it", "near it: logits"),
    "nothing like it": ("no node of the model makes it", "one tensor alone crosses at "),
    "image": ("it is an input", "one tensor alone crosses at conv1"),
    "conv1.weight": ("it is a weight", "one tensor alone crosses at conv1"),
    "logits": ("nothing comes after it", "between two layers"),
}


@pytest.mark.parametrize("at", NOT_SPLIT)
def test_a_tensor_that_does_not_separate_is_refused(at: str) -> None:
    error = convert("onnx", LENET, options={"split": {"at": at, "part": "before"}})["error"]
    why, fix = NOT_SPLIT[at]
    assert (why in error["why"], fix in error["fix"]) == (True, True), error


def test_all_that_crosses_a_split_is_named(tmp_path: Path) -> None:
    report = convert("onnx", branches(tmp_path), options={"split": {"at": "far", "part": "after"}})
    assert report["changes"][0]["crossing"] == ["far", "sum"]
    assert {i["name"] for i in report["inputs"]} == {"far", "sum"}
    (told,) = report["warnings"]
    assert told.startswith("split at far: sum also cross from the first part to the second; one tensor ")
    for name in told.partition("crosses at ")[2].split(" or "):
        again = convert("onnx", branches(tmp_path), options={"split": {"at": name, "part": "after"}})
        assert (again["changes"][0]["crossing"], again["warnings"]) == ([name], [])


def test_layers_are_ranked_by_what_each_alone_costs(lenet: Report, images: Path, tmp_path: Path) -> None:
    model = onnx.load(lenet["folder"] / "model.onnx")
    weight = next(w for w in model.graph.initializer if w.name == model.graph.node[3].input[1])
    values = numpy_helper.to_array(weight).copy()
    values[:, 0, 0, 0] = 40 * np.abs(values).max()  # one large number takes 8 bits from all others
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    spoilt = tmp_path / "spoilt.onnx"
    onnx.save(model, spoilt)
    for metric in ("rms", "cosine"):
        options = {"sensitivity": {"metric": metric, "samples": 4}}
        report = convert("onnx", spoilt, "int8", options=options, calibration=str(images))
        assert report["ok"], report
        assert report["ranking"][0]["node"] == model.graph.node[3].name == "conv2"
        assert len(report["ranking"]) == 5
        errors = [layer["error"] for layer in report["ranking"]]
        assert errors == sorted(errors, reverse=True)
        assert errors[0] > 3 * errors[1] > 0


def test_the_same_bytes_twice(lenet: Report) -> None:
    assert recipes.load_all(None)["onnx"].about.reproducible
    again = convert("onnx", LENET)
    for name in lenet["files"]:
        assert (again["folder"] / name).read_bytes() == (lenet["folder"] / name).read_bytes()
    assert asked.said(again) == asked.said(lenet)


def test_the_recipe_and_its_code_agree_on_opsets() -> None:
    opsets = recipes.load_all(None)["onnx"].about.opsets
    assert opsets is not None
    assert f"OPSETS = range({opsets.min}, {opsets.max + 1})" in (RECIPE / "reading.py").read_text()


@pytest.mark.parametrize("name", ["onnx", "onnx-onnxruntime"])
def test_the_lock_names_no_host_and_has_a_hash_for_each(name: str) -> None:
    lock = (RECIPES / name / "requirements.txt").read_text()
    assert "://" not in lock
    blocks = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


def test_a_crash_of_what_reads_the_model_ends_in_a_sentence(tmp_path: Path) -> None:
    """The recipe as it is, but for what reads the model: that dies."""
    python = uv.environment(RECIPE / "requirements.txt", "3.11")
    for name in ("recipe", "out", "work"):
        (tmp_path / name).mkdir()
    shutil.copy(RECIPE / "convert.py", tmp_path / "recipe")
    crash = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    (tmp_path / "recipe" / "prepare.py").write_text(crash)
    body = {"model": str(LENET), "precision": "fp32"}
    body |= {name: str(tmp_path / name) for name in ("out", "work")}
    (tmp_path / "request.json").write_text(json.dumps(body))
    launch = (RECIPES / "kit" / "launch.py", tmp_path / "recipe" / "convert.py", tmp_path / "request.json")
    assert run(command(python, "-IB", *launch, timeout_s=60)).ok
    error = json.loads((tmp_path / "out" / "report.json").read_text())["error"]
    assert error["kind"] == "not-a-model"
    assert error["what"] == "lenet.onnx cannot be read: the check ended by SIGSEGV"
