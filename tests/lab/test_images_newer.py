"""The archives of `edgepack image` on docker 26.1, with its classic store and with containerd's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import dockerd, newer
from .dockerd import Dockerd
from .project import HOST_TARGET, Project

pytestmark = pytest.mark.heavy

OTHER = "riscv64"
STORES = {"classic": {}, "containerd": {"features": {"containerd-snapshotter": True}}}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project(tmp_path_factory.mktemp("images") / "digits")
    project.said("build", HOST_TARGET, OTHER)
    project.said("image", "--archive")
    return project.folder / "dist"


@pytest.fixture(params=STORES)
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Dockerd]:
    (tmp_path / "docker").mkdir()
    settings = STORES[request.param]
    with dockerd.running(tmp_path / "docker", newer.dockerd(), settings) as running:
        said = running.docker("info", "--format", "{{.ServerVersion}} {{json .DriverStatus}}").stdout
        assert said.startswith("26.1.")
        assert ("io.containerd.snapshotter" in said) == (request.param == "containerd")
        yield running


def test_it_loads_each_platform_and_runs_its_own(daemon: Dockerd, dist: Path) -> None:
    for target in (HOST_TARGET, OTHER):
        daemon.docker("load", "-i", dist / f"digits-1.0.0-{target}.tar")
    images = set(daemon.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())
    assert {f"localhost/digits:1.0.0-{target}" for target in (HOST_TARGET, OTHER)} <= images
    words = ("--read-only", "--cap-drop", "ALL", "--network", "none")
    done = daemon.docker("run", "--rm", *words, f"localhost/digits:1.0.0-{HOST_TARGET}", "verify")
    assert json.loads(done.stdout)["samples"] == 64


def test_the_whole_index_wants_a_store_that_keeps_indexes(daemon: Dockerd, dist: Path) -> None:
    done = daemon.docker("load", "-i", dist / "digits-1.0.0.tar", check=False)
    if not daemon.settings:
        assert done.returncode != 0
        return
    assert done.returncode == 0, done.stderr
    ran = daemon.docker("run", "--rm", "--network", "none", "localhost/digits:1.0.0", "verify")
    assert json.loads(ran.stdout)["samples"] == 64
