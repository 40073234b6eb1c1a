"""Every block as C++: values by filters alone, headers of those that are used, outputs by their names."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from edgepack.compile.blocks import Block
from edgepack.compile.render import TensorSpec, render_program
from edgepack.compile.toolchains.select import toolchain
from edgepack.errors import InputError
from edgepack.manifest.blocks import KINDS
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run
from tests.compile.test_render import SPEC

HEADS = tuple(TensorSpec(f"out{i}", name, (1, 21, 4, 4)) for i, name in enumerate(("p3", "p4", "p5")))
ANCHORS = [[10, 13, 16, 30], [30, 61, 62, 45], [116, 90, 156, 198]]
YOLO: dict[str, Any] = {"family": "v5", "strides": [8, 16, 32], "anchors": ANCHORS}


def pipeline(folder: Path, pre: tuple[Block, ...] = (), post: tuple[Block, ...] = ()) -> str:
    render_program(dataclasses.replace(SPEC, pre=pre, post=post, outputs=HEADS), folder)
    return (folder / "src" / "pipeline.cpp").read_text()


CALLS: list[tuple[str, Block, str]] = [
    (
        "pre",
        Block("resize", {"size": [2, 3], "mode": "area"}),
        "resize(image, 2, 3, blocks::Mode::area, geometry)",
    ),
    (
        "pre",
        Block("letterbox", {"size": [2, 3], "align": "corner"}),
        "letterbox(image, {2, 3, 114.0, blocks::Align::corner, blocks::Mode::bilinear}, geometry)",
    ),
    ("pre", Block("crop", {"size": [2, 3]}), "crop(image, {2, 3, -1, -1}, geometry)"),
    ("pre", Block("crop", {"size": [2, 3], "at": [0, 5]}), "crop(image, {2, 3, 0, 5}, geometry)"),
    ("pre", Block("color", {"order": "bgr"}), "color(std::move(image), blocks::Color::bgr)"),
    ("pre", Block("layout", {"order": "nhwc"}), "layout(std::move(image), blocks::Layout::nhwc)"),
    (
        "pre",
        Block(
            "logmel", {"rate": 16000, "window": 400, "hop": 160, "bands": 40, "fft": 512, "scale": "slaney"}
        ),
        "0.0, 8000.0,  // Hz\n      blocks::Logmel::Scale::slaney, false, true,",
    ),
    ("post", Block("sigmoid", {"output": "p4"}), "outputs.at(1) = blocks::sigmoid(std::move(outputs.at(1)))"),
    ("post", Block("topk", {"labels": ['"a', "b\\"]}), 'blocks::Topk step1{1, {"\\042a", "b\\134"}}'),
    ("post", Block("yolo", {**YOLO, "outputs": ["p5", "p4", "p3"]}), "{2, 1, 0},  // outputs"),
    (
        "post",
        Block("yolo", YOLO),
        "{{10.0, 13.0, 16.0, 30.0}, {30.0, 61.0, 62.0, 45.0}, {116.0, 90.0, 156.0, 198.0}}",
    ),
    ("post", Block("yolo", {"family": "v8"}), "{},  // strides"),
    ("post", Block("threshold", {"score": 0.1}), "threshold(0.1, record)"),
    ("post", Block("pick", {"by": "area"}), "pick(blocks::Pick::area, record)"),
    ("post", Block("ctc", {"alphabet": "aé"}), 'blocks::Ctc step1{{"a", "\\303\\251"}, 0}'),
    ("post", Block("track", {"patience": 3}), "static blocks::Tracker step1(0.3, 3)"),
    (
        "post",
        Block("zone", {"name": "door", "polygon": [[0, 0], [1, 0], [1, 0.5]], "classes": ['a"']}),
        '{1.0, 0.0}, {1.0, 0.5}},\n      blocks::Unit::fraction, blocks::Anchor::bottom, {"a\\042"}}',
    ),
    (
        "post",
        Block("line", {"name": "g", "points": [[0, 0], [9, 1]], "margin": 2}),
        "{0.0, 0.0}, {9.0, 1.0}}, 2.0,",
    ),
    ("post", Block("dwell", {"name": "w", "zone": "door", "seconds": 5}), 'step1("w", "door", 5.0, 1.0)'),
    ("post", Block("count", {"name": "c", "zone": "door"}), 'step1("c", blocks::Count::Of::zone, "door")'),
    ("post", Block("count", {"name": "c", "line": "gate"}), 'step1("c", blocks::Count::Of::line, "gate")'),
    (
        "post",
        Block("schedule", {"name": "o", "days": ["mon"], "start": "08:00", "utc_offset": "-01:00"}),
        'step1("o", {"mon"}, "08:00", "24:00", "-01:00")',
    ),
    (
        "post",
        Block("debounce", {"name": "d", "field": "c", "frames": 3}),
        'step1({"d", "c", 1.0, 3, 3, 0.0})',
    ),
    (
        "post",
        Block("debounce", {"name": "d", "field": "c", "seconds": 2}),
        'step1({"d", "c", 1.0, 0, 0, 2.0})',
    ),
    ("post", Block("alarm", {"name": "a", "field": "c", "at": 3}), 'step1({"a", "c", 3.0, 0.0, 0.0, ""})'),
]


@pytest.mark.parametrize(("section", "block", "call"), CALLS, ids=range(len(CALLS)))
def test_a_block_is_one_readable_call(tmp_path: Path, section: str, block: Block, call: str) -> None:
    text = pipeline(tmp_path, **{section: (block,)})
    assert call in text
    # Its own header and no other: a block costs nothing where it is not used.
    assert re.findall(r"blocks/(\w+)\.hpp", text) == [block.kind]


@pytest.mark.slow
def test_every_call_is_cpp(tmp_path: Path) -> None:
    """All of them in one pipeline, with the program's own warnings as errors."""
    sections = {
        kind: tuple(block for section, block, _ in CALLS if section == kind) for kind in ("pre", "post")
    }
    pipeline(tmp_path, **sections)
    tools = toolchain("zig", host_arch())
    words = (
        "-std=c++17",
        "-c",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-I",
        "include",
        "-I",
        "src",
        "-o",
        "pipeline.o",
    )
    done = run(command(*tools.cxx, *words, "src/pipeline.cpp", cwd=tmp_path, env=tools.env))
    assert done.ok, done.text()


def test_each_block_has_its_header(tmp_path: Path) -> None:
    pipeline(tmp_path)
    there = {path.stem for path in (tmp_path / "src" / "blocks").iterdir()}
    assert {*KINDS["pre"], *KINDS["post"]} <= there


@pytest.mark.parametrize(
    ("post", "words"),
    [
        (Block("softmax", {"output": "p6"}), "no output 'p6'"),
        (
            Block("yolo", {"family": "v5", "strides": [8] * 4, "anchors": [*ANCHORS, [1, 2]]}),
            "decodes 4 outputs",
        ),
        (Block("yolo", {**YOLO, "family": "v5}; abort("}), "not a word"),
        (Block("yolo", {**YOLO, "strides": ["8}; abort(", 16, 32]}), "not a whole number"),
        (Block("yolo", {**YOLO, "anchors": [["1"], [2], [3]]}), "not a finite number"),
        (Block("pick", {"by": "area, record); abort("}), "not a word"),
        (Block("track", {"patience": -1}), "not a whole number"),
        (Block("track", {"patience": 1.5}), "not a whole number"),
        (Block("threshold", {}), "threshold takes score, not nothing"),
    ],
)
def test_what_is_no_value_of_a_block_is_refused(tmp_path: Path, post: Block, words: str) -> None:
    with pytest.raises(InputError) as refused:
        pipeline(tmp_path, post=(post,))
    assert words in refused.value.what
