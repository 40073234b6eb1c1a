"""A node with `runs: compose`, over SSH and with a real docker: deploy, answers, update, back, all gone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import dockerd, newer, reference
from .dockerd import Dockerd
from .endpoint import DIES_WITH_US, LOOPBACK, Endpoint, free_port, new_keys, wait_for_ssh
from .project import HOST_TARGET, Node, Releases

UID = 1000  # of the account that works on the box


@dataclass
class Site:
    """A box whose account may use docker, and the project that is deployed there."""

    daemon: Dockerd
    releases: Releases
    home: Path

    def deploy(self, version: str, *words: str) -> Any:
        return self.releases.project.said(
            "deploy", "box-07", "--bundle", self.releases.bundle(version), *words
        )

    def refused(self, version: str) -> tuple[int, Any]:
        return self.releases.project.refused("deploy", "box-07", "--bundle", self.releases.bundle(version))

    @contextlib.contextmanager
    def node(self, **more: Any) -> Iterator[None]:
        """For this long fleet.yaml says something else of the box."""
        fleet = self.releases.project.folder / "fleet.yaml"
        kept = fleet.read_text()
        known = json.loads(kept)
        known["nodes"]["box-07"] |= more
        fleet.write_text(json.dumps(known))
        try:
            yield
        finally:
            fleet.write_text(kept)

    def containers(self) -> list[dict[str, Any]]:
        ids = self.daemon.docker("ps", "-aq", "--no-trunc").stdout.split()
        return [self.daemon.inspect(one) for one in ids]

    def container(self) -> dict[str, Any]:
        (found,) = self.containers()
        return found

    def struck(self) -> None:
        """The program is killed, and started again."""
        before = self.container()["State"]["Pid"]
        os.kill(before, signal.SIGKILL)

        def again() -> bool:
            found = self.containers()
            return len(found) == 1 and found[0]["State"]["Running"] and found[0]["State"]["Pid"] != before

        self.daemon.until(again, "it runs again")

    def answers(self) -> None:
        """It runs there, and computes what was trained."""
        project = self.releases.project
        (row,) = project.said("status", "box-07")
        assert row["state"] == "running", row
        known = reference.of(project.folder)
        (said,) = project.said("ask", "box-07", project.folder / "data" / "val" / known.files[0])
        assert said["class"] == known.classes[0]


@pytest.fixture(scope="module", params=["1.29", "2.26"])
def site(
    request: pytest.FixtureRequest, releases: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with dockerd.running(tmp_path_factory.mktemp("docker")) as daemon:
        if request.param == "2.26":
            plugins = daemon.folder / "config" / "cli-plugins"
            plugins.mkdir(parents=True)
            shutil.copy(newer.compose(), plugins / "docker-compose")
        home = tmp_path_factory.mktemp("home")
        shutil.chown(home, UID, UID)
        for folder in (home, *home.parents):
            if folder.stat().st_uid == 0 and folder.stat().st_mode & 0o1 == 0:
                folder.chmod(folder.stat().st_mode | 0o1)  # the box's account looks for its home below them
        daemon.folder.chmod(0o755)
        (daemon.folder / "sock").chmod(0o666)
        with SshServer(tmp_path_factory.mktemp("ssh"), daemon, home) as endpoint:
            limits = {"memory_mb": 256, "cpu_percent": 150}
            node = Node(
                endpoint, HOST_TARGET, str(home / "edgepack"), more={"runs": "compose", "limits": limits}
            )
            releases.project.write_fleet(box_07=node)
            try:
                yield Site(daemon, releases, home)
            finally:
                # A box without a root of its own: its supervisor would outlive it and go on.
                subprocess.run(["pkill", "-KILL", "-f", str(home)], check=False)


class SshServer:
    """An SSH server whose sessions are the account's, with the daemon that it may use."""

    def __init__(self, folder: Path, daemon: Dockerd, home: Path) -> None:
        keys = new_keys(folder)
        self.endpoint = Endpoint(free_port(), "root", keys.identity, keys.host_key())
        words = {name: daemon.env[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
        words |= {"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
        env = " ".join(f"{name}={value}" for name, value in words.items())
        begin = f"setpriv --reuid {UID} --regid {UID} --clear-groups env -i {env}"
        self._conf = folder / "sshd_config"
        self._conf.write_text(
            f"HostKey {keys.host}\nAuthorizedKeysFile {keys.identity}.pub\nStrictModes no\nUsePAM no\n"
            f"ListenAddress {LOOPBACK}\nPort {self.endpoint.port}\nPidFile none\n"
            f"PermitRootLogin prohibit-password\nSetEnv HOME={folder} SHLVL=1\n"
            f'ForceCommand cd {home} && exec {begin} sh -c "$SSH_ORIGINAL_COMMAND"\n'
        )
        self._log = folder / "log"

    def __enter__(self) -> Endpoint:
        argv = [*DIES_WITH_US, "/usr/sbin/sshd", "-D", "-f", str(self._conf), "-E", str(self._log)]
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        wait_for_ssh(LOOPBACK, self.endpoint.port, 60.0, lambda: self._process.poll() is None)
        return self.endpoint

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)


def test_a_dry_run_says_so_and_changes_nothing(site: Site) -> None:
    plan = site.deploy("1.0.0", "--dry-run")
    assert plan["refusals"] == []
    assert any("by Compose, in a container over an image without a file" in step for step in plan["steps"])
    assert site.containers() == []


def test_it_is_proven_in_its_container_and_answers_from_there(site: Site) -> None:
    report = site.deploy("1.0.0")
    assert report["outcome"] == "deployed"
    assert "vectors" in report["proof_summary"]
    found = site.container()
    host, state = found["HostConfig"], found["State"]
    assert state["Running"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Memory"]) == (True, ["ALL"], 256 << 20)
    status = Path(f"/proc/{state['Pid']}/status").read_text()
    assert f"\nUid:\t{UID}\t" in status
    assert "\nNoNewPrivs:\t1\n" in status
    site.answers()


def test_the_same_again_does_nothing_and_another_limit_starts_it_anew(site: Site) -> None:
    before = site.container()["Id"]
    assert site.deploy("1.0.0")["outcome"] == "nothing to do"
    assert site.container()["Id"] == before
    with site.node(limits={"memory_mb": 200}):
        assert site.deploy("1.0.0")["outcome"] == "started again"
    assert site.container()["HostConfig"]["Memory"] == 200 << 20
    assert site.deploy("1.0.0")["outcome"] == "started again"


def test_one_that_dies_is_started_again(site: Site) -> None:
    site.struck()
    site.answers()


def test_an_update_and_the_way_back_each_have_one_container(site: Site) -> None:
    first = site.container()
    assert site.deploy("1.1.0")["outcome"] == "deployed"
    second = site.container()
    assert _release(second) == site.releases.digest("1.1.0")
    assert first["Id"] != second["Id"]
    site.releases.project.said("rollback", "box-07")
    assert _release(site.container()) == site.releases.digest("1.0.0")
    site.answers()


def test_a_base_that_the_box_has_not_is_refused_before_anything_is_sent(site: Site) -> None:
    with site.node(base="localhost/nobody/has:1"):
        code, error = site.refused("1.1.0")
    assert (code, "no image localhost/nobody/has:1" in error["what"]) == (11, True)
    assert _release(site.container()) == site.releases.digest("1.0.0")


def test_one_that_the_engine_does_not_start_leaves_the_old_one(site: Site) -> None:
    """The base is there and is no image for a program: what Compose says comes home with the error."""
    site.daemon.docker("tag", "localhost/edgepack/none:1", "localhost/another:1")
    with site.node(base="localhost/another:1", limits={"memory_mb": 1}):
        _, error = site.refused("1.1.0")
    assert "memory" in json.dumps(error).lower()
    assert _release(site.container()) == site.releases.digest("1.0.0")
    site.answers()


def test_limits_that_were_refused_do_not_come_back_with_a_crash(site: Site) -> None:
    """The release that runs is told another way, which does not hold: it is started again as before."""
    with site.node(limits={"memory_mb": 1}):
        site.refused("1.0.0")
    site.struck()
    assert site.container()["HostConfig"]["Memory"] == 256 << 20
    site.answers()


def test_as_a_process_again_and_no_container_stays(site: Site) -> None:
    with site.node(runs="process"):
        assert site.deploy("1.0.0")["outcome"] == "started again"
        assert site.containers() == []
        site.answers()
        site.releases.project.said("rollback", "box-07")
        assert site.containers() == []
    assert site.deploy("1.0.0")["outcome"] == "deployed"
    assert _release(site.container()) == site.releases.digest("1.0.0")


def _release(container: dict[str, Any]) -> str:
    (mounted,) = [one for one in container["Mounts"] if one["Destination"].startswith("/releases/")]
    return Path(mounted["Source"]).name
