"""Stand-in for RKNN-Toolkit 1.7's `rknn.api.RKNN`: methods return 0, and -1 where they failed.

The signature of config: Rockchip's "RKNNToolkit2 API Difference With Toolkit1.6" (its Toolkit1 half). Uses
of load_onnx, build, export_rknn and of their codes: rockchip-linux/rknn-toolkit, examples;
airockchip/rknn_model_zoo examples/yolov5/python/convert.py (platforms rk1808, rv1109, rv1126: u8 or fp).
Samples: issue 421, `input.numpy need NHWC format`; several inputs: a line has their files apart by spaces.
Opsets: issue 484, version 1.7.5, `Unsupport onnx opset 17, need <= 12!` and the exception after it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(next(f for f in Path(__file__).resolve().parents if (f / "standin.py").is_file())))
import standin

PLATFORMS = {"rk1806", "rk1808", "rk3399pro", "rv1109", "rv1126"}
DTYPES = {
    "asymmetric_affine-u8",
    "asymmetric_quantized-u8",
    "dynamic_fixed_point-8",
    "dynamic_fixed_point-16",
    "dynamic_fixed_point-i8",
    "dynamic_fixed_point-i16",
}
NEWEST_OPSET = 12
ALGORITHMS = {"normal", "mmse", "kl_divergence"}


def _failed(words):
    print(f"E {words}")
    return 0 if standin.lie() == "failure-exit-0" else -1


class RKNN:
    def __init__(self, verbose=False, verbose_file=None):
        standin.begin()
        self.graph = self.path = None
        self.said, self.built = {}, False

    def config(
        self,
        batch_size=100,
        caffe_mean_file=None,
        dtype="float32",
        epochs=-1,
        force_gray=None,
        input_fitting="scale",
        input_normalization=None,
        mean_file=None,
        model_data_format="zone",
        model_quantize=None,
        optimize="Default",
        quantized_dtype="asymmetric_affine-u8",
        quantized_moving_alpha=0.01,
        quantized_algorithm="normal",
        quantized_divergence_nbins=1024,
        mmse_epoch=3,
        random_brightness=None,
        random_contrast=None,
        random_crop=None,
        random_flip=None,
        random_mirror=None,
        reorder_channel=None,
        restart=False,
        samples=-1,
        need_horizontal_merge=False,
        deconv_merge=True,
        conv_mul_merge=True,
        quantized_hybrid=False,
        output_optimize=0,
        remove_tensorflow_output_permute=False,
        optimization_level=3,
        target_platform=None,
        mean_values=None,
        std_values=None,
        channel_mean_value=None,
        force_builtin_perm=False,
        do_sparse_network=True,
        merge_dequant_layer_and_output_node=False,
        quantize_input_node=False,
        inputs_scale_range=None,
    ):
        platforms = [target_platform] if isinstance(target_platform, str) else target_platform or ["rk1808"]
        if not set(platforms) <= PLATFORMS:
            return _failed(f"Unsupported target platform: {target_platform}, supports: {sorted(PLATFORMS)}")
        if quantized_dtype not in DTYPES:
            return _failed(f"Unsupported quantized_dtype: {quantized_dtype}")
        if quantized_algorithm not in ALGORITHMS:
            return _failed(f"Unsupported quantized_algorithm: {quantized_algorithm}")
        self.said = {"platform": platforms, "dtype": quantized_dtype, "mean": mean_values, "std": std_values}
        return 0

    def load_onnx(self, model, inputs=None, input_size_list=None, outputs=None):
        try:
            graph = standin.Graph(model)
        except (OSError, standin.NotAModel) as error:
            return _failed(f"Catch exception when loading onnx model: {model}!\nE {error}")
        if graph.opset > NEWEST_OPSET:
            return _failed(
                f"Unsupport onnx opset {graph.opset}, need <= {NEWEST_OPSET}!\n"
                f"E Catch exception when loading onnx model: {model}!"
            )
        if bad := graph.unsupported(standin.CONTROL_FLOW):
            return _failed(
                f"Try match {bad[0].name}:out0 failed, catch exception!\n"
                "W ----------------Warning(1)----------------\n"
                f"E Catch exception when loading onnx model: {model}!"
            )
        for name, dims in zip(inputs or list(graph.inputs), input_size_list or [], strict=False):
            full = graph.inputs.get(name)
            # input_size_list has no batch
            if (
                full is None
                or len(dims) != len(full) - 1
                or any(f > 0 and f != d for f, d in zip(full[1:], dims, strict=False))
            ):
                return _failed(f"input {name} {dims} does not fit the model's {graph.inputs}")
            graph.inputs[name] = [1, *dims]
        if graph.dynamic():
            return _failed(f"The input shape {graph.dynamic()} is not support")
        self.graph, self.path = graph, Path(model)
        return 0

    def build(self, do_quantization=True, dataset="./dataset.txt", pre_compile=False, rknn_batch_size=1):
        if self.graph is None:
            return _failed("build: no model is loaded")
        if do_quantization:
            if not Path(dataset).is_file():
                return _failed(f"dataset {dataset} not found")
            for line in filter(None, Path(dataset).read_text().splitlines()):
                files = line.split()
                if len(files) != len(self.graph.inputs):
                    return _failed(
                        f"{len(files)} files in a line, and the model has {len(self.graph.inputs)} inputs"
                    )
                for file, dims in zip(files, self.graph.inputs.values(), strict=False):
                    _n, *rest = dims
                    wanted = (*rest[1:], rest[0]) if len(rest) == 3 else tuple(rest)
                    try:
                        shape, _ = standin.npy(file)
                    except (OSError, standin.Bad) as error:
                        return _failed(str(error))
                    if shape in (tuple(rest), tuple(dims)) and tuple(rest) != wanted:
                        print("W input.numpy need NHWC format")  # issue 421: it goes on, and returns 0
                    elif shape not in (wanted, (1, *wanted)):
                        return _failed(
                            f"ValueError: cannot reshape array of shape {shape} into shape {wanted}"
                        )
        self.built = True
        return 0

    def export_rknn(self, export_path):
        if not self.built:
            return _failed("export_rknn: build first")
        standin.artifact(export_path, "rknn-toolkit", [self.path, self.said])
        if standin.lie() == "hangs":
            standin.succeed("", "")
        return -1 if standin.lie() == "success-words-and-nonzero" else 0

    def release(self):
        return None
