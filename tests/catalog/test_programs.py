"""What `edgepack targets ID` says of the program with each runtime."""

from __future__ import annotations

import pytest

from edgepack.catalog import targets
from edgepack.catalog.programs import program_with


@pytest.mark.parametrize(
    ("target", "runtime", "says"),
    [
        ("x86_64", "ncnn", "static, needs nothing of the box"),
        ("x86_64", "litert", "with LiteRT 2.3.0 beside it, glibc 2.27 or newer"),
        ("x86_64", "mnn", "with MNN's headers (sdk.mnn) and the libMNN.so that lies beside them"),
        ("aarch64", "openvino", "no program: OpenVINO 2026.4.1 for aarch64 needs glibc 2.36"),
        ("rk3588", "rknn", "by contract only, with Rockchip RKNN's headers (sdk.rknn)"),
        (
            "rv1106",
            "rknn",
            "by contract only, with Rockchip RKNN's headers (sdk.rknn) and the box's own librknnmrt",
        ),
        ("ascend310p1", "acl", "the converted model alone: the architecture is not known"),
        ("hailo8r", "hailort", "the converted model alone"),
        ("jetson-orin-nano", "tensorrt", "(sdk.tensorrt and sdk.cuda) and the box's own libnvinfer.so.10"),
    ],
)
def test_each_runtime_says_what_its_program_needs(target: str, runtime: str, says: str) -> None:
    assert says in program_with(runtime, targets.load(target, None))
