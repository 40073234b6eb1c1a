"""ncnn in int8: ``int8.py REQUEST.json``, from the float files, the trained model and calibration data.

Weights get a scale an output channel, activations one a layer, symmetric both, as ncnn's own int8 layers have
it: 127 ÷ the largest. Written: the files again, the chosen layers' weights as int8 followed by their scales
and the scale of what goes in (``load_model`` in ncnn's ``convolution.cpp``, ``convolutiondepthwise.cpp`` and
``innerproduct.cpp``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import engine
import ncnn
import numpy as np
import onnx
import onnxruntime as ort
from blob_names import layers_of_nodes
from compare import Output
from edgepack_recipe import Refused, tensors
from model_file import INT8, QUANTISABLE, Layer, parse, sections, weights, written
from ranges import Histogram

SCALE_TERM = {
    "Convolution": 2,
    "InnerProduct": 2,
    "ConvolutionDepthWise": 1,
}  # what each layer's load_model asks
COMPARED = 16  # samples


def main(request_file: Path) -> None:
    body = json.loads(request_file.read_text())
    try:
        answer = quantise(body)
    except Refused as refused:
        answer = {"error": refused.as_json()}
    Path(body["answer"]).write_text(json.dumps(answer))


def quantise(body: Mapping[str, Any]) -> dict[str, Any]:
    """Files in ``out``, ``{kept, quantised, float, parity}`` back. Raises Refused."""
    param, bin_file, out = Path(body["param"]), Path(body["bin"]), Path(body["out"])
    model = onnx.load(body["model"])
    samples = list(tensors.samples(Path(body["calibration"])))
    names = [value.name for value in model.graph.input]
    missing = sorted(set(names) - set(samples[0] if samples else {}))
    if missing:
        raise Refused("unsupported-input", f"the calibration data has nothing for the input {missing[0]}")
    feeds = [[sample[name] for name in names] for sample in samples]
    layers = parse(param.read_text())
    parts = sections(layers, bin_file.read_bytes())
    kept = float_layers(model, layers, parts, body["keep"])
    floats = {name for names in kept.values() for name in names}
    chosen = [layer for layer in layers if layer.type in QUANTISABLE and layer.name not in floats]
    if not chosen:
        what = "nothing of this model can be quantised"
        raise Refused("unsupported-operator", what, "no convolution or dense layer is left", "use fp16")
    net = engine.load(param, bin_file, "fp32", keep_all=True)
    limits = thresholds(net, chosen, feeds, body["method"])
    pairs = zip(layers, parts, strict=True)
    new = [rewritten(layer, part, limits) if layer in chosen else (layer, part) for layer, part in pairs]
    (out / "model.param").write_text(written([layer for layer, _ in new]))
    (out / "model.bin").write_bytes(b"".join(part for _, part in new))
    return {
        "kept": list(kept),
        "lost": [name for name in body["keep"] if name not in kept],
        "quantised": len(chosen),
        "parity": parity(model, out, samples[:COMPARED]),
    }


def float_layers(
    model: onnx.ModelProto, layers: Sequence[Layer], parts: Sequence[bytes], keep: Sequence[str]
) -> dict[str, list[str]]:
    """Of the nodes that are to stay in floating point those that can: with the ncnn layers behind them, none
    for one that is never quantised. Raises Refused for a node that is not in the model."""
    nodes = {node.name: node for node in model.graph.node}
    unknown = [name for name in keep if name not in nodes]
    if unknown:
        raise Refused("converter-failed", f"the model has no node {unknown[0]} to keep in floating point")
    found = layers_of_nodes(model, layers, parts) if keep else {}
    never = {name for name in keep if nodes[name].op_type not in ("Conv", "Gemm", "MatMul")}
    return {name: found.get(name, []) for name in keep if name in found or name in never}


def thresholds(
    net: ncnn.Net, chosen: Sequence[Layer], feeds: Sequence[list[engine.Floats]], method: str
) -> dict[str, float]:
    """Blob → the |x| that becomes 127, for what goes into each layer: first the range, then its inside."""
    names = sorted({layer.inputs[0] for layer in chosen})
    largest = dict.fromkeys(names, 0.0)
    for inputs in feeds:
        for name, value in engine.blobs(net, inputs, names).items():
            largest[name] = max(largest[name], float(np.abs(value).max(initial=0)))
    histograms = {name: Histogram(size) for name, size in largest.items()}
    if method != "minmax":
        for inputs in feeds:
            for name, value in engine.blobs(net, inputs, names).items():
                histograms[name].add(value)
    return {name: histogram.threshold(method) for name, histogram in histograms.items()}


def rewritten(layer: Layer, part: bytes, limits: Mapping[str, float]) -> tuple[Layer, bytes]:
    """The layer in int8: its line, and its part of the .bin."""
    float_weights = weights(layer, part)
    # a depthwise layer has a scale a group, the others one an output
    count = layer.number(7 if layer.type == "ConvolutionDepthWise" else 0, 1)
    rows = float_weights.matrix.reshape(count, -1)
    largest = np.abs(rows).max(axis=1)
    scales = (127 / np.where(largest == 0, 127, largest)).astype("<f4")
    rounded = np.clip(np.round(rows * scales[:, None]), -127, 127).astype(np.int8).tobytes()
    limit = limits[layer.inputs[0]]
    into = np.array([127 / limit if limit else 1], "<f4")
    pieces = [INT8.to_bytes(4, "little"), rounded, bytes(-len(rounded) % 4)]
    if float_weights.bias is not None:
        pieces.append(float_weights.bias.tobytes())
    return layer.with_param(8, SCALE_TERM[layer.type]), b"".join([*pieces, scales.tobytes(), into.tobytes()])


def parity(
    model: onnx.ModelProto, folder: Path, samples: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, dict[str, Any]]:
    """How near int8 comes on calibration samples. Raises Refused where it gives no numbers at all."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = [Output(o.name, len(samples)) for o in session.get_outputs()]
    net = engine.load(folder / "model.param", folder / "model.bin", "int8")
    names = [value.name for value in session.get_inputs()]
    for sample in samples:
        feeds = {name: sample[name] for name in names}
        blobs = engine.blobs(net, list(feeds.values()), [f"out{k}" for k in range(len(outputs))])
        wanted = session.run([o.tensor for o in outputs], feeds)
        for output, given, reference in zip(outputs, blobs.values(), wanted, strict=True):
            output.add(given, reference)
    bad = [output.tensor for output in outputs if not np.isfinite(output.cosine)]
    if bad:
        raise Refused("parity", f"in int8 the output {bad[0]} is not a number any more", fix="use fp16")
    return {output.tensor: output.parity("int8") for output in outputs}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
