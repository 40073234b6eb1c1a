"""LiteRT in a process of its own: ``compute.py ASKED.json``: ``model`` on ``inputs`` into ``answers.npz``.

``answers.npz`` holds (N, …) by TFLite's names; ``done.json``, written last, what the file says of itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main(asked: dict[str, Any]) -> None:
    interpreter = Interpreter(model_path=asked["model"], num_threads=2)
    interpreter.allocate_tensors()
    places = _named(interpreter, "inputs", interpreter.get_input_details())
    outputs = _named(interpreter, "outputs", interpreter.get_output_details())
    with np.load(asked["inputs"], allow_pickle=False) as found:
        arrays = {name: found[name].astype(np.float32) for name in asked["input_names"]}
    missing = sorted(set(arrays) - set(places))
    if missing:
        raise SystemExit(f"LiteRT: the model has no input {missing[0]}, only {', '.join(places)}")
    given: dict[str, list[np.ndarray]] = {name: [] for name in outputs}
    for number in range(min(len(array) for array in arrays.values())):
        for name, array in arrays.items():
            interpreter.set_tensor(places[name]["index"], _last(array[number : number + 1]))
        interpreter.invoke()
        for name, values in given.items():
            values.append(np.array(interpreter.get_tensor(outputs[name]["index"]), np.float32))
    np.savez("answers.npz", **{name: np.stack(values) for name, values in given.items()})
    said = {
        "inputs": {name: [int(n) for n in entry["shape"]] for name, entry in places.items()},
        "outputs": {name: [int(n) for n in entry["shape"]] for name, entry in outputs.items()},
        "layers": sorted({str(op["op_name"]) for op in interpreter._get_ops_details()}),
    }
    Path("done.json").write_text(json.dumps(said))


def _named(interpreter: Interpreter, side: str, details: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Tensors by the signature's names, where the file has one: the tensors' own are TensorFlow's."""
    signatures = interpreter._get_full_signature_list()
    if not signatures:
        return {str(entry["name"]): entry for entry in details}
    known = {entry["index"]: entry for entry in details}
    return {name: known[index] for name, index in next(iter(signatures.values()))[side].items()}


def _last(array: np.ndarray) -> np.ndarray:
    """Channels last, as onnx2tf makes every input of three to five dimensions."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1) if array.ndim in (3, 4, 5) else array)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
