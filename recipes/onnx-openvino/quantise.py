"""NNCF's post-training quantisation, in the words of docs/design/recipes.md."""

from __future__ import annotations

from typing import Any

import nncf
import openvino as ov
from edgepack_recipe import Refused, Request, tensors, trained
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, QuantizationParameters
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

METHODS = {  # how ranges are found
    "minmax": RangeEstimatorParametersSet.MINMAX,
    "mean-minmax": RangeEstimatorParametersSet.MEAN_MINMAX,
    "median-minmax": RangeEstimatorParametersSet.MEDIAN_MINMAX,
    "percentile": RangeEstimatorParametersSet.MEAN_QUANTILE,
    "histogram": RangeEstimatorParametersSet.HISTOGRAM,
}
SCHEMES = {"symmetric": nncf.QuantizationPreset.PERFORMANCE, "asymmetric": nncf.QuantizationPreset.MIXED}


def activations_and_weights(
    model: ov.Model, reference: trained.Trained, request: Request
) -> tuple[ov.Model, list[str]]:
    """The model with 8-bit weights and activations, and the ONNX nodes kept out of it. Raises Refused."""
    if request.calibration is None:
        raise Refused("unsupported-input", "int8 needs calibration data", fix="set model.calibration")
    samples = list(tensors.samples(request.calibration))
    asked = request.quantisation
    ignored = _ignored(model, reference, request.keep)
    quantised = nncf.quantize(
        model,
        nncf.Dataset(samples),
        preset=SCHEMES[asked.get("scheme", "symmetric")],
        subset_size=len(samples),
        ignored_scope=nncf.IgnoredScope(names=ignored),
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=METHODS[asked.get("method", "minmax")],
            weights_quantization_params=QuantizationParameters(
                per_channel=asked.get("granularity", "per-channel") == "per-channel"
            ),
        ),
    )
    return quantised, list(request.keep)


def weights(model: ov.Model, reference: trained.Trained, request: Request) -> tuple[ov.Model, list[str]]:
    """The model with 8-bit weights alone, and the ONNX nodes kept out of it."""
    symmetric = request.quantisation.get("scheme", "symmetric") == "symmetric"
    compressed = nncf.compress_weights(
        model,
        mode=nncf.CompressWeightsMode.INT8_SYM if symmetric else nncf.CompressWeightsMode.INT8_ASYM,
        ignored_scope=nncf.IgnoredScope(names=_ignored(model, reference, request.keep)),
    )
    return compressed, list(request.keep)


def _ignored(model: ov.Model, reference: trained.Trained, keep: tuple[str, ...]) -> list[str]:
    """OpenVINO's operations behind ONNX nodes: from a node's outputs back to where another one's begin.

    One ONNX node often becomes several, and only the last has its name.
    """
    producers = {name: out for op in model.get_ops() for out in op.outputs() for name in out.get_names()}
    found: set[str] = set()
    for node in reference.nodes_named(keep):
        open_ends = [producers[name].get_node() for name in node.output if name in producers]
        if not open_ends:
            what = f"{node.name or node.output[0]} cannot be kept in floating point on its own"
            raise Refused("unsupported-input", what, "OpenVINO merged it into another operation")
        while open_ends:
            op = open_ends.pop()
            found.add(op.get_friendly_name())
            open_ends += [port.get_node() for port in op.input_values() if _inner(port)]
    return sorted(found)


def _inner(port: Any) -> bool:
    """Whether a value lies within one ONNX node: it is no tensor of the ONNX graph, and not constant."""
    return not port.get_names() and port.get_node().get_type_name() != "Constant"
