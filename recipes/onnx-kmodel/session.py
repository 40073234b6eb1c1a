"""nncase 1.9 in a process of its own: ``session.py ASKED.json``, in a folder that holds the model.

ONNX Runtime may not be loaded beside it: the two C++ libraries that they bring along clash
(``std::bad_cast``).
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

METHODS = {"minmax": "no_clip", "mse": "l2", "percentile": "cdf"}


def main(asked: dict[str, Any]) -> None:
    fixed = with_fixed_addresses()  # nncase leaves gaps in the file that it does not fill
    if asked["target"]:
        Path("model.kmodel").write_bytes(_compile(asked))
    done = _compute(Path(asked["kmodel"]).read_bytes(), asked)
    Path("done.json").write_text(json.dumps({"fixed_addresses": fixed, **done}))


def _compile(asked: dict[str, Any]) -> bytes:
    options = nncase.CompileOptions()
    options.target = asked["target"]
    options.dump_ir = asked["target"] == "k510"  # else it ends in `bad optional access`
    options.dump_dir = "dump"
    compiler = nncase.Compiler(options)
    compiler.import_onnx(Path("model.onnx").read_bytes(), nncase.ImportOptions())
    if asked["calibration"]:
        with np.load(asked["calibration"], allow_pickle=False) as found:
            arrays = [np.ascontiguousarray(found[name], np.float32) for name in asked["input_names"]]
        calibration = nncase.PTQTensorOptions()
        calibration.calibrate_method = METHODS[asked["method"]]
        calibration.samples_count = min(len(array) for array in arrays)
        # all samples of the first input, then all of the second
        calibration.set_tensor_data(b"".join(a[: calibration.samples_count].tobytes() for a in arrays))
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
