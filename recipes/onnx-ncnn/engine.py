"""A converted model in ncnn, as a box of its precision runs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import ncnn
import numpy as np
from edgepack_recipe import Refused
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def load(param: Path, weights: Path, precision: str, keep_all: bool = False) -> ncnn.Net:
    """keep_all: intermediate blobs can be asked for as well. Raises Refused."""
    net = ncnn.Net()
    half = precision == "fp16"
    net.opt.num_threads = 1
    net.opt.lightmode = not keep_all
    net.opt.use_vulkan_compute = False
    net.opt.use_bf16_packed = net.opt.use_bf16_storage = False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = half
    net.opt.use_fp16_arithmetic = half
    if net.load_param(str(param)) != 0 or net.load_model(str(weights)) != 0:
        raise Refused("converter-failed", "ncnn cannot load what pnnx wrote")
    return net


def blobs(net: ncnn.Net, inputs: Sequence[Floats], wanted: Iterable[str]) -> dict[str, Floats]:
    """Blobs for one sample, fed as the program on the box does it: without the batch of 1. Raises Refused."""
    extractor = net.create_extractor()
    for number, value in enumerate(inputs):
        extractor.input(f"in{number}", ncnn.Mat(np.ascontiguousarray(value[0])).clone())
    found = {}
    for name in wanted:
        code, mat = extractor.extract(name)
        if code != 0:
            raise Refused("converter-failed", f"ncnn cannot compute {name}")
        found[name] = np.array(mat, dtype=np.float32)
    return found
