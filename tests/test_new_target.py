"""A file of facts is all that a new target needs: one made up here is built for, and its program runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgepack.bundle import Bundle, open_bundle
from edgepack.tools import qemu

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits"
BOARD = """\
name: A board that nobody has made
facts:
  arch: {value: aarch64, source: made up for a test}
  cpu: {value: cortex-a72, source: made up for a test}
  npu_cores: {value: 3, source: made up for a test}
runtimes: [ncnn]
"""


def edgepack(folder: Path, *words: str) -> Any:
    """What a command answers with ``--json``, run as a user runs it."""
    argv = [sys.executable, "-m", "edgepack", *words, "--json", "-C", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """``examples/digits`` with one file more, and its name in the manifest."""
    folder = tmp_path / "digits"
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns(".edgepack", "dist", "__pycache__"))
    (folder / "targets").mkdir()
    (folder / "targets" / "my-board.yaml").write_text(BOARD)
    manifest = folder / "edgepack.yaml"
    manifest.write_text(manifest.read_text().replace("targets:\n", "targets:\n  my-board: {}\n"))
    return folder


def unpack(bundle: Bundle, release: Path) -> Path:
    """The bundle's files as they lie on a box."""
    for file in bundle.files:
        place = release / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with bundle.open(file) as source, place.open("wb") as out:
            shutil.copyfileobj(source, out)
        place.chmod(file.mode)
    return release


def test_it_is_known_at_once(project: Path) -> None:
    shown = edgepack(project, "targets", "my-board")
    assert shown["facts"]["npu_cores"]["value"] == 3
    assert shown["verification"] == "by contract only"
    chosen = edgepack(project, "plan", "my-board")["choices"]
    assert list(chosen) == ["my-board"]


@pytest.mark.slow
def test_its_bundle_holds_a_program_that_runs(project: Path, tmp_path: Path) -> None:
    built = edgepack(project, "build", "my-board")
    (row,) = built["bundles"]
    assert (row["target"], row["arch"]) == ("my-board", "aarch64")
    release = unpack(open_bundle(Path(row["folder"]), verify=True), tmp_path / "release")
    runner = [] if qemu.host_arch() == "aarch64" else [str(qemu.fetch("aarch64", lambda *_: None))]
    program = [*runner, str(release / "bin" / "digits")]

    about = json.loads(subprocess.run([*program, "about"], check=True, capture_output=True).stdout)
    assert (about["target"], about["arch"], about["runtime"]) == ("my-board", "aarch64", "ncnn")

    image = project / "data" / "val" / "000.pgm"
    said = subprocess.run([*program, "infer", str(image)], check=True, capture_output=True).stdout
    label = (project / "data" / "val" / "labels.csv").read_text().splitlines()[1].split(",")
    assert label[0] == image.name
    assert json.loads(said)["class"] == int(label[2])
