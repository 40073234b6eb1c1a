"""Finds TensorRT's int8 ranges. ``calibrate.py MODEL LIST CACHE entropy|minmax``

Runs on the box, in the Python that TensorRT came with (3.6 and later); no NumPy, no pycuda: the samples are
raw float32, and go to the GPU by libcudart. LIST has a line a sample, the paths of its inputs'
files, from the list's own folder on.
"""

import ctypes
import sys
from pathlib import Path

import tensorrt as trt

KINDS = {"entropy": "IInt8EntropyCalibrator2", "minmax": "IInt8MinMaxCalibrator"}
TO_DEVICE = 1


def cudart():
    for version in ("", ".13", ".12", ".11.0", ".10.2"):
        try:
            return ctypes.CDLL("libcudart.so" + version)
        except OSError:
            continue
    sys.exit("libcudart was not found: add CUDA's lib64 to LD_LIBRARY_PATH")


def calibrator(kind, names, rows, cache):
    """names: the model's inputs in order; rows: a sample's files in that order."""
    cuda = cudart()

    class Samples(getattr(trt, KINDS[kind])):
        def __init__(self):
            super().__init__()
            self.at, self.buffers = 0, {}

        def get_batch_size(self):
            return 1

        def get_batch(self, wanted, *_):
            if self.at >= len(rows):
                return None
            row = dict(zip(names, rows[self.at]))  # noqa: B905 - Python 3.6
            self.at += 1
            return [self.put(name, row[name].read_bytes()) for name in wanted]

        def put(self, name, data):
            if name not in self.buffers:
                place = ctypes.c_void_p()
                if cuda.cudaMalloc(ctypes.byref(place), ctypes.c_size_t(len(data))):
                    sys.exit("out of memory on the GPU")
                self.buffers[name] = place
            size = ctypes.c_size_t(len(data))
            if cuda.cudaMemcpy(self.buffers[name], data, size, TO_DEVICE):
                sys.exit("Cuda failure: a sample could not be copied to the GPU")
            return int(self.buffers[name].value)

        def read_calibration_cache(self):
            return None

        def write_calibration_cache(self, data):
            cache.write_bytes(bytes(data))

    return Samples()


def main(model, listed, cache, kind):
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(1 << int(explicit) if explicit is not None else 0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(Path(model).read_bytes()):
        sys.exit("\n".join(str(parser.get_error(i)) for i in range(parser.num_errors)))
    names = [network.get_input(i).name for i in range(network.num_inputs)]
    base = Path(listed).parent
    rows = [[base / file for file in line.split()] for line in Path(listed).read_text().splitlines()]
    config = builder.create_builder_config()
    config.set_flag(trt.BuilderFlag.INT8)
    config.int8_calibrator = calibrator(kind, names, rows, Path(cache))
    build = getattr(builder, "build_serialized_network", None) or builder.build_engine
    if build(network, config) is None:
        sys.exit("TensorRT built no engine while it calibrated")


if __name__ == "__main__":
    main(*sys.argv[1:5])
