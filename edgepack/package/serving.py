"""The same model for servers that edgepack does not build: text that they read. By contract only.

TensorFlow Serving: tensorflow.org/tfx/serving/serving_config (model_server_config.proto). Paddle Serving:
github.com/PaddlePaddle/Serving, general_model_config.proto. Triton:
docs.nvidia.com/deeplearning/triton-inference-server, "Model Repository" and "Model Configuration"
(model_config.proto). DeepStream: docs.nvidia.com/metropolis/deepstream, "Gst-nvinfer", its file's keys.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from edgepack.errors import InputError
from edgepack.manifest.project import Manifest

_TYPES = {
    "float32": "FP32",
    "float16": "FP16",
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class Served:
    """One input or output of the trained model; an axis of 0 or less has any length."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def triton(manifest: Manifest, inputs: Sequence[Served], outputs: Sequence[Served]) -> str:
    """``config.pbtxt`` for the ONNX Runtime backend. Raises InputError for a type that Triton has not."""
    batched = all(tensor.shape and tensor.shape[0] <= 0 for tensor in inputs)
    service = manifest.service
    lines = [
        f"name: {json.dumps(manifest.name)}",
        'backend: "onnxruntime"',
        f"max_batch_size: {service.batching.most if batched else 0}",
    ]
    for kind, tensors in (("input", inputs), ("output", outputs)):
        lines += [f"{kind} {{ {_tensor(tensor, batched)} }}" for tensor in tensors]
    lines.append(f"instance_group {{ kind: KIND_AUTO count: {service.instances} }}")
    if batched:
        lines.append(
            f"dynamic_batching {{ max_queue_delay_microseconds: {service.batching.wait_ms * 1000} }}"
        )
    return "\n".join(lines) + "\n"


def _tensor(tensor: Served, batched: bool) -> str:
    if tensor.dtype not in _TYPES:
        raise InputError(f"{tensor.name} is {tensor.dtype}", why="Triton's configuration has no such type")
    shape = tensor.shape[1:] if batched else tensor.shape
    dims = ", ".join(str(axis) if axis > 0 else "-1" for axis in shape)
    return f"name: {json.dumps(tensor.name)} data_type: TYPE_{_TYPES[tensor.dtype]} dims: [ {dims} ]"


def deepstream(manifest: Manifest, inputs: Sequence[Served]) -> str:
    """A file for nvinfer, whose outputs come as tensors. Raises InputError for a ``pre`` that it has not."""
    scale, offsets, words = 1.0, [0.0], {"maintain-aspect-ratio": "0"}
    for number, block in enumerate(manifest.pre):
        if block.normalize is not None:
            deviations = block.normalize.std
            if len(set(deviations)) != 1:
                raise _unfit(number, "nvinfer has one net-scale-factor for all channels, `std` has several")
            factor = block.normalize.scale
            # (x * scale - mean) / std is (scale / std) * (x - mean / scale).
            scale, offsets = factor / deviations[0], [mean / factor for mean in block.normalize.mean]
        elif block.letterbox is not None:
            words["maintain-aspect-ratio"] = "1"
            words["symmetric-padding"] = "1" if block.letterbox.align == "center" else "0"
        elif block.resize is None and block.color is None and block.layout is None:
            raise _unfit(
                number, "nvinfer scales, turns colours and normalises; the rest is yours to do there"
            )
    (picture,) = inputs[:1]
    if len(inputs) != 1 or len(picture.shape) != 4:
        raise InputError(
            "DeepStream's nvinfer takes one picture (N, C, H, W)", why=f"the model takes {list(inputs)}"
        )
    order = next((block.color.order for block in manifest.pre if block.color is not None), "rgb")
    words |= {
        "onnx-file": "model.onnx",
        "infer-dims": ";".join(str(axis) for axis in picture.shape[1:]),
        "batch-size": "1",
        "net-scale-factor": repr(scale),
        "offsets": ";".join(repr(v) for v in (offsets * picture.shape[1] if len(offsets) == 1 else offsets)),
        "model-color-format": "2" if picture.shape[1] == 1 else {"rgb": "0", "bgr": "1"}[order],
        "network-mode": "0",  # FP32
        "network-type": "100",  # any: `post` is yours to do with the tensors
        "output-tensor-meta": "1",
        "process-mode": "1",
        "gie-unique-id": "1",
        "gpu-id": "0",
    }
    return "\n".join(["[property]", *(f"{key}={value}" for key, value in sorted(words.items()))]) + "\n"


TENSORFLOW_ROOT = "/models"
"""Where TensorFlow Serving's own image has its models."""


def tensorflow(manifest: Manifest) -> str:
    """``models.config``: the folder with the versions, as the server sees it."""
    name = json.dumps(manifest.name)
    path = json.dumps(f"{TENSORFLOW_ROOT}/{manifest.name}")
    return (
        f'model_config_list {{ config {{ name: {name} base_path: {path} model_platform: "tensorflow" }} }}\n'
    )


_PADDLE_TYPES = {"int64": 0, "float32": 1, "int32": 2}  # GeneralModelConfig: feed_type, fetch_type


@dataclass(frozen=True)
class Named:
    """A tensor, and what the server's file calls it."""

    tensor: Served
    name: str


def paddle(inputs: Sequence[Named], outputs: Sequence[Named]) -> str:
    """``serving_server_conf.prototxt``, and the client's. Raises InputError for a type that it has not."""
    lines = []
    for kind, type_key, tensors in (("feed", "feed_type", inputs), ("fetch", "fetch_type", outputs)):
        for named in tensors:
            tensor = named.tensor
            if tensor.dtype not in _PADDLE_TYPES:
                raise InputError(
                    f"{tensor.name} is {tensor.dtype}", why="Paddle Serving's configuration has no such type"
                )
            lines += [
                f"{kind}_var {{",
                f"  name: {json.dumps(named.name)}",
                f"  alias_name: {json.dumps(tensor.name)}",
                "  is_lod_tensor: false",
                f"  {type_key}: {_PADDLE_TYPES[tensor.dtype]}",
                *(f"  shape: {axis}" for axis in tensor.shape[1:]),  # of one sample
                "}",
            ]
    return "\n".join(lines) + "\n"


def _unfit(number: int, why: str) -> InputError:
    return InputError(f"pre[{number}] is nothing for DeepStream", where="edgepack.yaml", why=why)
