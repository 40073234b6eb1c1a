"""What a box says of its docker before anything is sent, where it has none or half of one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgepack.box import script
from tests.box.boxsh import BoxSh, Failed
from tests.releases import APP, Program

OLD = """#!/bin/sh
case "$*" in
"version -f {{.Server.Version}}") echo 20.10.24 ;;
version) ;;
"image inspect known:1") ;;
*) exit 1 ;;
esac
"""
AWAY = """#!/bin/sh
echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." >&2
exit 1
"""
CASES = {
    "away": (AWAY, "none", ["engine - Cannot connect to the Docker daemon at unix:///var/run/docker.sock."]),
    "no-compose": (OLD, "none", ["engine 20.10.24", "compose -", "base yes"]),
    "known-base": (OLD, "known:1", ["engine 20.10.24", "compose -", "base yes"]),
    "unknown-base": (OLD, "unknown:1", ["engine 20.10.24", "compose -", "base no"]),
}


def box_with(docker: str, folder: Path) -> BoxSh:
    """A box whose docker is this script, and that has no docker-compose."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in (("docker", docker), ("docker-compose", "#!/bin/sh\nexit 127\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return BoxSh(folder / "root", before=("env", f"PATH={programs}:{os.environ['PATH']}"))


@pytest.mark.parametrize("case", CASES)
def test_what_is_there(case: str, tmp_path: Path) -> None:
    docker, base, said = CASES[case]
    assert box_with(docker, tmp_path)("engine", base) == said
    assert script.name() in os.listdir(tmp_path / "root/bin")
    assert not (tmp_path / "root/apps").exists()


def test_an_image_is_a_name_and_no_flag(tmp_path: Path) -> None:
    box = box_with(OLD, tmp_path)
    for name in ("", "-v", "a b", "$(id)", "a;b"):
        with pytest.raises(Failed, match="not the name of an image"):
            box("engine", name)


@pytest.mark.parametrize(
    ("docker", "words"), [(AWAY, "docker does not answer"), (OLD, "neither docker compose")]
)
def test_without_it_the_way_to_run_stays_what_it_was(docker: str, words: str, tmp_path: Path) -> None:
    box = box_with(docker, tmp_path)
    token = box.lock()
    release = box.install(token, Program().script().decode())
    with pytest.raises(Failed, match=words):
        box("runs", token, APP, "compose", "0", "0", "abc", release, stdin=b"services: {}\n")
    app = tmp_path / "root/apps" / APP
    assert not (app / "runs").exists()
    assert not list(app.glob("releases/*.yaml"))
