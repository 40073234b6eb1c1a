"""nncase in a process of its own, which ``kmodel.py`` starts in a folder that holds the model.

ONNX Runtime may not be loaded beside it: the two C++ libraries that they bring along clash
(``std::bad_cast``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nncase
import numpy as np

from .steady import with_fixed_addresses

Asked = dict[str, Any]


def answer(file: Path, compiled: Callable[[Asked], bytes]) -> None:
    """What ``asked.json`` asks. With ``target``, ``compiled`` makes ``model.kmodel`` of ``model.onnx``; then
    the simulator computes ``kmodel`` on ``inputs`` into ``answers.npz``.

    ``done.json`` is written last: nncase ends with exit code 0 on many failures.
    """
    asked = json.loads(file.read_text())
    fixed = with_fixed_addresses()  # nncase leaves gaps in the file that it does not fill
    if asked["target"]:
        Path("model.kmodel").write_bytes(compiled(asked))
    _compute(Path(asked["kmodel"]).read_bytes(), asked)
    Path("done.json").write_text(json.dumps({"fixed_addresses": fixed}))


def arrays(file: str, names: Sequence[str]) -> list[np.ndarray]:
    """float32 (N, …) for each name, of an ``.npz``."""
    with np.load(file, allow_pickle=False) as found:
        return [np.ascontiguousarray(found[name], np.float32) for name in names]


def _compute(kmodel: bytes, asked: Asked) -> None:
    simulator = nncase.Simulator()
    simulator.load_model(kmodel)
    counts = (simulator.inputs_size, simulator.outputs_size)
    if counts != (len(asked["input_names"]), len(asked["output_names"])):
        raise SystemExit(f"nncase: the kmodel has {counts[0]} inputs and {counts[1]} outputs")
    inputs = arrays(asked["inputs"], asked["input_names"])
    outputs = {name: [] for name in asked["output_names"]}  # type: Dict[str, List[np.ndarray]]
    for number in range(min(len(array) for array in inputs)):
        for place, array in enumerate(inputs):
            sample = np.ascontiguousarray(array[number : number + 1])
            simulator.set_input_tensor(place, nncase.RuntimeTensor.from_numpy(sample))
        simulator.run()
        for place, name in enumerate(outputs):
            outputs[name].append(np.array(simulator.get_output_tensor(place).to_numpy(), np.float32))
    np.savez("answers.npz", **{name: np.concatenate(values) for name, values in outputs.items()})
