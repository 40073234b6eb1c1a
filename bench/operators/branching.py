"""The operators that need more than one node: with graphs inside, or with their inputs turned round."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from bench.operators.net import In, Net, finished

FLOAT, BOOL, INT64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64
STEPS, WIDE, HIDDEN = 10, 16, 8


def recurrent(operator: str, gates: int, direction: str) -> onnx.ModelProto:
    """(1, steps, wide) → (1, steps, directions · hidden), with the nodes that PyTorch exports around it."""
    net, count = Net(), 2 if direction == "bidirectional" else 1
    turned = net.add("Transpose", [net.take(In((1, STEPS, WIDE)))], perm=[1, 0, 2])
    sizes = (count, gates * HIDDEN, WIDE), (count, gates * HIDDEN, HIDDEN), (count, 2 * gates * HIDDEN)
    weights = [net.constant((net.rng.standard_normal(s) * 0.3).astype(np.float32)) for s in sizes]
    reset = {"linear_before_reset": 1} if operator == "GRU" else {}  # as PyTorch has it
    words = {"hidden_size": HIDDEN, "direction": direction, **reset}
    zeros = net.constant(np.zeros((count, 1, HIDDEN), np.float32))
    states = [zeros, zeros] if operator == "LSTM" else [zeros]
    made = net.add(operator, [turned, *weights, "", *states], **words)
    if count == 1:
        flat = net.add("Squeeze", [made, net.constant(np.array([1], np.int64))])
    else:
        turned = net.add("Transpose", [made], perm=[0, 2, 1, 3])
        flat = net.add("Reshape", [turned, net.constant(np.array([0, 0, -1], np.int64))])
    return finished(net, [net.add("Transpose", [flat], perm=[1, 0, 2])], 13)


def quantised_and_back() -> onnx.ModelProto:
    """QuantizeLinear and DequantizeLinear, as a model trained for 8 bits has them."""
    net = Net()
    scale, zero = net.constant(np.array(0.05, np.float32)), net.constant(np.array(128, np.uint8))
    small = net.add("QuantizeLinear", [net.take(In((1, 8, 12, 12))), scale, zero])
    return finished(net, [net.add("DequantizeLinear", [small, scale, zero])], 13)


def either() -> onnx.ModelProto:
    """One of two computations, by what the input holds."""
    net = Net()
    given = net.take(In((1, 8, 12, 12)))
    largest = net.add("ReduceMax", [given], keepdims=0)
    much = net.add("Greater", [largest, net.constant(np.array(2, np.float32))])
    two = net.constant(np.array([2], np.float32))
    graphs = {
        name: helper.make_graph(
            [helper.make_node(operator, [given, two], [f"{name}_out"], f"{name}_{operator.lower()}")],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", FLOAT, [1, 8, 12, 12])],
        )
        for name, operator in (("then_branch", "Mul"), ("else_branch", "Add"))
    }
    return finished(net, [net.add("If", [much], **graphs)], 13)


def repeated() -> onnx.ModelProto:
    """Three rounds of x·0.5 + 1."""
    net = Net()
    given = net.take(In((1, 8, 12, 12)))
    half, one = net.constant(np.array([0.5], np.float32)), net.constant(np.array([1], np.float32))
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"], "body_go"),
            helper.make_node("Mul", ["state", half], ["halved"], "body_mul"),
            helper.make_node("Add", ["halved", one], ["next"], "body_add"),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", INT64, []),
            helper.make_tensor_value_info("go", BOOL, []),
            helper.make_tensor_value_info("state", FLOAT, [1, 8, 12, 12]),
        ],
        [
            helper.make_tensor_value_info("go_on", BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, [1, 8, 12, 12]),
        ],
    )
    rounds, go = net.constant(np.array(3, np.int64)), net.constant(np.array(True))
    return finished(net, [net.add("Loop", [rounds, go, given], body=body)], 13)


def scanned() -> onnx.ModelProto:
    """A running sum over the rows of (1, steps, wide)."""
    net = Net()
    rows = net.add(
        "Reshape", [net.take(In((1, STEPS, WIDE))), net.constant(np.array([STEPS, WIDE], np.int64))]
    )
    body = helper.make_graph(
        [
            helper.make_node("Add", ["sum", "row"], ["sum_out"], "body_add"),
            helper.make_node("Identity", ["sum_out"], ["row_out"], "body_row"),
        ],
        "body",
        [helper.make_tensor_value_info(name, FLOAT, [WIDE]) for name in ("sum", "row")],
        [helper.make_tensor_value_info(name, FLOAT, [WIDE]) for name in ("sum_out", "row_out")],
    )
    start = net.constant(np.zeros(WIDE, np.float32))
    made = net.add("Scan", [start, rows], 2, body=body, num_scan_inputs=1)
    return finished(net, [f"{made}.1"], 13)
