"""A file that git left elsewhere is told as such, whichever the manifest names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgepack.errors import InputError
from edgepack.manifest import pointer, project

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (POINTER, True),
        (b"", False),
        (b"version 1\n", False),
        (POINTER + bytes(1024), False),
        (POINTER[:20], False),
    ],
    ids=["one", "empty", "another text", "too long for one", "cut off"],
)
def test_which_files_are_pointers(tmp_path: Path, data: bytes, is_one: bool) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(data)
    assert pointer.is_pointer(file) == is_one


def test_a_folder_and_nothing_are_none(tmp_path: Path) -> None:
    assert not pointer.is_pointer(tmp_path)
    assert not pointer.is_pointer(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "key"), [("model/lenet.onnx", "model.file"), ("data/golden.npz", "model.golden")]
)
def test_a_project_with_one_is_refused_before_anything_is_read(tmp_path: Path, name: str, key: str) -> None:
    folder = tmp_path / "digits"
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns(".edgepack", "dist"))
    (folder / name).write_bytes(POINTER)
    with pytest.raises(InputError) as told:
        project.load(folder)
    (problem,) = told.value.problems
    shown = str(problem)
    assert f"{name} is a Git-LFS pointer" in shown
    assert key in shown
    assert "git lfs pull" in shown
