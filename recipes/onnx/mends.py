"""Which hypotheses mend the numbers: outputs for several variants of the same samples, beside those wanted.

Options: ``given`` (variant after variant, ``samples`` rows each), ``variants`` (their names), ``wanted``
(``samples`` rows); or no variants, and then the outputs themselves are put in other orders and layouts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from edgepack_recipe import Refused, Request, tensors
from near import distance

Outputs = Mapping[str, np.ndarray]
MOST_OUTPUTS = 6  # 720 orders


def mends(request: Request) -> dict[str, Any]:
    """``tried``: name → output → distances. Raises Refused where an output is missing."""
    options = request.options
    given = tensors.load(Path(options["given"]))
    wanted = tensors.load(Path(options["wanted"]))
    missing = sorted(set(wanted) - set(given))
    if missing:
        raise Refused("parity", f"there is no output {missing[0]}")
    cases = _variants(given, options) if options.get("variants") else _turned(given, wanted)
    tried = {name: _held(outputs, wanted) for name, outputs in cases}
    (request.out / "mends.json").write_text("{}\n")
    return {"files": ["mends.json"], "tried": {name: held for name, held in tried.items() if held}}


def _variants(given: Outputs, options: Mapping[str, Any]) -> Iterator[tuple[str, Outputs]]:
    count = int(options["samples"])
    for number, name in enumerate(options["variants"]):
        part = slice(number * count, (number + 1) * count)
        yield str(name), {tensor: array[part] for tensor, array in given.items()}


def _held(outputs: Outputs, wanted: Outputs) -> dict[str, dict[str, float]]:
    try:
        return {tensor: distance(outputs[tensor], wanted[tensor]) for tensor in wanted}
    except Refused:
        return {}


def _turned(given: Outputs, wanted: Outputs) -> Iterator[tuple[str, Outputs]]:
    """Another order of the outputs; and each in another layout."""
    names = list(wanted)
    if 1 < len(names) <= MOST_OUTPUTS:
        for order in itertools.permutations(names):
            if list(order) != names and all(
                given[a].size == wanted[b].size for a, b in zip(order, names, strict=True)
            ):
                yield "order " + ", ".join(order), {b: given[a] for a, b in zip(order, names, strict=True)}
    for key, turn in (("nhwc", _from_nhwc), ("nchw", _from_nchw), ("axes", _swapped)):
        yield f"output {key}", {name: turn(array) for name, array in given.items()}
    reversed_ = {name: array[:, ::-1] if array.ndim > 1 else array for name, array in given.items()}
    yield "output reversed", reversed_


def _from_nhwc(values: np.ndarray) -> np.ndarray:
    """What lies there channels last, read as if it were first."""
    if values.ndim != 4:
        return values
    count, channels, height, width = values.shape
    return values.reshape(count, height, width, channels).transpose(0, 3, 1, 2)


def _from_nchw(values: np.ndarray) -> np.ndarray:
    return values.transpose(0, 2, 3, 1).reshape(values.shape) if values.ndim == 4 else values


def _swapped(values: np.ndarray) -> np.ndarray:
    return values.swapaxes(-1, -2).reshape(values.shape) if values.ndim > 2 else values
