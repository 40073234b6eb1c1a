"""nncase 2 in a process of its own: ``session.py ASKED.json``, in a folder that holds the model.

With ``target`` it makes ``model.kmodel`` of ``model.onnx``; then its simulator computes ``kmodel`` on
``inputs`` into
``answers.npz``. ``done.json`` is written last: nncase ends with exit code 0 on many failures.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nncase
import numpy as np
from edgepack_recipe.steady import with_fixed_addresses

METHODS = {"minmax": "NoClip", "kl": "Kld"}
ACTIVATIONS = {"int8": "uint8", "int16x8": "int16"}


def main(asked: dict[str, Any]) -> None:
    fixed = with_fixed_addresses()
    if asked["target"]:
        Path("model.kmodel").write_bytes(_compile(asked))
    done = _compute(Path(asked["kmodel"]).read_bytes(), asked)
    Path("done.json").write_text(json.dumps({"fixed_addresses": fixed, **done}))


def _compile(asked: dict[str, Any]) -> bytes:
    options = nncase.CompileOptions()
    options.target = asked["target"]
    options.dump_dir = "dump"
    options.dump_asm = False
    compiler = nncase.Compiler(options)
    compiler.import_onnx(Path("model.onnx").read_bytes(), nncase.ImportOptions())
    with np.load(asked["calibration"], allow_pickle=False) as found:
        arrays = [np.ascontiguousarray(found[name], np.float32) for name in asked["input_names"]]
    calibration = nncase.PTQTensorOptions()
    calibration.calibrate_method = METHODS[asked["method"]]
    calibration.quant_type = ACTIVATIONS[asked["precision"]]
    calibration.samples_count = min(len(array) for array in arrays)
    # a list an input, of arrays with the batch of 1
    calibration.set_tensor_data([[a[n : n + 1] for n in range(calibration.samples_count)] for a in arrays])
    compiler.use_ptq(calibration)
    compiler.compile()
    return bytes(compiler.gencode_tobytes())


def _compute(kmodel: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    simulator = nncase.Simulator()
    simulator.load_model(kmodel)
    counts = (simulator.inputs_size, simulator.outputs_size)
    if counts != (len(asked["input_names"]), len(asked["output_names"])):
        raise SystemExit(f"nncase: the kmodel has {counts[0]} inputs and {counts[1]} outputs")
    with np.load(asked["inputs"], allow_pickle=False) as found:
        arrays = [np.ascontiguousarray(found[name], np.float32) for name in asked["input_names"]]
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in asked["output_names"]}
    for number in range(min(len(array) for array in arrays)):
        for place, array in enumerate(arrays):
            sample = np.ascontiguousarray(array[number : number + 1])
            simulator.set_input_tensor(place, nncase.RuntimeTensor.from_numpy(sample))
        simulator.run()
        for place, name in enumerate(outputs):
            outputs[name].append(np.array(simulator.get_output_tensor(place).to_numpy(), np.float32))
    np.savez("answers.npz", **{name: np.concatenate(values) for name, values in outputs.items()})
    first = [values[0].shape for values in outputs.values()]
    return {"outputs": [list(shape) for shape in first]}


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
