"""A Paddle Lite .nb, or the Paddle model it was made of, computed on this host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


class Lite:
    """A .nb for x86; inputs and outputs are in the ONNX graph's order."""

    def __init__(self, file: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        from paddlelite import lite

        self.inputs, self.outputs = list(inputs), list(outputs)
        configuration = lite.MobileConfig()
        configuration.set_model_from_file(str(file))
        self.predictor = lite.create_paddle_predictor(configuration)

    def answers(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        for number, name in enumerate(self.inputs):
            self.predictor.get_input(number).from_numpy(np.ascontiguousarray(feeds[name]))
        self.predictor.run()
        found = [self.predictor.get_output(number).numpy() for number in range(len(self.outputs))]
        return {name: np.array(value, dtype=np.float32) for name, value in zip(self.outputs, found)}  # noqa: B905


class Paddle:
    """The Paddle model by Paddle's own executor, for operators that Paddle Lite has on ARM alone."""

    def __init__(self, folder: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        import paddle

        self.outputs = list(outputs)
        paddle.enable_static()
        self.executor = paddle.static.Executor(paddle.CPUPlace())
        found = paddle.static.load_inference_model(str(folder / "model"), self.executor)
        self.program, feeds, self.fetched = found
        self.feeds = dict(zip(inputs, feeds))  # noqa: B905
        fetches = dict(zip(outputs, (variable.name for variable in self.fetched)))  # noqa: B905
        self.names = {"inputs": self.feeds, "outputs": fetches}
        self.operators = sorted({op.type for op in self.program.global_block().ops})

    def answers(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {self.feeds[name]: value for name, value in feeds.items()}
        found = self.executor.run(self.program, feed=given, fetch_list=self.fetched)
        return {name: np.asarray(value, np.float32) for name, value in zip(self.outputs, found)}  # noqa: B905
