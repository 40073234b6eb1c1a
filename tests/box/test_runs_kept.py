"""A way to run that was told and never confirmed: the release that runs is started as before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.box.boxsh import BoxSh
from tests.releases import APP, Program

# An engine that takes each file and starts nothing: what is asked here is which file lies there afterwards.
DOCKER = "#!/bin/sh\nexit 0\n"
GOOD, BAD = b"services: {good: {}}\n", b"services: {bad: {}}\n"


@pytest.fixture
def box(tmp_path: Path) -> BoxSh:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    return BoxSh(tmp_path / "root", before=("env", f"PATH={programs}:{os.environ['PATH']}"))


def file_of(box: BoxSh, release: str) -> bytes:
    return (box.root / "apps" / APP / "releases" / f"{release}.compose.yaml").read_bytes()


def current(box: BoxSh, token: str) -> str:
    """A release that is there and current, and was told to run by Compose; nothing of it is started."""
    release = box.install(token, Program().script().decode())
    box("runs", token, APP, "compose", "0", "0", "good", release, stdin=GOOD)
    app = box.root / "apps" / APP
    (app / "current").symlink_to(f"releases/{release}")
    # As a confirmation leaves it that was cut short.
    (app / "confirmed").write_text(f"{token} {release} - 0 -\n")
    box("unlock", token)
    box.lock(token)
    return release


@pytest.mark.parametrize("how", ["refused", "cut"])
@pytest.mark.parametrize("way", ["compose", "process"])
def test_the_release_that_runs_keeps_its_own(box: BoxSh, how: str, way: str) -> None:
    token = box.lock()
    release = current(box, token)
    assert file_of(box, release) == GOOD
    box("runs", token, APP, way, "0", "0", "bad", release, stdin=BAD if way == "compose" else b"")
    assert box.facts("probe", APP)["runs"] == [f"{APP} {way} bad"]
    if how == "refused":
        box("discard", token, APP, release)
    else:
        box("unlock", token)
        box.lock("next")
    assert file_of(box, release) == GOOD
    assert box.facts("probe", APP)["runs"] == [f"{APP} compose good"]


def test_once_confirmed_it_is_the_new_one(box: BoxSh) -> None:
    token = box.lock()
    release = current(box, token)
    box("runs", token, APP, "compose", "0", "0", "bad", release, stdin=BAD)
    (box.root / "apps" / APP / "confirmed").write_text(f"{token} {release} {release} 0 -\n")
    box("unlock", token)
    box.lock("next")
    assert file_of(box, release) == BAD
    assert not list((box.root / "apps" / APP).rglob("*.back"))


def test_the_unit_is_as_it_was(tmp_path: Path) -> None:
    """A refused deploy leaves no limits of its own behind in the unit of the release that runs."""
    for folder in ("bin", "units"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n')
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    seen = (f"PATH={tmp_path}/bin:{os.environ['PATH']}", f"EDGEPACK_UNITS={tmp_path}/units")
    box = BoxSh(tmp_path / "root", before=("env", *seen))
    token = box.lock()
    release = box.install(token, Program().script().decode())
    box("runs", token, APP, "systemd", "200", "0", "good", release)
    (box.root / "apps" / APP / "current").symlink_to(f"releases/{release}")
    (box.root / "apps" / APP / "confirmed").write_text(f"{token} {release} - 0 -\n")
    box("unlock", token)
    token = box.lock("next")
    (unit,) = (tmp_path / "units").iterdir()
    good = unit.read_text()
    assert "MemoryMax=200M" in good
    box("runs", token, APP, "systemd", "1", "0", "bad", release)
    assert "MemoryMax=1M" in unit.read_text()
    (tmp_path / "calls").write_text("")
    box("discard", token, APP, release)
    assert unit.read_text() == good
    assert (tmp_path / "calls").read_text() == "daemon-reload\n"
    assert box.facts("probe", APP)["runs"] == [f"{APP} systemd good"]
