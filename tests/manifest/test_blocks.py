"""What blocks take: one clear line for what is wrong, at the line where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import InputError
from edgepack.manifest import project
from edgepack.manifest.blocks import KINDS

HEAD = "name: a\nversion: 1.0.0\nmodel: {file: m.onnx}\ntargets: {x86_64: {}}\n"
MEL = "rate: 16000, window: 400, hop: 160, bands: 40"
V5 = "family: v5, strides: [8], anchors: [[1, 2]]"


def loaded(folder: Path, text: str) -> project.Project:
    (folder / "m.onnx").write_bytes(b"m")
    (folder / "d.cpp").write_bytes(b"//")
    (folder / project.FILE).write_text(HEAD + text)
    return project.load(folder)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("pre: [{resize: {size: [1, 1], mode: cubic}}]", "pre[0].resize.mode", "bilinear"),
        ("pre: [{resize: {size: [1, 20000]}}]", "pre[0].resize.size[1]", "16384"),
        ("pre: [{letterbox: {size: [1, 1], fill: .inf}}]", "pre[0].letterbox.fill", "finite"),
        ("pre: [{letterbox: {size: [1, 1], align: left}}]", "pre[0].letterbox.align", "corner"),
        ("pre: [{crop: {size: [1, 1], at: [-1, 0]}}]", "pre[0].crop.at[0]", "0"),
        ("pre: [{color: {order: cmyk}}]", "pre[0].color.order", "gray"),
        ("pre: [{layout: {order: nhwc}}, {resize: {size: [1, 1]}}]", "pre[1]", "comes last"),
        (f"pre: [{{logmel: {{{MEL}, fft: 200}}}}]", "pre[0].logmel", "smaller than the window"),
        (f"pre: [{{logmel: {{{MEL}, high: 9000}}}}]", "pre[0].logmel", "half can be heard"),
        (f"pre: [{{logmel: {{{MEL}, floor: 0}}}}]", "pre[0].logmel", "no logarithm"),
        (f"pre: [{{logmel: {{{MEL}}}}}, {{logmel: {{{MEL}}}}}]", "pre[1]", "a second `logmel`"),
        (f"pre: [{{resize: {{size: [1, 1]}}}}, {{logmel: {{{MEL}}}}}]", "pre[0]", "one of both"),
        ("post: [{topk: {k: 0}}]", "post[0].topk.k", "1"),
        ('post: [{topk: {labels: ["a\\0b"]}}]', "post[0].topk.labels[0]", "characters"),
        ("post: [{yolo: {family: v7}}]", "post[0].yolo.family", "v8"),
        ("post: [{yolo: {family: v8, anchors: [[1, 2]]}}]", "post[0].yolo", "v8 has no anchors"),
        ("post: [{yolo: {family: v5, strides: [8]}}]", "post[0].yolo", "1 strides and 0 lists of anchors"),
        (
            "post: [{yolo: {family: v5, strides: [8], anchors: [[1, 2, 3]]}}]",
            "post[0].yolo",
            "an odd count",
        ),
        (f"post: [{{yolo: {{{V5}, outputs: [a, b]}}}}]", "post[0].yolo", "2 outputs, and 1 are decoded"),
        ("post: [{yolo: {family: v8, score: 1.5}}]", "post[0].yolo.score", "1"),
        ("post: [{yolo: {family: v8}}, {yolo: {family: v8}}]", "post[1]", "a second `yolo`"),
        ("post: [{track: {}}]", "post[0]", "`yolo` comes before it"),
        ("post: [{softmax: {}}, {threshold: {score: 0.5}}]", "post[1]", "`yolo` comes before it"),
        ("post: [{ctc: {alphabet: ab, blank: 3}}]", "post[0].ctc", "2 characters and a blank"),
        ("post: [{ctc: {alphabet: ''}}]", "post[0].ctc.alphabet", "characters"),
        ("post: [{pick: {by: size}, track: {}}]", "post[0].pick.by", "area"),
    ],
)
def test_a_wrong_value_is_one_clear_line(tmp_path: Path, text: str, path: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, text)
    (problem,) = refused.value.problems
    assert problem.path == path
    assert problem.line == 5
    assert words in f"{problem.message} {problem.hint}"


def test_all_blocks_in_one_manifest(tmp_path: Path) -> None:
    manifest = loaded(
        tmp_path,
        f"""\
pre:
  - color: {{order: bgr}}
  - crop: {{size: [10, 10]}}
  - letterbox: {{size: [32, 32], fill: 0, align: corner}}
  - resize: {{size: [16, 16], mode: area}}
  - normalize: {{mean: [0], std: [1]}}
  - layout: {{order: nhwc}}
post:
  - sigmoid: {{output: a}}
  - softmax: {{}}
  - topk: {{k: 5}}
  - yolo: {{{V5}}}
  - threshold: {{score: 0.5}}
  - track: {{overlap: 0.5}}
  - zone: {{name: door, polygon: [[0, 0], [1, 0], [1, 1]]}}
  - line: {{name: gate, points: [[0, 0], [1, 0]]}}
  - dwell: {{name: waiting, zone: door, seconds: 5}}
  - count: {{name: passed, line: gate}}
  - schedule: {{name: open, start: "08:00", end: "18:00"}}
  - debounce: {{name: busy, field: waiting, seconds: 2}}
  - alarm: {{name: crowd, field: busy, during: open}}
  - pick: {{}}
  - ctc: {{alphabet: "ab c"}}
  - {{code: d.cpp, entry: f}}
""",
    ).manifest
    assert {block.kind for block in manifest.pre} == set(KINDS["pre"]) - {"logmel"}  # sound, not a picture
    assert {block.kind for block in manifest.post} == {*KINDS["post"], "code"} - {"each"}  # test_graph.py


def test_code_may_set_boxes_in_place_of_yolo(tmp_path: Path) -> None:
    loaded(tmp_path, "post: [{code: d.cpp, entry: f}, {track: {}}]")
