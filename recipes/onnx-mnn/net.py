"""A .mnn file as MNN's runtime computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import MNN.expr as expr
import MNN.nn as nn
import numpy as np
from edgepack_recipe import Refused

HIGH = expr.PrecisionMode.High  # float32 arithmetic around what was quantised


class Net:
    """Loaded once; ``outputs`` may be any tensors that the file has a name for."""

    def __init__(self, file: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        try:
            self.module = nn.load_module_from_file(
                str(file), self.inputs, self.outputs, precision_mode=HIGH, thread_num=2
            )
        except SystemError:  # how its module says that a name is not there, or the file no model
            self.module = None
        if self.module is None:
            raise Refused(
                "converter-failed", f"MNN cannot load {file.name}", "it is damaged, or a tensor is gone"
            )

    def answers(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """For one sample, in ONNX's layout."""
        variables = [
            expr.const(np.ascontiguousarray(feeds[name]), list(feeds[name].shape), expr.NCHW, expr.float)
            for name in self.inputs
        ]
        found = self.module.forward(variables)
        answers = {}
        for name, value in zip(self.outputs, found):  # noqa: B905
            # What `read` gives lies in the variable's own memory, so that one has to outlive the copy.
            turned = expr.convert(value, expr.NCHW)
            answers[name] = np.array(turned.read(), dtype=np.float32)
        return answers
