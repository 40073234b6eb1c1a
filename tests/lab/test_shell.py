"""Every shell script of the project, and the one that goes to boxes, in shellcheck's eyes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgepack.box import script

PROJECT = Path(__file__).parents[2]


def _scripts() -> list[Path]:
    """Tracked and new files that a shell would run, but not the parts of the box's script."""
    said = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    files = [PROJECT / name for name in said.split("\0") if name]
    return [file for file in files if file.is_file() and _is_shell(file)]


def _is_shell(file: Path) -> bool:
    with file.open("rb") as opened:
        first = opened.readline(80)
    return first.startswith(b"#!") and first.rstrip().endswith(b"sh") and file.parent.name != "sh"


def _findings(text: bytes, *options: str) -> str:
    done = subprocess.run(["shellcheck", *options, "-"], input=text, capture_output=True, check=False)
    return done.stdout.decode()


@pytest.mark.parametrize("file", _scripts(), ids=lambda file: str(file.relative_to(PROJECT)))
def test_script(file: Path) -> None:
    busybox = ("-s", "sh") if file.read_bytes().startswith(b"#!/bin/busybox") else ()
    assert _findings(file.read_bytes(), *busybox) == ""


def test_script_for_boxes() -> None:
    assert _findings(script.text(), "-s", "sh") == ""
