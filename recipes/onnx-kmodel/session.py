"""nncase 1.9 in a process of its own: ``session.py ASKED.json``, in a folder that holds the model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nncase
from edgepack_recipe import kmodel_session

METHODS = {"minmax": "no_clip", "mse": "l2", "percentile": "cdf"}


def compiled(asked: dict[str, Any]) -> bytes:
    """The kmodel of ``model.onnx``."""
    options = nncase.CompileOptions()
    options.target = asked["target"]
    options.dump_ir = asked["target"] == "k510"  # else it ends in `bad optional access`
    options.dump_dir = "dump"
    compiler = nncase.Compiler(options)
    compiler.import_onnx(Path("model.onnx").read_bytes(), nncase.ImportOptions())
    if asked["calibration"]:
        arrays = kmodel_session.arrays(asked["calibration"], asked["input_names"])
        calibration = nncase.PTQTensorOptions()
        calibration.calibrate_method = METHODS[asked["method"]]
        calibration.samples_count = min(len(array) for array in arrays)
        # all samples of the first input, then all of the second
        calibration.set_tensor_data(b"".join(a[: calibration.samples_count].tobytes() for a in arrays))
        compiler.use_ptq(calibration)
    compiler.compile()
    return bytes(compiler.gencode_tobytes())


if __name__ == "__main__":
    kmodel_session.answer(Path(sys.argv[1]), compiled)
