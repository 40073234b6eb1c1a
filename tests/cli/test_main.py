"""What the small commands say of themselves and of a project, as one reads it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edgepack.cli.main import main
from edgepack.errors import Exit
from tests.digits import EXAMPLE


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example, never built, with a cache that is empty."""
    folder = tmp_path / "digits"
    shutil.copytree(
        EXAMPLE, folder, ignore=shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock", "train")
    )
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["--help"], "edgepack [-h] [-V] COMMAND ..."),
        (["-h"], "edgepack [-h] [-V] COMMAND ..."),
        (["help"], "edgepack [-h] [-V] COMMAND ..."),
        (["help", "build"], "edgepack build [-h]"),
        (["--help", "build"], "edgepack build [-h]"),
        (["build", "-h"], "edgepack build [-h]"),
        (["deploy", "box-07", "--help"], "edgepack deploy [-h]"),
    ],
)
def test_help_is_had_by_any_of_its_names(
    words: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(words)
    except SystemExit as end:  # argparse's own way to end after a command's help
        code = int(end.code or 0)
    assert code == Exit.OK
    assert capsys.readouterr().out.startswith(f"usage: {usage}")


def test_a_plan_explains_itself_in_lines_that_fit(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "x86_64", "--explain"]) == Exit.OK
    said = capsys.readouterr().out
    assert re.search(r"model/lenet\.onnx +[0-9a-f]{12}\n", said)
    assert "toolchain  zig (edgepack's default)" in said
    assert max(map(len, said.splitlines())) < 80


def test_nothing_to_clean_is_said_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dist").mkdir()
    (project / "dist" / "old").write_bytes(bytes(1000))
    assert main(["clean", "--dry-run"]) == Exit.OK
    assert "would remove 1.0 kB in 1 place\n" in capsys.readouterr().out
    assert main(["clean"]) == Exit.OK
    assert "removed 1.0 kB in 1 place\n" in capsys.readouterr().out
    assert main(["clean"]) == Exit.OK
    assert capsys.readouterr().out == "there is nothing to remove\n"


def test_the_project_above_is_pointed_to(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "src")
    assert main(["plan"]) == Exit.INPUT
    told = capsys.readouterr().err
    assert f"there is one in {project}" in told
    assert f"edgepack -C {project} …" in told
