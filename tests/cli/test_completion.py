"""The completion script, sourced by a real bash, offers what there is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgepack.cli.completion import NAMES
from edgepack.cli.main import main

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"

SCRIPT = """
source <(edgepack completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
$(complete -p edgepack | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("dep",), "deploy"),
        (("deploy", "b"), "box-07"),
        (("build", "--for", "b"), "box-07"),
        (("build", "x86_64-o"), "x86_64-openvino"),
        (("targets", "ris"), "riscv64"),
        (("sandbox", "u"), "up"),
        (("recipes", "onnx-rknn1"), "onnx-rknn1"),
        (("recipes", "check", "tflite-e"), "tflite-edgetpu"),
        (("completion", "fi"), "fish"),
        (("ask", "box-07", "fl"), "fleet.yaml"),
        (("build", "-C", "s"), "src"),
        (("deploy", "--dr"), "--dry-run"),
    ],
)
def test_what_bash_offers(words: tuple[str, ...], offered: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", "edgepack", *words],
        cwd=DIGITS,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [offered]


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh"])
def test_other_shells_get_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for wanted in ("rollback", *(f"edgepack completion {names}" for names in NAMES)):
        assert wanted in script
    assert "nodes targets" not in script  # nobody is offered what only the scripts ask for


def test_what_the_scripts_ask_for(capsys: pytest.CaptureFixture[str]) -> None:
    for names, one in {"nodes": "box-07", "targets": "rk3588", "recipes": "onnx-rknn"}.items():
        assert main(["completion", names, "-C", str(DIGITS)]) == 0
        assert one in capsys.readouterr().out.split()


def test_a_shell_that_is_none_is_told_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "ksh"]) == 2
    said = capsys.readouterr().err
    assert "fish" in said
    assert "targets" not in said
