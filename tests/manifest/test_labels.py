"""`labels: labels.txt`: a line a class, read when the manifest is; a change builds anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import InputError
from edgepack.manifest.project import named_files
from tests.manifest.test_blocks import V5, loaded

FILE = "post: [{topk: {labels: classes/names.txt}}]"


def written(folder: Path, content: bytes, text: str = FILE) -> list[str]:
    (folder / "classes").mkdir()
    (folder / "classes" / "names.txt").write_bytes(content)
    project = loaded(folder, text)
    assert ((("post", 0, project.manifest.post[0].kind, "labels")), "classes/names.txt") in named_files(
        project.manifest
    )
    dumped = project.manifest.post[0].model_dump(mode="json")
    return list(dumped[project.manifest.post[0].kind]["labels"])


@pytest.mark.parametrize(
    "content",
    [
        b"cat\ndog\n",
        b"cat\r\ndog",
        b"\xef\xbb\xbfcat  \n dog\n\n\n",
    ],
)
def test_a_line_is_a_class(tmp_path: Path, content: bytes) -> None:
    assert written(tmp_path, content) == ["cat", "dog"]


def test_yolo_takes_them_too_and_rules_know_them(tmp_path: Path) -> None:
    zone = "{zone: {name: door, polygon: [[0, 0], [1, 0], [1, 1]], classes: [CLASS]}}"
    text = f"post: [{{yolo: {{{V5}, labels: classes/names.txt}}}}, {zone}]"
    assert written(tmp_path, b"a cat\na dog\n", text.replace("CLASS", "a dog")) == ["a cat", "a dog"]
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, text.replace("CLASS", "a bird"))
    assert "no label 'a bird'" in refused.value.problems[0].message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no labels"),
        (b"\n\n", "has no labels"),
        (b"cat\n\ndog\n", "names.txt, line 2 is empty"),
        (b"cat\na\tb\n", "line 2 is no label"),
        (b"x" * 201, "line 1 is no label"),
        (b"a\n" * 10001, "10001 lines"),
        (b"a" * 9_000_000, "is larger than"),
        (b"cat\n\xff\n", "is not UTF-8"),
    ],
)
def test_what_is_no_list_of_labels_is_one_clear_line(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InputError) as refused:
        written(tmp_path, content)
    (problem,) = refused.value.problems
    assert problem.path == "post[0].topk.labels"
    assert words in problem.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("gone.txt", "there is no gone.txt"),
        ("../names.txt", "inside the project"),
        ("5", "valid list"),
        ("{a: b}", "valid list"),
    ],
)
def test_a_file_that_is_not_there_and_what_is_neither(tmp_path: Path, value: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, f"post: [{{topk: {{labels: {value}}}}}]")
    (problem,) = refused.value.problems
    assert problem.path == "post[0].topk.labels"
    assert words in problem.message
