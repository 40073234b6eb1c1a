"""Paddle's model with the trained model's names of inputs: ``named.py MODEL INPUTS.json INTO``.

MODEL, INTO: paths without suffix. Paddle Serving's LocalPredictor feeds what it is given by the file's own
names. Those of outputs are Paddle's whatever is done: it puts an operator behind each when it saves.
"""

import json
import sys
from pathlib import Path

import paddle

paddle.enable_static()
executor = paddle.static.Executor(paddle.CPUPlace())
program, feeds, fetched = paddle.static.load_inference_model(sys.argv[1], executor)
block = program.global_block()
wanted = json.loads(Path(sys.argv[2]).read_text())
for old, new in zip(feeds, wanted):  # noqa: B905 - Python 3.9
    if old != new and not block.has_var(new):
        block._rename_var(old, new)
names = [new if block.has_var(new) else old for old, new in zip(feeds, wanted)]  # noqa: B905
Path(sys.argv[3]).parent.mkdir(parents=True, exist_ok=True)
inputs = [block.var(name) for name in names]
outputs = [block.var(variable.name) for variable in fetched]
paddle.static.save_inference_model(sys.argv[3], inputs, outputs, executor, program=program)
