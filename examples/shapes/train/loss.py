"""Which cell answers for which shape, and how wrong its answer is: as YOLOv5 does it, one anchor a head.

A shape belongs to a head if both its sides are within RATIO of the head's anchor, and there to its centre's
cell and the nearest neighbour in each direction. Boxes are judged by CIoU (Zheng et al., "Distance-IoU Loss",
AAAI 2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from pipeline import ANCHORS, STRIDES
from torch import Tensor
from torch.nn import functional

RATIO = 2.5
BALANCE = (4.0, 1.5, 0.6)  # small maps have fewer cells for the same shapes
GAIN_BOX, GAIN_OBJECT, GAIN_CLASS = 1.0, 4.0, 0.8


def loss(outputs: Sequence[Tensor], shapes: Tensor) -> Tensor:
    """Outputs: (N, 11, H, W) a head. Shapes: (M, 6), as ``train.targets`` makes them."""
    total = outputs[0].new_zeros(())
    for raw, stride, anchor, balance in zip(outputs, STRIDES, ANCHORS, BALANCE, strict=True):
        image, row, column, chosen = _cells(shapes, raw.shape[-1], stride, anchor)
        there = raw[image, :, row, column]
        wanted = torch.zeros_like(raw[:, 4])
        if len(chosen):
            close = _ciou(_boxes(there, row, column, stride, anchor), chosen[:, 2:])
            classes = functional.one_hot(chosen[:, 1].long(), raw.shape[1] - 5).to(raw.dtype)
            total = total + GAIN_BOX * (1 - close).mean()
            total = total + GAIN_CLASS * functional.binary_cross_entropy_with_logits(there[:, 5:], classes)
            wanted[image, row, column] = close.detach().clamp(0)
        missed = functional.binary_cross_entropy_with_logits(raw[:, 4], wanted)
        total = total + GAIN_OBJECT * balance * missed
    return total


def _cells(shapes: Tensor, side: int, stride: int, anchor: tuple[int, int]) -> tuple[Tensor, ...]:
    """Image, row and column of each cell that answers, and the shape that it answers for."""
    ratio = shapes[:, 4:] / shapes.new_tensor(anchor)
    shapes = shapes[torch.maximum(ratio, 1 / ratio).amax(1) < RATIO]
    place = shapes[:, 2:4] / stride
    cell = place.floor()
    part = place - cell
    steps = [torch.zeros_like(cell)]
    for axis in (0, 1):
        step = torch.zeros_like(cell)
        step[:, axis] = torch.where(part[:, axis] < 0.5, -1.0, 1.0)
        steps.append(step)
    cells = torch.cat([cell + step for step in steps]).long()
    shapes = shapes.repeat(3, 1)
    inside = ((cells >= 0) & (cells < side)).all(1)
    cells, shapes = cells[inside], shapes[inside]
    return shapes[:, 0].long(), cells[:, 1], cells[:, 0], shapes


def _boxes(raw: Tensor, row: Tensor, column: Tensor, stride: int, anchor: tuple[int, int]) -> Tensor:
    """(M, 4): centre x, y, width, height in model pixels."""
    chance = raw[:, :4].sigmoid()
    centre = (2 * chance[:, :2] - 0.5 + torch.stack([column, row], 1)) * stride
    return torch.cat([centre, (2 * chance[:, 2:]) ** 2 * raw.new_tensor(anchor)], 1)


def _ciou(a: Tensor, b: Tensor) -> Tensor:
    a0, a1 = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b0, b1 = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    both = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(0).prod(1)
    iou = both / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - both + 1e-7)
    diagonal = (torch.maximum(a1, b1) - torch.minimum(a0, b0)).square().sum(1) + 1e-7
    apart = (a[:, :2] - b[:, :2]).square().sum(1) / diagonal
    bent = 4 / math.pi**2 * (torch.atan(b[:, 2] / b[:, 3]) - torch.atan(a[:, 2] / (a[:, 3] + 1e-7))).square()
    with torch.no_grad():
        weight = bent / (1 - iou + bent + 1e-7)
    return iou - apart - weight * bent
