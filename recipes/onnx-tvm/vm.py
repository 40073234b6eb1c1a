"""A library made for this host, as TVM's virtual machine computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tvm
from tvm import relax


class Vm:
    """inputs: in the graph's order; outputs: what the results are called, in the graph's order."""

    def __init__(self, library: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.machine = relax.VirtualMachine(tvm.runtime.load_module(str(library)), tvm.cpu())

    def answers(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """For one sample."""
        given = [tvm.runtime.tensor(np.ascontiguousarray(feeds[name])) for name in self.inputs]
        found = self.machine["main"](*given)
        values = [found] if hasattr(found, "numpy") else list(found)
        return {name: value.numpy() for name, value in zip(self.outputs, values, strict=True)}
