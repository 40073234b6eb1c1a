"""Whatever stands at any place of a manifest, it is read or refused with its line; nothing else happens."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.errors import InputError
from edgepack.manifest import project

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
MANIFEST = """\
name: digits
version: 1.0.0
form: app
model:
  file: model/lenet.onnx
  golden: data/golden.npz
  accuracy: {metric: {code: src/right.py, entry: right}, data: data/val/, max_drop: 0.01}
  calibration: {data: data/golden.npz, samples: 64}
  prune: {magnitude: 0.3}
  simplify: true
  opset: 13
  shapes: {image: [1, 1, 28, 28]}
  split: {at: flatten1, before: [rk3588], after: [x86_64]}
pre:
  - {code: src/pre.cpp, entry: stretch}
  - resize: {size: [28, 28], mode: bilinear}
  - normalize: {scale: 0.0039, mean: [0.5], std: [0.5]}
post:
  - softmax: {output: logits}
  - {code: src/post.cpp, entry: decode}
targets:
  x86_64:
    precision: int8
    quantisation: {scheme: asymmetric, granularity: per-channel, method: minmax, keep: [conv1], search: 4}
    parity: {cosine: 0.9}
    options: {level: 1}
  rk3588: {precision: int8}
parity: {cosine: 0.9, max_abs: 1.0, records: 0.5}
sdk: {cann: ../cann}
"""
ODD: list[Any] = [None, "", -1, 1e308, float("nan"), [], {}, "x" * 5000, "\u202e\0", True, 10**30, [[None]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("odd") / "digits"
    shutil.copytree(DIGITS, made, ignore=shutil.ignore_patterns(".edgepack", "dist"))
    (made / "src" / "right.py").write_text("")
    return made


def places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in below:
        yield (*above, key)
        yield from places(inner, (*above, key))


def with_odd(whole: Any, place: tuple[str | int, ...], odd: Any) -> str:
    inner = made = copy.deepcopy(whole)
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    return str(yaml.safe_dump(made, allow_unicode=True))


def test_it_is_read_or_refused(folder: Path) -> None:
    whole = yaml.safe_load(MANIFEST)
    read = 0
    for place in places(whole):
        for odd in ODD:
            (folder / "edgepack.yaml").write_text(with_odd(whole, place, odd))
            try:
                found = project.load(folder)
            except InputError:
                continue
            # Values become parts of keys and of requests, which are JSON.
            json.dumps(found.manifest.model_dump(mode="json"), allow_nan=False)
            read += 1
    assert read > 20, "options, names of tensors and the like may be nearly anything"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("model/lenet.onnx", "x" * 256, "this is too long for a path"),
        ("model/lenet.onnx", "a/" * 1100 + "a", "this is too long for a path"),
        ("../cann", "x" * 300, "this is too long for a path"),
        ("../cann", "''", "this is not a path"),
        ("level: 1", "level: .nan", "options have text, finite numbers"),
    ],
)
def test_what_is_refused_is_told_with_its_line(folder: Path, old: str, new: str, says: str) -> None:
    (folder / "edgepack.yaml").write_text(MANIFEST.replace(old, new))
    with pytest.raises(InputError) as raised:
        project.load(folder)
    (problem,) = raised.value.problems
    assert says in problem.message
    assert problem.line == next(n for n, line in enumerate(MANIFEST.splitlines(), 1) if old in line)
