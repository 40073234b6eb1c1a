"""Computes with tpu_mlir's simulators, in its tree of links: ``simulate.py MODEL INPUTS.npz ANSWERS.npz``.

MODEL is a .bmodel, a .cvimodel or a _tpu.mlir, which gives all tensors; INPUTS and ANSWERS hold (N, …) by
name. The
names are tpu_mlir's own, with the outputs' first, in the model's order, where it is no _tpu.mlir.
"""

from __future__ import annotations

import sys

import numpy as np
from tools import model_runner


def main(model: str, inputs: str, answers: str) -> None:
    with np.load(inputs, allow_pickle=False) as found:
        arrays = {name: found[name].astype(np.float32) for name in found.files}
    outputs: list[dict[str, np.ndarray]] = []
    for number in range(min(len(array) for array in arrays.values())):
        sample = {name: np.ascontiguousarray(array[number : number + 1]) for name, array in arrays.items()}
        if model.endswith(".mlir"):
            outputs.append(dict(model_runner.mlir_inference(sample, model, dump_all=True)))
        else:
            outputs.append(model_runner.model_inference(sample, model, dump_all=False))
    stacked = {name: np.stack([np.asarray(o[name], np.float32) for o in outputs]) for name in outputs[0]}
    np.savez(answers, **stacked)


if __name__ == "__main__":
    main(*sys.argv[1:])
