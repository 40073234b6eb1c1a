"""The rendered project: exact values, nothing injected, nothing touched in vain."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepack.compile import quoting
from edgepack.compile.blocks import Block
from edgepack.compile.flow import FlowSpec
from edgepack.compile.render import USER_PRESETS, Gates, ProgramSpec, TensorSpec, render_program
from edgepack.errors import InputError

SPEC = ProgramSpec(
    name="digits",
    version="1.0.0",
    target="raspberry-pi-4",
    arch="aarch64",
    runtime="ncnn",
    pre=(
        Block("code", file="src/pre.cpp", entry="mine::stretch"),
        Block("resize", {"size": [28, 32]}),
        Block("normalize", {"scale": 1 / 255, "mean": [0.5, 0.25], "std": [0.5, 2]}),
    ),
    post=(Block("softmax"), Block("code", file="src/post.cpp", entry="decode")),
    inputs=(TensorSpec("in0", "image", (1, 1, 28, 28)),),
    outputs=(TensorSpec("out0", "/fc/Gemm_output_0", (1, 10)),),
    gates=Gates(0.9999, 0.001),
)


def spec(**changes: object) -> ProgramSpec:
    return dataclasses.replace(SPEC, **changes)  # type: ignore[arg-type]


def test_the_manifests_blocks_become_readable_calls_in_their_order(tmp_path: Path) -> None:
    render_program(SPEC, tmp_path)
    pipeline = (tmp_path / "src/pipeline.cpp").read_text()
    calls = [line.strip() for line in pipeline.splitlines() if re.match(r" {2}(image =|outputs|::)", line)]
    assert calls == [
        "image = ::mine::stretch(image);  // src/pre.cpp",
        "image = blocks::resize(image, 28, 32, blocks::Mode::bilinear, geometry);",
        "image = blocks::normalize(std::move(image), {{0.00392156862745098}, {0.5, 0.25}, {0.5, 2.0}});",
        "outputs.at(0) = blocks::softmax(std::move(outputs.at(0)));",
        "::decode(outputs, record);  // src/post.cpp",
    ]
    config = (tmp_path / "src/config.cpp").read_text()
    assert '{"in0", "image", {1, 28, 28}}' in config
    assert '{"out0", "/fc/Gemm_output_0", {10}}' in config
    entries = (tmp_path / "src/entries.hpp").read_text()
    assert "namespace mine { edgepack::Tensor stretch(const edgepack::Tensor& image); }" in entries
    assert "\nvoid decode(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record);" in entries


def test_the_same_spec_touches_no_file_and_a_change_touches_one(tmp_path: Path) -> None:
    def times() -> dict[str, int]:
        files = (p for p in tmp_path.rglob("*") if p.is_file())
        return {p.relative_to(tmp_path).as_posix(): p.stat().st_mtime_ns for p in files}

    render_program(SPEC, tmp_path)
    (tmp_path / "src/stale.cpp").write_text("int old;")
    (tmp_path / USER_PRESETS).write_text("{}")
    first = times()
    render_program(SPEC, tmp_path)
    assert times() == {name: at for name, at in first.items() if name != "src/stale.cpp"}
    render_program(spec(gates=Gates(0.99, 0.01)), tmp_path)
    assert {name for name, at in times().items() if at != first[name]} == {"src/config.cpp"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pre": (Block("code", file="a.cpp", entry="f(); system"),)}, "not the name of a C++ function"),
        ({"pre": (Block("code", file="a.cpp", entry="f;"),)}, "not the name of a C++ function"),
        ({"pre": (Block("code", file="a.cpp", entry="fü"),)}, "not the name of a C++ function"),
        ({"pre": (Block("code", file="../a.cpp", entry="f"),)}, "cannot be named"),
        ({"pre": (Block("code", file="/etc/a.cpp", entry="f"),)}, "cannot be named"),
        ({"pre": (Block("code", file="a.c", entry="f"),)}, "cannot be named"),
        ({"pre": (Block("code", file='a".cpp', entry="f"),)}, "cannot be named"),
        ({"pre": (Block("code", file="a;b.cpp", entry="f"),)}, "cannot be named"),
        ({"pre": (Block("code", file="${HOME}.cpp", entry="f"),)}, "cannot be named"),
        ({"pre": (Block("code", file="a\n.cpp", entry="f"),)}, "cannot be named"),
        ({"pre": (Block("softmax"),)}, "pre has no block 'softmax'"),
        ({"post": (Block("resize", {"size": [1, 1]}),)}, "post has no block 'resize'"),
        ({"pre": (Block("resize", {"width": 3}),)}, "resize takes mode, size, not width"),
        ({"pre": (Block("resize", {"size": ["1); abort(", 2]}),)}, "not a whole number"),
        ({"pre": (Block("resize", {"size": [True, 2]}),)}, "not a whole number"),
        ({"pre": (Block("normalize", {"scale": float("nan"), "mean": [0], "std": [1]}),)}, "not a finite"),
        ({"pre": (Block("normalize", {"scale": 1, "mean": ["0"], "std": [1]}),)}, "not a finite number"),
        ({"inputs": SPEC.inputs * 2}, "2 inputs"),
        ({"outputs": ()}, "0 outputs"),
        ({"outputs": SPEC.outputs * 2}, "same name"),
        ({"outputs": (TensorSpec("o", "o", (1, -1)),)}, "has the shape"),
        ({"flow": FlowSpec(".", ("r",))}, "lie in one another"),
        ({"flow": FlowSpec("inbox", ("r", "inbox/results.jsonl"))}, "lie in one another"),
        ({"flow": FlowSpec("a/b", ("a",))}, "lie in one another"),
        ({"flow": FlowSpec(sinks=("status.json",))}, "cannot be a source or a sink"),
        ({"flow": FlowSpec("../other")}, "cannot be a source or a sink"),
        ({"num_threads": -1}, "not a whole number"),
    ],
)
def test_what_cannot_be_a_program_is_refused(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        render_program(spec(**changes), tmp_path)
    assert words in refused.value.what


def test_a_sample_has_no_batch_axis() -> None:
    shapes = [(1, 10), (1, 3, 4, 4), (10,), (1,), (2, 5)]
    assert [TensorSpec("b", "t", s).sample_shape for s in shapes] == [(10,), (3, 4, 4), (10,), (1,), (2, 5)]


def unquoted(literal: str) -> bytes:
    """What a C++ compiler makes of a string literal with octal escapes only ([lex.string])."""
    assert re.fullmatch(r'"([^"\\\n]|\\[0-7]{3})*"', literal), literal
    assert "??" not in literal
    plain = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), literal[1:-1])
    return plain.encode("latin-1")


@given(st.text())
def test_a_cpp_string_is_those_bytes_and_no_more(text: str) -> None:
    assert unquoted(quoting.cpp_string(text)) == text.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_every_bit(value: float) -> None:
    literal = quoting.number(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", literal)
    assert float(literal) == value
    assert re.search(r"[.e]", literal), "an integer literal would divide like an integer"


@given(st.text())
def test_a_comment_stays_on_its_line(text: str) -> None:
    said = quoting.comment(text)
    assert len(f"// {said}".splitlines()) == 1
    assert not said.endswith("\\")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_cmake_string_ends_where_it_should(text: str) -> None:
    said = quoting.cmake_string(text)
    body = re.sub(r"\\.", "", said[1:-1], flags=re.DOTALL)
    assert said[0] == said[-1] == '"'
    assert not set(body) & set('"$;\\')


@pytest.mark.parametrize("required", [True, False])
def test_a_licence_is_asked_for_where_there_is_a_key(required: bool, tmp_path: Path) -> None:
    render_program(spec(licence_keys=("ab" * 32,), licence_required=required), tmp_path / "with")
    words = (tmp_path / "with/src/licence_keys.cpp").read_text()
    assert f'{{{{"{"ab" * 32}"}}, {str(required).lower()}}}' in words
    render_program(SPEC, tmp_path / "without")
    made = {name: {path.name for path in (tmp_path / name / "src").iterdir()} for name in ("with", "without")}
    assert made["with"] - made["without"] >= {"licence.cpp", "licence_keys.cpp", "device.cpp"}
    assert made["without"] - made["with"] == {"no_licence.cpp"}
