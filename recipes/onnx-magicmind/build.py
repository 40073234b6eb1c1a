"""Builds a MagicMind model: runs in the toolkit's own Python. ``build.py --help`` says with what.

The calls are those of Cambricon's MagicMind Python samples (magicmind_cloud: framework_parser.py,
common_calibrate.py, model_process.py).
"""

import argparse
import json
import sys

import magicmind.python.runtime as mm
import numpy as np
from magicmind.python.runtime.parser import Parser

ALGORITHMS = {"linear": "LINEAR_ALGORITHM", "eqnm": "EQNM_ALGORITHM"}


def sure(status, what):
    """MagicMind answers with a status, or with nothing at all."""
    if status is None or (hasattr(status, "ok") and not status.ok()):
        sys.exit(f"MagicMind refused: {what} ({status})")
    return status


class Samples(mm.CalibDataInterface):
    """One input's calibration samples, a batch of 1 at a time."""

    def __init__(self, shape, files):
        super().__init__()
        self.shape, self.files, self.at, self.sample = shape, files, 0, None

    def get_shape(self):
        return mm.Dims(self.shape)

    def get_data_type(self):
        return mm.DataType.FLOAT32

    def get_sample(self):
        return self.sample

    def next(self):
        if self.at >= len(self.files):
            return mm.Status(mm.Code.OUT_OF_RANGE, "all samples were given")
        self.sample = np.ascontiguousarray(np.load(self.files[self.at]).astype(np.float32))
        self.at += 1
        return mm.Status.OK()

    def reset(self):
        self.at, self.sample = 0, None
        return mm.Status.OK()


def calibrate(asked, network, config):
    with open(asked.samples) as handle:
        rows = [line.split() for line in handle]
    columns = [list(column) for column in zip(*rows)]  # noqa: B905 - Python 3.7
    data = [Samples(shape, files) for shape, files in zip(asked.shape, columns)]  # noqa: B905
    calibrator = mm.Calibrator(data)
    algorithm = getattr(mm.QuantizationAlgorithm, ALGORITHMS[asked.algorithm])
    sure(calibrator.set_quantization_algorithm(algorithm), "calibration algorithm")
    if asked.remote:
        remote = mm.RemoteConfig()
        remote.address = asked.remote
        sure(calibrator.set_remote(remote), "calibration on " + asked.remote)
        sure(calibrator.calibrate(network, config), "calibration")
        return
    with mm.System() as system:
        if system.device_count() == 0:
            sys.exit("MagicMind refused: calibration needs an MLU, and this host has none")
        device = mm.Device()
        device.id = 0
        sure(device.active(), "calibration on the first MLU")
        sure(calibrator.calibrate(network, config), "calibration")


def main():
    parser = argparse.ArgumentParser()
    for name in ("model", "out", "arch", "mode"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument(
        "--shape", action="append", type=lambda s: [int(n) for n in s.split(",")], required=True
    )
    for name in ("samples", "algorithm", "weights", "activations", "remote"):
        parser.add_argument("--" + name)
    asked = parser.parse_args()
    network = mm.Network()
    sure(Parser(mm.ModelKind.kOnnx).parse(network, asked.model), "parsing the ONNX model")
    for number, shape in enumerate(asked.shape):
        sure(network.get_input(number).set_dimension(mm.Dims(shape)), f"the shape of input {number}")
    precision = {"precision_mode": asked.mode}
    if asked.samples:
        precision["weight_quant_granularity"] = asked.weights
        precision["activation_quant_algo"] = asked.activations
    settings = {
        "archs": [asked.arch],
        "graph_shape_mutable": False,
        "opt_config": {"type64to32_conversion": True, "conv_scale_fold": True},
        "precision_config": precision,
    }
    config = mm.BuilderConfig()
    sure(config.parse_from_string(json.dumps(settings)), "the build's settings")
    if asked.samples:
        calibrate(asked, network, config)
    model = mm.Builder().build_model("model", network, config)
    if model is None:
        sys.exit("MagicMind refused: building the model")
    sure(model.serialize_to_file(asked.out), "writing the model")


if __name__ == "__main__":
    main()
