"""Stand-in for Cambricon MagicMind's Python API, from Cambricon's magicmind_cloud samples.

gen_model.py: Network, Parser, BuilderConfig.parse_from_string, Calibrator, Builder.build_model,
serialize_to_file; calibrator.py: CalibDataInterface; buildin/python_common/model_process.py: precision_mode,
weight_quant_granularity, activation_quant_algo, and the archs: mtp_372, tp_322, mtp_592, and in its table of
clusters mtp_220, mtp_270, mtp_290; a sample builds for mtp_270.
"""

import enum
import json
import sys
from pathlib import Path

sys.path.insert(0, str(next(f for f in Path(__file__).resolve().parents if (f / "standin.py").is_file())))
import standin

__path__ = [str(Path(__file__).with_name("runtime_modules"))]  # a module with modules in it
ARCHS = {"mtp_220", "mtp_270", "mtp_290", "tp_322", "mtp_322", "mtp_372", "mtp_592"}
MODES = {
    "force_float32",
    "force_float16",
    "qint16_mixed_float16",
    "qint8_mixed_float16",
    "qint16_mixed_float32",
    "qint8_mixed_float32",
}
CHOICES = {
    "precision_mode": MODES,
    "weight_quant_granularity": {"per_tensor", "per_axis"},
    "activation_quant_algo": {"symmetric", "asymmetric"},
}


class Code(enum.Enum):
    OK = 0
    INVALID_ARGUMENT = 3
    OUT_OF_RANGE = 11


class Status:
    def __init__(self, code=Code.OK, words=""):
        self.code, self.words = code, words

    @staticmethod
    def OK():  # noqa: N802
        return Status()

    def ok(self):
        return self.code is Code.OK

    def __str__(self):
        return f"{self.code.name}: {self.words}"


def _bad(words):
    return Status(Code.INVALID_ARGUMENT, words)


class ModelKind(enum.Enum):
    kOnnx = 0  # noqa: N815
    kCaffe = 1  # noqa: N815


class DataType(enum.Enum):
    FLOAT32 = 0
    FLOAT16 = 1
    UINT8 = 2


class QuantizationAlgorithm(enum.Enum):
    LINEAR_ALGORITHM = 0
    EQNM_ALGORITHM = 1


class Dims:
    def __init__(self, dims):
        self.dims = list(dims)

    def GetDims(self):  # noqa: N802
        return self.dims

    def GetDimValue(self, axis):  # noqa: N802
        return self.dims[axis]


class _Tensor:
    def __init__(self, network, name):
        self.network, self.name = network, name

    def get_dimension(self):
        return Dims(self.network.graph.inputs[self.name])

    def set_dimension(self, dims):
        full = self.network.graph.inputs[self.name]
        if len(full) != len(dims.dims) or any(
            f > 0 and f != d for f, d in zip(full, dims.dims, strict=False)
        ):
            return _bad(f"{dims.dims} does not fit {full}")
        self.network.graph.inputs[self.name] = dims.dims
        return Status.OK()


class Network:
    def __init__(self):
        standin.begin()
        self.graph = self.path = None

    def get_input_count(self):
        return len(self.graph.inputs)

    def get_input(self, number):
        return _Tensor(self, list(self.graph.inputs)[number])


class BuilderConfig:
    def __init__(self):
        self.said = {}

    def parse_from_string(self, text):
        try:
            said = json.loads(text)
        except ValueError as error:
            return _bad(str(error))
        for arch in said.get("archs", []):
            if (arch if isinstance(arch, str) else next(iter(arch))) not in ARCHS:
                return _bad(f"unknown arch {arch}")
        for name, value in said.get("precision_config", {}).items():
            if name in CHOICES and value not in CHOICES[name]:
                return _bad(f"{name}: {value}")
        self.said.update(said)
        return Status.OK()


class CalibDataInterface:
    pass


class RemoteConfig:
    address = ""


class Calibrator:
    def __init__(self, data):
        self.data, self.algorithm, self.remote = data, None, None

    def set_quantization_algorithm(self, algorithm):
        self.algorithm = algorithm
        return Status.OK()

    def set_remote(self, remote):
        self.remote = remote
        return Status.OK()

    def calibrate(self, network, config):
        if len(self.data) != len(network.graph.inputs):
            return _bad(f"{len(self.data)} sets for {len(network.graph.inputs)} inputs")
        for data, dims in zip(self.data, network.graph.inputs.values(), strict=False):
            count = 0
            data.reset()
            while data.next().ok():
                if list(data.get_sample().shape) != dims or data.get_shape().GetDims() != dims:
                    return _bad(f"a sample of shape {data.get_sample().shape} for {dims}")
                count += 1
            if not count:
                return _bad("no samples")
        return Status.OK()


class System:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def device_count(self):
        return 1


class Device:
    id = 0

    def active(self):
        return Status.OK()


class _Model:
    def __init__(self, given):
        self.given = given

    def serialize_to_file(self, path):
        standin.artifact(path, "MagicMind", self.given)
        if standin.lie() == "hangs":
            standin.succeed("", "")
        return _bad("disk") if standin.lie() == "success-words-and-nonzero" else Status.OK()


class Builder:
    def build_model(self, name, network, config):
        said = config.said.get("precision_config", {})
        if network.graph.dynamic() and not config.said.get("graph_shape_mutable", True):
            print("[ERROR] graph_shape_mutable is false, and a shape is open")
            return None
        return (
            None
            if not said.get("precision_mode")
            else _Model([network.path, json.dumps(config.said, sort_keys=True)])
        )
