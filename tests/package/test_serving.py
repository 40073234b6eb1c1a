"""What other servers read: Triton's configuration by its own schema, nvinfer's by what its page says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgepack.cli.main import main
from edgepack.errors import InputError
from edgepack.manifest.project import Manifest
from edgepack.package.serving import Served, deepstream, triton
from edgepack.tools.runner import command, run
from tests.service import service

EXAMPLE = service.ROOT / "examples" / "digits"
PICTURE = Served("image", (1, 3, 64, 48), "float32")


def manifest(**more: object) -> Manifest:
    known = {"name": "reader", "version": "1", "model": {"file": "m.onnx"}, "targets": {"x86_64": {}}}
    return Manifest.model_validate({**known, **more})


PARSE = """
import json, sys
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig
found = [text_format.Parse(text, ModelConfig()) for text in json.load(sys.stdin)]
print(json.dumps([json_format.MessageToDict(each, preserving_proto_field_name=True) for each in found]))
"""


@pytest.mark.slow
def test_triton_reads_it_by_its_own_schema() -> None:
    text = {"instances": 3, "batching": {"most": 16, "wait_ms": 2}}
    fixed = triton(manifest(service=text), [PICTURE], [Served('odd "name"\n', (1, 10), "int64")])
    batched = triton(
        manifest(service=text), [Served("image", (0, 3, -1, 48), "uint8")], [Served("y", (0, 10), "float16")]
    )
    said = run(command(service.client(), "-IB", "-c", PARSE, stdin=json.dumps([fixed, batched]).encode()))
    assert said.ok, said.text()
    one, many = json.loads(said.stdout)
    assert one["input"] == [{"name": "image", "data_type": "TYPE_FP32", "dims": ["1", "3", "64", "48"]}]
    assert one["output"] == [{"name": 'odd "name"\n', "data_type": "TYPE_INT64", "dims": ["1", "10"]}]
    assert "max_batch_size" not in one
    assert one["instance_group"][0]["count"] == 3
    assert (many["max_batch_size"], many["backend"]) == (16, "onnxruntime")
    assert many["input"][0]["dims"] == ["3", "-1", "48"]
    assert many["dynamic_batching"]["max_queue_delay_microseconds"] == "2000"


def test_a_type_that_triton_has_not_is_refused() -> None:
    with pytest.raises(InputError, match="image is unknown"):
        triton(manifest(), [Served("image", (1,), "unknown")], [])


def test_nvinfer_normalises_as_pre_does() -> None:
    """Its y is net-scale-factor · (x - offset)."""
    means = [0.485, 0.456, 0.406]
    normalize = {"scale": 1 / 255, "mean": means, "std": [0.5, 0.5, 0.5]}
    pre = [{"letterbox": {"size": [64, 48]}}, {"color": {"order": "bgr"}}, {"normalize": normalize}]
    lines = deepstream(manifest(pre=pre), [PICTURE]).splitlines()
    said = dict(line.split("=") for line in lines[1:])
    assert lines[0] == "[property]"
    x = np.linspace(0, 255, 7)
    for offset, mean in zip(said["offsets"].split(";"), means, strict=True):
        assert np.allclose(
            float(said["net-scale-factor"]) * (x - float(offset)), (x / 255 - mean) / 0.5, atol=1e-9
        )
    assert (said["infer-dims"], said["model-color-format"]) == ("3;64;48", "1")
    assert (said["maintain-aspect-ratio"], said["symmetric-padding"]) == ("1", "1")


UNFIT = {
    "own code": ([{"code": "src/pre.cpp", "entry": "stretch"}], "the rest is yours"),
    "several deviations": ([{"normalize": {"mean": [0, 0, 0], "std": [1, 2, 3]}}], "one net-scale-factor"),
    "a part of the picture": ([{"crop": {"size": [8, 8]}}], "the rest is yours"),
}


@pytest.mark.parametrize(("pre", "why"), UNFIT.values(), ids=UNFIT)
def test_what_nvinfer_cannot_do_is_refused(pre: list[object], why: str) -> None:
    with pytest.raises(InputError) as told:
        deepstream(manifest(pre=pre), [PICTURE])
    assert why in told.value.why


def test_the_command_writes_a_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = tmp_path / "digits"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns(".edgepack", "dist"))
    assert main(["export", "triton", "-C", str(project), "--into", str(tmp_path / "models"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["digits/1/model.onnx", "digits/config.pbtxt"]
    made = tmp_path / "models" / "digits"
    assert (made / "1" / "model.onnx").read_bytes() == (EXAMPLE / "model" / "lenet.onnx").read_bytes()
    assert 'name: "image"' in (made / "config.pbtxt").read_text()
    assert main(["export", "deepstream", "-C", str(project)]) == 3
    assert "pre[0] is nothing for DeepStream" in capsys.readouterr().err
