"""The completion script, sourced by a real bash, offers what there is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
        (("build", "x86_64-"), "x86_64-openvino"),
        (("targets", "ris"), "riscv64"),
        (("sandbox", "u"), "up"),
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


def test_other_shells_get_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    from edgepack.cli.main import main

    for shell in ("zsh", "tcsh"):
        assert main(["completion", shell]) == 0
        assert "rollback" in capsys.readouterr().out
