"""`edgepack export compose` on a real docker: two apps and two brokers come up, answer, and go."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.containers import brokers

from . import dockerd, newer, reference
from .dockerd import Dockerd
from .project import HOST_TARGET, Project

PASSWORD = "not $HOME for the ${log}"
ZONE = "no $HOME, no ${zone:-x} $$ 'either'"
BOX = "box-07"
REDIS = {"kind": "redis", "host": "127.0.0.1", "key": "answers", "password_file": "secrets/redis"}
MQTT = {"kind": "mqtt", "host": "localhost", "topic": "site/answers"}
POST = (
    "import sys, urllib.request as u; "
    "print(u.urlopen(sys.argv[1], open(sys.argv[2], 'rb').read(), timeout=120).read().decode())"
)
SERVICES = ("digits", "asked", "mqtt", "redis")


@dataclass
class Site:
    """A box with docker, and the folder that edgepack wrote for it."""

    daemon: Dockerd
    project: Project
    folder: Path
    program: str

    def compose(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.daemon.run([self.program, "--ansi", "never", *words], cwd=self.folder)

    def container(self, service: str) -> dict[str, Any]:
        return self.daemon.inspect(self.compose("ps", "-q", service).stdout.strip())

    def healthy(self) -> bool:
        states = {name: self.container(name)["State"] for name in SERVICES}
        assert all(state["Running"] and not state["OOMKilled"] for state in states.values()), states
        return all(state["Health"]["Status"] == "healthy" for state in states.values())

    def asked_inside(self, *argv: str) -> str:
        return self.daemon.run(self.daemon.inside(*argv), check=False).stdout

    def volume(self, name: str) -> Path:
        said = self.daemon.docker("volume", "inspect", f"{BOX}_{name}-data").stdout
        return Path(json.loads(said)[0]["Mountpoint"])


def digits(folder: Path, name: str, **more: Any) -> Project:
    """A copy of the example, with other peers."""
    project = Project(folder / name)
    file = project.folder / "edgepack.yaml"
    known = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**known, "name": name, "targets": {HOST_TARGET: {}}, **more}))
    limits = {"memory_mb": 256, "cpu_percent": 150}
    node = {"target": HOST_TARGET, "address": "192.0.2.7", "limits": limits}
    if name == "digits":
        node |= {"secrets": {"redis": {"env": "UNSET"}}, "zone": ZONE}
    (project.folder / "fleet.yaml").write_text(yaml.safe_dump({"nodes": {BOX: node}}))
    project.said("build")
    project.said("image", "--archive", "-o", folder / "images")
    return project


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything on the box but what is up."""
    folder = tmp_path_factory.mktemp("compose")
    project = digits(folder, "digits", sink=[{"kind": "jsonl"}, REDIS, MQTT])
    asked = digits(folder, "asked", source={"kind": "http", "port": 8080, "address": "0.0.0.0"}, sink=[])
    project.said("export", "compose", BOX, "--with", asked.folder)
    place = project.folder / "compose" / BOX
    (place / "secrets" / "digits").mkdir(parents=True)
    secret = place / "secrets" / "digits" / "redis"
    secret.write_text(PASSWORD + "\n")
    users = place / "secrets" / "redis-users"
    users.write_text(f"user default on #{_sha256(PASSWORD)} ~* &* +@all\n")
    for file, account in ((secret, 65532), (users, 999)):
        shutil.chown(file, account)
        file.chmod(0o400)
    base = tmp_path_factory.mktemp("docker")
    with dockerd.running(base) as daemon:
        for archive in (folder / "images").glob(f"*-{HOST_TARGET}.tar"):
            daemon.docker("load", "-i", archive)
        _brokers(daemon)
        yield Site(daemon, project, place, dockerd.COMPOSE)


@pytest.fixture(scope="module", params=["1.29", "2.26"])
def site(request: pytest.FixtureRequest, box: Site) -> Iterator[Site]:
    """Up, by the oldest Compose that reads the file and by a new one."""
    made = replace(box, program=str(newer.compose())) if request.param == "2.26" else box
    made.compose("up", "-d")
    yield made
    made.compose("down", "-v")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _brokers(daemon: Dockerd) -> None:
    """Their own images cannot be had without a registry: Debian's programs stand here under their names."""
    known = brokers.IMAGES
    programs = ["/usr/bin/redis-server", "/usr/bin/redis-cli"]
    daemon.image_of_programs(known["redis"], programs, {"data": 999, "tmp": 0}, ["redis-server"])
    words = ["/usr/sbin/mosquitto", "-c", brokers.CONFIG]
    folders = {"mosquitto": 0, "mosquitto/config": 0, "mosquitto/data": 1883, "tmp": 0}
    daemon.image_of_programs(known["mqtt"], [words[0], "/usr/bin/mosquitto_sub"], folders, words)


def test_compose_takes_the_file_as_it_is(site: Site) -> None:
    done = site.compose("config")
    assert done.stderr == ""
    assert sorted(yaml.safe_load(done.stdout)["services"]) == sorted(SERVICES)


def test_all_of_them_become_healthy(site: Site) -> None:
    site.daemon.until(site.healthy, "every container is healthy")


def test_each_has_the_room_and_the_rights_that_the_file_says(site: Site) -> None:
    for name in SERVICES:
        found = site.container(name)
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, name
        assert host["PidsLimit"] in (64, 256), name
        status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
        assert "\nCapEff:\t0000000000000000\n" in status, name
        assert "\nNoNewPrivs:\t1\n" in status, name
        assert "\nUid:\t0\t" not in status, name
    assert f"TZ={ZONE}" in site.container("digits")["Config"]["Env"]
    digits = site.container("digits")["HostConfig"]
    assert (digits["Memory"], digits["NanoCpus"]) == (256 << 20, 1_500_000_000)
    assert site.container("redis")["HostConfig"]["Memory"] == brokers.MEMORY_MB << 20


def test_a_picture_is_answered_into_the_file_and_both_brokers(site: Site) -> None:
    known = reference.of(site.project.folder)
    inbox = site.volume("digits") / "inbox"
    listening = subprocess.Popen(
        site.daemon.inside("mosquitto_sub", "-t", "site/answers", "-C", "1", "-W", "180"),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    image = site.project.folder / "data" / "val" / known.files[0]
    answers = site.volume("digits") / "results.jsonl"

    def heard() -> bool:
        # A subscription gives no sign, so pictures come until one was heard.
        if listening.poll() is not None:
            return True
        shutil.copyfile(image, inbox / ".new")
        (inbox / ".new").rename(inbox / image.name)
        return False

    site.daemon.until(heard, "an answer over MQTT")
    said = json.loads(listening.communicate()[0])
    assert said["class"] == known.classes[0]
    written = answers.read_text().splitlines()
    assert json.loads(written[0])["class"] == known.classes[0]
    words = ["redis-cli", "--no-auth-warning", "-a", PASSWORD, "XLEN", "answers"]
    site.daemon.until(lambda: int(site.asked_inside(*words) or 0) >= 1, "an answer in Redis")
    assert "NOAUTH" in site.asked_inside("redis-cli", "XLEN", "answers")


def test_who_asks_from_outside_is_answered_by_the_published_port(site: Site) -> None:
    known = reference.of(site.project.folder)
    image = site.project.folder / "data" / "val" / known.files[0]
    said = site.asked_inside(sys.executable, "-c", POST, "http://127.0.0.1:8080/", str(image))
    assert json.loads(said)["class"] == known.classes[0]


def test_no_value_of_a_secret_is_in_what_docker_knows_or_edgepack_wrote(site: Site) -> None:
    known = [json.dumps(site.container(name)) for name in SERVICES]
    known += [file.read_text() for file in site.folder.glob("*.*")]
    assert PASSWORD not in "".join(known)
    assert _sha256(PASSWORD) not in "".join(known)


def test_a_program_that_dies_is_started_again(site: Site) -> None:
    before = site.container("asked")["State"]
    os.kill(before["Pid"], signal.SIGKILL)

    def again() -> bool:
        now = site.container("asked")
        return now["State"]["Running"] and now["State"]["Pid"] != before["Pid"] and now["RestartCount"] == 1

    site.daemon.until(again, "the program is up again")


def test_a_second_up_changes_nothing_and_down_leaves_the_data(site: Site) -> None:
    before = {name: site.container(name)["Id"] for name in SERVICES}
    site.compose("up", "-d")
    assert {name: site.container(name)["Id"] for name in SERVICES} == before
    results = site.volume("digits") / "results.jsonl"
    site.compose("down")
    assert site.daemon.docker("ps", "-aq").stdout == ""
    assert results.read_text()
