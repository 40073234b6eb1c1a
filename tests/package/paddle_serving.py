"""Paddle Serving's own loader on an exported folder: ``PACKAGES FOLDER INPUTS.npz ANSWERS.npz``.

Run with the Python of recipes/onnx-paddlelite, which has Paddle; PACKAGES: the servers' packages. Only what
the loader itself imports of the server is: the rest wants a client that there is for older Pythons alone.
"""

import sys
import types
from pathlib import Path

import numpy as np

packages = Path(sys.argv[1])
sys.path.append(str(packages))
for name in ("paddle_serving_server", "paddle_serving_server.pipeline"):
    module = types.ModuleType(name)
    module.__path__ = [str(packages / name.replace(".", "/"))]  # type: ignore[attr-defined]
    sys.modules[name] = module

from paddle_serving_app.local_predict import LocalPredictor  # noqa: E402

predictor = LocalPredictor()
predictor.load_model_config(sys.argv[2], use_gpu=False, ir_optim=False)
with np.load(sys.argv[3]) as given:
    feed = {name: given[name] for name in given.files}
found = predictor.predict(feed=feed, fetch=predictor.fetch_names_, batch=True)
np.savez(sys.argv[4], **{name: found[name] for name in predictor.fetch_names_})
