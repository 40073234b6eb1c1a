"""What OpenCV's dnn computes: ``read_opencv.py READER MODEL WEIGHTS INPUTS.npy OUTPUTS.npz LAYER…``.

READER: ``Darknet`` or ``Caffe``. Each output is stored under its layer's name.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np


def main(reader: str, model: str, weights: str, inputs: str, outputs: str, *layers: str) -> None:
    net = getattr(cv2.dnn, f"readNetFrom{reader}")(model, weights)
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.enableFusion(False)
    found: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    for sample in np.load(inputs):
        net.setInput(sample[None])
        for name, value in zip(layers, net.forward(list(layers)), strict=True):
            found[name].append(np.array(value))
    np.savez(outputs, **{name: np.concatenate(values) for name, values in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
