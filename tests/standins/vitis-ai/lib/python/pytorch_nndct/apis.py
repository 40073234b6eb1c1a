"""Stand-in for vai_q_pytorch, from AMD's UG1414 (Vitis AI user guide), "vai_q_pytorch usage".

torch_quantizer(quant_mode, module, input_args, state_dict_file, output_dir, bitwidth, device,
quant_config_file, target), quant_model, export_quant_config in calib, export_xmodel(output_dir, deploy_check)
in test, with a batch of 1.
"""

from pathlib import Path

import standin


class torch_quantizer:  # noqa: N801
    def __init__(
        self,
        quant_mode,
        module,
        input_args=None,
        state_dict_file=None,
        output_dir="quantize_result",
        bitwidth=None,
        device=None,
        quant_config_file=None,
        target=None,
    ):
        if quant_mode not in ("calib", "test", "float"):
            raise ValueError(f"[VAIQ_ERROR][QUANTIZER_TORCH_BAD_MODE]: {quant_mode}")
        self.mode, self.module, self.folder, self.runs = quant_mode, module, Path(output_dir), 0
        if quant_mode == "test" and not (self.folder / "quant_info.json").is_file():
            raise RuntimeError(
                "[VAIQ_ERROR][QUANTIZER_TORCH_NO_CALIB_RESULT]: Quantization calibration is not done."
            )
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def quant_model(self):
        def run(*given):
            self.runs += 1
            if self.mode == "test" and given[0].shape[0] != 1:
                raise RuntimeError("[VAIQ_ERROR][QUANTIZER_TORCH_EXPORT_XMODEL]: the batch size must be 1")
            return self.module(*given)

        return run

    def export_quant_config(self):
        if self.mode != "calib" or not self.runs:
            raise RuntimeError("[VAIQ_ERROR]: export_quant_config needs a calib run with forward passes")
        (self.folder / "quant_info.json").write_text('{"stand-in": true}\n')

    def export_xmodel(self, output_dir="quantize_result", deploy_check=False, dynamic_batch=False):
        if self.mode != "test" or not self.runs:
            raise RuntimeError("[VAIQ_ERROR]: export_xmodel needs a test run with a forward pass")
        name = type(self.module).__name__
        standin.artifact(Path(output_dir) / f"{name}_int.xmodel", "vai_q_pytorch", [name], final=False)
        print(f"[VAIQ_NOTE]: =>Successfully convert '{name}' to xmodel.({output_dir}/{name}_int.xmodel)")
