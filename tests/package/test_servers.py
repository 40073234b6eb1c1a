"""`edgepack export tensorflow-serving|paddle-serving`: what was written, read by those projects' own code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.catalog import recipes
from edgepack.cli.main import main
from edgepack.errors import InputError
from edgepack.manifest.project import Manifest
from edgepack.package.serving import Named, Served, paddle, tensorflow
from edgepack.tools import uv
from edgepack.tools.runner import command, run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODEL = ROOT / "examples" / "digits" / "model" / "lenet.onnx"


def manifest(name: str = "reader") -> Manifest:
    known = {"name": name, "version": "1", "model": {"file": "m.onnx"}, "targets": {"x86_64": {}}}
    return Manifest.model_validate(known)


def python_of(recipe: str) -> Path:
    known = recipes.load_all(None)[recipe]
    return uv.environment(known.lock, known.about.python)


def packages() -> Path:
    """The servers' packages from PyPI, for the Python of Paddle's recipe."""
    return next(uv.environment(HERE / "servers.txt", "3.9").parent.parent.glob("lib/python3*/site-packages"))


def exported(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    project = folder / "digits"
    shutil.copytree(MODEL.parents[1], project, ignore=shutil.ignore_patterns(".edgepack", "dist"))
    assert main(["export", kind, "-C", str(project), "--into", str(folder / "made"), "--json"]) == 0
    files: list[str] = json.loads(capsys.readouterr().out)["files"]
    return files


def answers(folder: Path, *argv: str | Path) -> tuple[Any, Any]:
    """What ONNX Runtime gives for a random picture, and what the program given by argv does."""
    import onnxruntime

    image = np.random.default_rng(1).random((1, 1, 28, 28), dtype=np.float32)
    np.savez(folder / "inputs.npz", image=image)
    done = run(command(*argv, folder / "inputs.npz", folder / "answers.npz", timeout_s=300, cwd=folder))
    assert done.ok, done.text()
    (wanted,) = onnxruntime.InferenceSession(str(MODEL)).run(None, {"image": image})
    with np.load(folder / "answers.npz") as found:
        assert found.files == ["logits"]
        return wanted, found["logits"]


@pytest.mark.slow
def test_a_saved_model_has_the_names_and_the_axes_that_were_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = exported("tensorflow-serving", tmp_path, capsys)
    assert {"digits/1/saved_model.pb", "digits/1/variables/variables.index", "models.config"} <= set(files)
    program = HERE / "tensorflow_serving.py"
    wanted, found = answers(
        tmp_path, python_of("onnx-tflite"), "-B", program, tmp_path / "made" / "digits" / "1"
    )
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.slow
def test_paddle_servings_own_loader_computes_what_was_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = exported("paddle-serving", tmp_path, capsys)
    assert files == [
        "digits_client/serving_client_conf.prototxt",
        *(f"digits_server/{name}" for name in ("model.pdiparams", "model.pdmodel")),
        "digits_server/serving_server_conf.prototxt",
    ]
    program = HERE / "paddle_serving.py"
    folder = tmp_path / "made" / "digits_server"
    wanted, found = answers(tmp_path, python_of("onnx-paddlelite"), "-B", program, packages(), folder)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


PARSE = """
import json, sys
sys.path.append(sys.argv[1])
from google.protobuf import json_format, text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig
from paddle_serving_app.proto.general_model_config_pb2 import GeneralModelConfig
texts = json.load(sys.stdin)
found = [text_format.Parse(t, m()) for t, m in zip(texts, (ModelServerConfig, GeneralModelConfig))]
print(json.dumps([json_format.MessageToDict(each, preserving_proto_field_name=True) for each in found]))
"""


@pytest.mark.slow
def test_the_servers_read_it_by_their_own_schemas() -> None:
    image = Named(Served("image", (1, 3, 64, 48), "float32"), "image")
    texts = [
        tensorflow(manifest()),
        paddle([image], [Named(Served('odd "name"\n', (1, 10), "int64"), "save/scale_0")]),
    ]
    stdin = json.dumps(texts).encode()
    said = run(command(python_of("onnx-paddlelite"), "-B", "-c", PARSE, packages(), stdin=stdin))
    assert said.ok, said.text()
    served, config = json.loads(said.stdout)
    (one,) = served["model_config_list"]["config"]
    assert (one["name"], one["base_path"]) == ("reader", "/models/reader")
    (feed,), (fetch,) = config["feed_var"], config["fetch_var"]
    assert (feed["alias_name"], feed["feed_type"], feed["shape"]) == ("image", 1, [3, 64, 48])
    assert (fetch["name"], fetch["alias_name"], fetch["shape"]) == ("save/scale_0", 'odd "name"\n', [10])


def test_a_type_that_paddle_serving_has_not_is_refused() -> None:
    with pytest.raises(InputError, match="mask is bool"):
        paddle([Named(Served("mask", (1,), "bool"), "mask")], [])
