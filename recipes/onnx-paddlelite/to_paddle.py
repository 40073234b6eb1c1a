"""ONNX to Paddle's own format, a step of its own: ``to_paddle.py MODEL.onnx FOLDER``.

What x2paddle's program does, without what that tells its makers about each conversion.
"""

import sys
import types

import onnx

sys.modules["requests"] = types.ModuleType("requests")  # imported for those reports alone

from x2paddle.decoder.onnx_decoder import ONNXDecoder  # noqa: E402
from x2paddle.op_mapper.onnx2paddle.onnx_op_mapper import ONNXOpMapper  # noqa: E402
from x2paddle.optimizer.optimizer import GraphOptimizer  # noqa: E402

# LeakyRelu without its `alpha` ends in a KeyError: ONNX's default is written where there is none.
model = onnx.load(sys.argv[1])
default = onnx.defs.get_schema("LeakyRelu").attributes["alpha"].default_value
for node in model.graph.node:
    if node.op_type == "LeakyRelu" and not node.attribute:
        node.attribute.append(default)
onnx.save(model, "spelt-out.onnx")

mapper = ONNXOpMapper(ONNXDecoder("spelt-out.onnx", True, None))
mapper.paddle_graph.build()
GraphOptimizer(source_frame="onnx").optimize(mapper.paddle_graph)
mapper.paddle_graph.gen_model(sys.argv[2])
