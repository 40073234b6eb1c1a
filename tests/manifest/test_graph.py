"""`models` and `each`: one clear line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import InputError
from edgepack.manifest.graph import part_of
from edgepack.manifest.project import named_files
from tests.manifest.test_blocks import loaded

YOLO = "{yolo: {family: v8, labels: [cat, dog]}}"
DIGIT = "{digit: {file: m.onnx, golden: m.onnx, pre: [{code: d.cpp, entry: f}], post: [{softmax: {}}]}}"


def graph(post: str = f"[{YOLO}, {{each: {{model: digit}}}}]", models: str = DIGIT, more: str = "") -> str:
    return f"post: {post}\nmodels: {models}\n{more}"


def test_a_part_is_a_manifest_of_its_own(tmp_path: Path) -> None:
    manifest = loaded(tmp_path, graph()).manifest
    part = part_of(manifest, "digit")
    assert (part.name, part.model.golden, [b.kind for b in part.post]) == ("a-digit", "m.onnx", ["softmax"])
    assert part.targets == manifest.targets
    assert (("models", "digit", "pre", 0, "code"), "d.cpp") in named_files(manifest)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (
            graph(f"[{YOLO}, {{each: {{model: digits}}}}]").replace("models: {digit", "models: {x"),
            "post[1]",
            "no",
        ),
        (graph("[{each: {model: digit}}]"), "post[0]", "`yolo` comes before it"),
        (graph(f"[{YOLO}]"), "models.digit", "nothing asks it"),
        (
            graph(f"[{YOLO}, {{each: {{model: digit}}}}, {{each: {{model: digit}}}}]"),
            "post[2]",
            "a second `each`",
        ),
        (graph(models="{digit: {file: gone.onnx}}"), "models.digit.file", "there is no gone.onnx"),
        (
            graph(models="{digit: {file: m.onnx, post: [{track: {}}]}}"),
            "models.digit.post[0]",
            "`yolo` comes",
        ),
        (
            graph(models="{digit: {file: m.onnx, post: [{topk: {labels: d.cpp}}]}}"),
            "models.digit.post[0]",
            "so far",
        ),
        (
            graph(models=f"{{digit: {{file: m.onnx, post: [{YOLO}, {{each: {{model: digit}}}}]}}}}"),
            "models.digit.post[1]",
            "the first model's `post` alone",
        ),
        (graph(more="form: sdk"), "models", "for the form `app` so far"),
        (graph(models="{Digit: {file: m.onnx}}"), "models.Digit", "lower-case"),
    ],
)
def test_a_wrong_graph_is_one_clear_line(tmp_path: Path, text: str, path: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, text)
    found = [p for p in refused.value.problems if p.path.startswith(path)]
    assert found
    assert words in f"{found[0].message} {found[0].hint}"
