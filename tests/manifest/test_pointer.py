"""A file that git left elsewhere is told as such, whichever the manifest names."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from edgepack.errors import Exit, InputError
from edgepack.manifest import pointer, project
from edgepack.tools.runner import command, run

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


# A key of the manifest → what else it wants there, the folder, and which of its files are pointers.
FOLDERS = {
    "model.accuracy.data": ("", "data/val", ("000.pgm",)),
    "model.calibration.data": ("calibration: {data: data/calib/}", "data/calib", ("a/0.pgm", "a/1.pgm")),
    "model.file": ("saved", "saved", ("variables/variables.index",)),
}


@pytest.mark.parametrize("key", FOLDERS)
def test_one_inside_of_a_named_folder_is_told_by_its_name(key: str, tmp_path: Path) -> None:
    more, inside, names = FOLDERS[key]
    folder = tmp_path / "digits"
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns(".edgepack", "dist"))
    for name in ("saved_model.pb", *names) if more == "saved" else names:
        (folder / inside / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside / name).write_bytes(POINTER if name in names else b"a model")
    text = (folder / "edgepack.yaml").read_text()
    if more == "saved":
        text = text.replace("file: model/lenet.onnx", "file: saved")
    elif more:
        text = text.replace("  golden:", f"  {more}\n  golden:")
    (folder / "edgepack.yaml").write_text(text)
    argv = (sys.executable, "-m", "edgepack", "-C", folder, "plan", "x86_64")
    done = run(command(*argv, env={"EDGEPACK_CACHE": str(tmp_path / "cache")}))
    told = done.text()
    assert done.returncode == Exit.INPUT, told
    assert key in told
    assert f"{inside}/{names[0]}" in told
    assert ("and 1 more beside it are Git-LFS pointers" in told) == (len(names) > 1)
    assert "git lfs pull" in told
    for name in names:  # once they are fetched, nothing of it is left
        shutil.copyfile(DIGITS / "data/val/000.pgm", folder / inside / name)
    assert "Git-LFS" not in run(command(*argv, env={"EDGEPACK_CACHE": str(tmp_path / "cache")})).text()
