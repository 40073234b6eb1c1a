"""The box's script on a slow disk: whoever waits for it sees that it lives, and waits no longer than that."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgepack.box import script
from tests.box.boxsh import BoxSh, sha
from tests.box.test_script import RUNS, box, one
from tests.releases import APP

__all__ = ["box", "one"]

# In place of a tool that a slow disk holds up: it goes on when the test has seen what it wants to see.
HELD = """#!/bin/sh
while [ ! -e {go} ]; do sleep 0.1; done
exec {tool} "$@"
"""


def held(box: BoxSh, folder: Path, tool: str, noun: str, *arguments: str, stdin: bytes = b"") -> list[str]:
    """All lines of a noun during which ``tool`` waited for the first sign of life."""
    go, shims = folder / "go", folder / "shims"
    shims.mkdir()
    real = next(path for at in ("/usr/bin", "/bin") if (path := Path(at, tool)).exists())
    (shims / tool).write_text(HELD.format(go=go, tool=real))
    (shims / tool).chmod(0o755)
    argv = [*box.shell, str(box.root / "bin" / script.name()), str(box.root), noun, *arguments]
    env = {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}"}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(stdin)
            process.stdin.close()
            lines = [process.stdout.readline(), process.stdout.readline()]
            assert process.poll() is None
        finally:
            go.touch()
        lines += process.stdout.read().splitlines(keepends=True)
    assert process.returncode == 0
    return [line.decode().rstrip("\n") for line in lines]


@pytest.mark.parametrize("noun", ["lock", "secrets", "switch", "confirm"])
def test_while_the_disk_is_written_there_are_signs_of_life(one: BoxSh, tmp_path: Path, noun: str) -> None:
    token = one.lock()
    release = one.install(token, RUNS)
    if noun == "confirm":
        one("switch", token, APP, release, "60")
    if noun == "lock":
        one("unlock", token)
    words = {
        "lock": (token, "tester@here"),
        "secrets": (token, APP, "0"),
        "switch": (token, APP, release, "60"),
        "confirm": (token, APP, release),
    }
    said = held(one, tmp_path, "sync", noun, *words[noun], stdin=b"\0" * 10240)
    assert said[:2] == [script.GREETING, "."]


def test_while_a_release_is_read_back_there_are_signs_of_life(box: BoxSh, tmp_path: Path) -> None:
    """And none in the middle of what the release says of itself, which may be longer than one write."""
    token = box.lock()
    release = box.install(token, RUNS)
    about = box.root / "apps" / APP / "releases" / release / "release.json"
    about.write_text("x" * 60_000)
    (box.root / "apps" / APP / "releases" / release / "version").unlink()
    said = held(box, tmp_path, "openssl", "check", APP, release)
    assert said[:2] == [script.GREETING, "."]
    assert [line for line in said[2:] if line != "."] == ["damaged version", f"release {'x' * 60_000}"]


def test_while_files_are_deleted_there_are_signs_of_life(one: BoxSh, tmp_path: Path) -> None:
    token = one.lock()
    release = one.install(token, RUNS)
    said = held(one, tmp_path, "rm", "discard", token, APP, release)
    assert said[:2] == [script.GREETING, "."]
    assert not (one.root / "store" / sha(RUNS.encode())).exists()
