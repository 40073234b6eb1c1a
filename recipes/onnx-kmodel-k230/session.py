"""nncase 2 in a process of its own: ``session.py ASKED.json``, in a folder that holds the model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nncase
from edgepack_recipe import kmodel_session

METHODS = {"minmax": "NoClip", "kl": "Kld"}
ACTIVATIONS = {"int8": "uint8", "int16x8": "int16"}


def compiled(asked: dict[str, Any]) -> bytes:
    """The kmodel of ``model.onnx``."""
    options = nncase.CompileOptions()
    options.target = asked["target"]
    options.dump_asm = False
    options.dump_dir = "dump"
    compiler = nncase.Compiler(options)
    compiler.import_onnx(Path("model.onnx").read_bytes(), nncase.ImportOptions())
    arrays = kmodel_session.arrays(asked["calibration"], asked["input_names"])
    calibration = nncase.PTQTensorOptions()
    calibration.calibrate_method = METHODS[asked["method"]]
    calibration.quant_type = ACTIVATIONS[asked["precision"]]
    calibration.samples_count = min(len(array) for array in arrays)
    # a list an input, of arrays with the batch of 1
    calibration.set_tensor_data([[a[n : n + 1] for n in range(calibration.samples_count)] for a in arrays])
    compiler.use_ptq(calibration)
    compiler.compile()
    return bytes(compiler.gencode_tobytes())


if __name__ == "__main__":
    kmodel_session.answer(Path(sys.argv[1]), compiled)
