"""onnx2tf in a process of its own: ``session.py ASKED.json``, in a folder with ``model.onnx``; writes
``out/``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

# onnx2tf looks for this file, of random images, in the current folder, and fetches it from the network
# otherwise
PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"


def main(asked: dict[str, Any]) -> None:
    np.save(PICTURES, np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32))
    import onnx2tf

    integers = asked["precision"] in ("int8", "int16x8")
    onnx2tf.convert(
        input_onnx_file_path="model.onnx",
        output_folder_path="out",
        output_signaturedefs=True,
        copy_onnx_input_output_names_to_tflite=True,
        output_dynamic_range_quantized_tflite=asked["precision"] == "int8-dynamic",
        output_integer_quantized_tflite=integers,
        custom_input_op_name_np_data_path=_calibration(asked) if integers else None,
        quant_type=asked["granularity"],
        non_verbose=True,
    )


def _calibration(asked: dict[str, Any]) -> list[list[Any]]:
    """A file an input, channels last as TFLite has them; the mean and scale that leave the values as they
    are."""
    found = []
    with np.load(asked["calibration"], allow_pickle=False) as arrays:
        for number, name in enumerate(asked["input_names"]):
            array = arrays[name].astype(np.float32)
            file = f"calibration-{number}.npy"
            np.save(file, np.moveaxis(array, 1, -1) if array.ndim in (3, 4, 5) else array)
            one = np.ones([1] * array.ndim, np.float32)
            found.append([name, file, (one * 0).tolist(), one.tolist()])
    return found


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
