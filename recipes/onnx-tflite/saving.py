"""TensorFlow in a process of its own: ``saving.py ASKED.json``; ``answers.npz`` and ``done.json``, last.

``compute``: onnx2tf's SavedModel on ``inputs``. ``serve``: another one of it, ``model/``, whose signature
takes and gives tensors by the names and in the order of axes of the trained model; read again, and computed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

OWN = "serving_default"  # onnx2tf's


def main(asked: dict[str, Any]) -> None:
    with np.load(asked["inputs"], allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    loaded = tf.saved_model.load(asked["model"])
    if asked["do"] == "compute":
        signature = loaded.signatures[OWN]
        feeds = [{n: _last(a[i : i + 1]) for n, a in arrays.items()} for i in range(_count(arrays))]
    else:
        _save(loaded, asked)
        loaded = tf.saved_model.load("model")
        signature = loaded.signatures[asked["signature"]]
        feeds = [{n: a[i : i + 1] for n, a in arrays.items()} for i in range(_count(arrays))]
    answers = [signature(**{n: tf.constant(a) for n, a in feed.items()}) for feed in feeds]
    stacked = {name: np.stack([np.asarray(each[name]) for each in answers]) for name in answers[0]}
    np.savez("answers.npz", **stacked)
    said = {"outputs": {name: list(values.shape[1:]) for name, values in stacked.items()}}
    Path("done.json").write_text(json.dumps(said))


def _save(loaded: Any, asked: dict[str, Any]) -> None:
    """``model/``: axes are turned inside of it."""
    inner = loaded.signatures[OWN]

    class Served(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.loaded = loaded  # what it is made of is saved along with it

        @tf.function
        def serve(self, *given: Any) -> dict[str, Any]:
            feeds = {n: _turned(value, False) for (n, _), value in zip(asked["takes"], given, strict=True)}
            found = inner(**feeds)
            return {
                name: tf.reshape(_turned(found[place], True) if last else found[place], shape, name=name)
                for name, place, last, shape in asked["gives"]
            }

    module = Served()
    specs = [tf.TensorSpec(shape, tf.float32, name) for name, shape in asked["takes"]]
    concrete = module.serve.get_concrete_function(*specs)
    tf.saved_model.save(module, "model", signatures={asked["signature"]: concrete})


def _turned(value: Any, back: bool) -> Any:
    """Channels last, as onnx2tf makes every input of three to five dimensions; or first again."""
    rank = len(value.shape)
    if rank not in (3, 4, 5):
        return value
    order = [0, rank - 1, *range(1, rank - 1)] if back else [0, *range(2, rank), 1]
    return tf.transpose(value, order)


def _last(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(array, 1, -1) if array.ndim in (3, 4, 5) else array)


def _count(arrays: dict[str, np.ndarray]) -> int:
    return min(len(array) for array in arrays.values())


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
