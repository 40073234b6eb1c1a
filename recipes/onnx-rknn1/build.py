"""Builds an .rknn with RKNN-Toolkit 1: runs in the toolkit's own Python (3.6 and later).

Calls and their arguments by the RKNN-Toolkit user guide. Each answers 0, or another number and goes on.
"""

import argparse
import sys

from rknn.api import RKNN


def sure(answer, what):
    if answer != 0:
        sys.exit(f"RKNN-Toolkit refused: {what} ({answer})")


def main():
    parser = argparse.ArgumentParser()
    for name in ("model", "out", "platform"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--input", action="append", nargs=2, required=True)
    parser.add_argument("--output", action="append", required=True)
    for name in ("dataset", "dtype", "algorithm"):
        parser.add_argument("--" + name)
    asked = parser.parse_args()
    rknn = RKNN(verbose=False)
    try:
        # No mean and no scale: what is fed is the model's own input tensor.
        settings = {"target_platform": [asked.platform]}
        if asked.dataset:
            settings.update(quantized_dtype=asked.dtype, quantized_algorithm=asked.algorithm)
        if rknn.config(**settings) not in (0, None):
            sys.exit("RKNN-Toolkit refused: config")
        sizes = [[int(n) for n in shape.split(",")] for _, shape in asked.input]
        names = [name for name, _ in asked.input]
        loaded = rknn.load_onnx(model=asked.model, inputs=names, input_size_list=sizes, outputs=asked.output)
        sure(loaded, "load_onnx")
        if asked.dataset:
            sure(rknn.build(do_quantization=True, dataset=asked.dataset), "build")
        else:
            sure(rknn.build(do_quantization=False), "build")
        sure(rknn.export_rknn(asked.out), "export_rknn")
    finally:
        rknn.release()


if __name__ == "__main__":
    main()
