"""The same model for servers that edgepack does not build: text that they read. By contract only.

Triton: docs.nvidia.com/deeplearning/triton-inference-server, "Model Repository" and "Model Configuration"
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


def _unfit(number: int, why: str) -> InputError:
    return InputError(f"pre[{number}] is nothing for DeepStream", where="edgepack.yaml", why=why)
