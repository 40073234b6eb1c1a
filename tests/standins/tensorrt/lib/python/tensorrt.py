"""Stand-in for TensorRT's Python API, as far as an int8 calibration needs it.

docs.nvidia.com/deeplearning/tensorrt, Python API: Logger, Builder, OnnxParser, IInt8Calibrator
(get_batch_size, get_batch → device addresses, read_ and write_calibration_cache). There is no GPU here, so
libcudart's cudaMalloc and cudaMemcpy (CUDA runtime API, memory management) are stood in for as well.
"""

import ctypes
import enum
import math
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(next(f for f in Path(__file__).resolve().parents if (f / "standin.py").is_file())))
import standin

__version__ = "10.3.0"
_MEMORY = {}


class _Cudart:
    @staticmethod
    def cudaMalloc(place, size):  # noqa: N802
        block = ctypes.create_string_buffer(size.value)
        _MEMORY[ctypes.addressof(block)] = block
        place._obj.value = ctypes.addressof(block)
        return 0

    @staticmethod
    def cudaMemcpy(to, data, size, kind):  # noqa: N802
        block = _MEMORY.get(to.value)
        if block is None or kind != 1 or size.value > len(block):
            return 1  # cudaErrorInvalidValue
        ctypes.memmove(block, data, size.value)
        return 0


_real_cdll = ctypes.CDLL
ctypes.CDLL = lambda name, *a, **k: (
    _Cudart if str(name).startswith("libcudart") else _real_cdll(name, *a, **k)
)


class Logger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self, level=2):
        self.level = level


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class BuilderFlag(enum.IntEnum):
    FP16 = 0
    INT8 = 1


class IInt8EntropyCalibrator2:
    table = "EntropyCalibration2"


class IInt8MinMaxCalibrator(IInt8EntropyCalibrator2):
    table = "MinMaxCalibration"


class _Tensor:
    def __init__(self, name, shape):
        self.name, self.shape = name, tuple(shape)


class _Network:
    def __init__(self):
        self.graph = None

    @property
    def num_inputs(self):
        return len(self.graph.inputs) if self.graph else 0

    def get_input(self, number):
        return _Tensor(*list(self.graph.inputs.items())[number])


class OnnxParser:
    def __init__(self, network, logger):
        self.network, self.errors = network, []

    num_errors = property(lambda self: len(self.errors))

    def get_error(self, number):
        return self.errors[number]

    def parse(self, data):
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(data)
            try:
                graph = standin.Graph(file.name)
            except standin.NotAModel:
                self.errors = ["In node -1 (importModel): INVALID_PROTOBUF: Failed to parse ONNX model"]
                return False
        if bad := graph.unsupported():
            self.errors = [
                (
                    "In node 0 (importFallbackPluginImporter): UNSUPPORTED_NODE: "
                    f"Assertion failed: creator && Plugin not found: {bad[0].type}"
                )
            ]
            return False
        self.network.graph = graph
        return True


class _Config:
    int8_calibrator = None

    def __init__(self):
        self.flags = set()

    def set_flag(self, flag):
        self.flags.add(flag)


class Builder:
    def __init__(self, logger):
        self.logger = logger

    def create_network(self, flags=0):
        return _Network()

    def create_builder_config(self):
        return _Config()

    def build_serialized_network(self, network, config):
        calibrator, inputs = config.int8_calibrator, network.graph.inputs
        if network.graph.dynamic() or BuilderFlag.INT8 not in config.flags:
            return None  # a calibration profile is needed for open shapes
        calibrator.read_calibration_cache()
        batches = 0
        while (given := calibrator.get_batch(list(inputs))) is not None:
            for address, (name, dims) in zip(given, inputs.items(), strict=False):
                if len(_MEMORY[address]) != 4 * math.prod(dims) // dims[0] * calibrator.get_batch_size():
                    print(f"[E] a batch of {name} has the wrong size")
                    return None
            batches += 1
        if not batches:
            return None
        calibrator.write_calibration_cache(f"TRT-100300-{calibrator.table}\n".encode())
        return b"stand-in"


assert re.match(r"\d", __version__)
