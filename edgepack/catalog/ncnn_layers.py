"""ncnn's layers, and the two sizes of library that edgepack builds: most models' needs, and all of it.

Names are those of ``.param`` files. A library holds one implementation per layer and instruction set, so
leaving out what detectors and classifiers never use halves the compile and the program.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Tier = Literal["common", "all"]

# ncnn's own net loading inserts or calls these whatever the model says (split blobs, repack, pad, cast).
ALWAYS = frozenset(
    ["Input", "Split", "Packing", "Padding", "Cast", "Flatten", "Quantize", "Dequantize", "Requantize"]
)

COMMON = ALWAYS | frozenset(
    [
        *("Convolution", "ConvolutionDepthWise", "Deconvolution", "DeconvolutionDepthWise"),
        *("InnerProduct", "Pooling", "BatchNorm", "Scale", "Bias", "Eltwise", "BinaryOp", "UnaryOp"),
        *("ReLU", "PReLU", "Clip", "ELU", "Sigmoid", "TanH", "HardSigmoid", "HardSwish", "Swish"),
        *("Mish", "GELU", "Softmax", "Dropout", "Noop", "MemoryData", "Concat", "Slice", "Crop"),
        *("Reshape", "Permute", "Squeeze", "ExpandDims", "Interp", "Reduction", "ShuffleChannel"),
        *("PixelShuffle", "Reorg", "LayerNorm", "InstanceNorm", "GroupNorm", "LRN", "Normalize"),
        *("Gemm", "MatMul", "Convolution1D"),
    ]
)

# src/CMakeLists.txt of the pinned release: every ncnn_add_layer() that is not switched off there.
ALL = COMMON | frozenset(
    [
        *("AbsVal", "BNLL", "Embed", "Exp", "Log", "MVN", "Power", "Proposal", "ROIPooling", "Threshold"),
        *("Tile", "RNN", "LSTM", "PriorBox", "DetectionOutput", "YoloDetectionOutput"),
        *("Yolov3DetectionOutput", "PSROIPooling", "ROIAlign", "SELU", "DeepCopy", "StatisticsPooling"),
        *("Softplus", "GRU", "MultiHeadAttention", "Pooling1D", "ConvolutionDepthWise1D", "Convolution3D"),
        *("ConvolutionDepthWise3D", "Pooling3D", "Deconvolution1D", "DeconvolutionDepthWise1D"),
        *("Deconvolution3D", "DeconvolutionDepthWise3D", "Einsum", "DeformableConv2D", "GLU", "Fold"),
        *("Unfold", "GridSample", "CumulativeSum", "CopyTo", "Erf", "Diag", "CELU", "Shrink", "RMSNorm"),
        *("Spectrogram", "InverseSpectrogram", "Flip", "SDPA", "RotaryEmbed"),
    ]
)


def tier(layers: Iterable[str]) -> Tier:
    """The smaller library that holds all of a model's layers (the types in its ``.param`` file).

    A layer that no library of edgepack has is not this function's to refuse: ``missing`` names those.
    """
    return "common" if set(layers) <= COMMON else "all"


def missing(layers: Iterable[str]) -> tuple[str, ...]:
    """The layers that the pinned ncnn does not have at all, sorted."""
    return tuple(sorted(set(layers) - ALL))


def of_tier(name: Tier) -> frozenset[str]:
    """The layers in a library of that tier."""
    return COMMON if name == "common" else ALL
