"""The pod of `edgepack export kubernetes`, run by podman: no cluster, and the same words."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import reference
from .project import HOST_TARGET, Project, Releases

SECRET = "not $HOME for the ${log}"
WITHIN_S = 180.0
# Podman's own limits are higher than those of a host that may not raise them.
CONTAINERS_CONF = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'


@dataclass
class Podman:
    """Podman with a store of its own in ``folder``, whose path must be short."""

    folder: Path

    def run(self, *words: str | Path) -> str:
        done = self.done(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    def done(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        places = [f"--root={self.folder}/root", f"--runroot={self.folder}/run", f"--tmpdir={self.folder}/tmp"]
        how = [
            "--storage-driver=overlay",
            "--cgroup-manager=cgroupfs",
            "--events-backend=none",
            "--runtime=runc",
        ]
        return subprocess.run(
            ["podman", *places, *how, *map(str, words)],
            env={**os.environ, "CONTAINERS_CONF": f"{self.folder}/containers.conf"},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip


@dataclass
class Pod:
    podman: Podman
    spec: dict[str, Any]
    name: str
    project: Path

    @property
    def container(self) -> str:
        return f"{self.name}-digits"

    def data(self) -> Path:
        said: list[Any] = json.loads(self.podman.run("inspect", self.container))
        (volume,) = [one for one in said[0]["Mounts"] if one["Destination"] == "/data"]
        return Path(volume["Source"])


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture(scope="module")
def pod(releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    folder = tmp_path_factory.mktemp("pod")
    project = Project(folder / "digits")
    project.set_version(releases.versions[-1])
    shutil.copytree(releases.project.folder / "dist", project.folder / "dist")
    node = {"target": HOST_TARGET, "address": "192.0.2.7", "limits": {"memory_mb": 256, "cpu_percent": 100}}
    secrets = {"secrets": {"token": {"env": "UNSET"}}}
    (project.folder / "fleet.yaml").write_text(yaml.safe_dump({"nodes": {"box-07": node | secrets}}))
    made = project.said("image", HOST_TARGET, "--archive", "-o", folder)
    project.said("export", "kubernetes", "-o", folder)
    base = {file.stem: yaml.safe_load(file.read_text()) for file in (folder / "base").glob("*.yaml")}
    template = base[f"daemonset-{HOST_TARGET}"]["spec"]["template"]
    name = base[f"daemonset-{HOST_TARGET}"]["metadata"]["name"]
    template["metadata"]["name"] = name
    value = base64.b64encode(SECRET.encode()).decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "digits"}, "data": {"token": value}}
    play = [base["settings"], secret, {"apiVersion": "v1", "kind": "Pod", **template}]
    (folder / "play.yaml").write_text(yaml.safe_dump_all(play))
    podman = Podman(Path(tempfile.mkdtemp(prefix="pod")))
    (podman.folder / "containers.conf").write_text(CONTAINERS_CONF)
    try:
        podman.run("load", "-i", next(Path(file) for file in made["archives"] if HOST_TARGET in file))
        podman.run("kube", "play", "--network=none", folder / "play.yaml")
        yield Pod(podman, template["spec"], name, project.folder)
    finally:
        podman.done("pod", "rm", "-f", "-a")
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in sorted((m for m in mounted if m.startswith(f"{podman.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(podman.folder, ignore_errors=True)


def test_the_probes_command_says_that_the_program_is_well(pod: Pod) -> None:
    # Podman 4.3 gives probes to a shell, which the image has not; so the command is run as the kubelet does.
    (container,) = pod.spec["containers"]
    commands = [
        container[f"{probe}Probe"]["exec"]["command"] for probe in ("startup", "readiness", "liveness")
    ]
    for command in commands:
        until(lambda: pod.podman.done("exec", pod.container, *command).returncode == 0, f"{command}")  # noqa: B023


def test_it_has_the_room_and_the_rights_that_the_manifest_says(pod: Pod) -> None:
    (found,) = json.loads(pod.podman.run("inspect", pod.container))
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert (host["Memory"], host["NanoCpus"]) == (256 << 20, 1_000_000_000)
    status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
    assert "\nUid:\t65532\t" in status
    assert "\nCapEff:\t0000000000000000\n" in status
    assert "\nCapBnd:\t0000000000000000\n" in status
    assert "\nNoNewPrivs:\t1\n" in status
    assert "\nSeccomp:\t2\n" in status
    assert "TZ=UTC" in found["Config"]["Env"]
    assert SECRET not in json.dumps(found)


def test_a_picture_in_its_data_folder_is_answered(pod: Pod) -> None:
    known = reference.of(pod.project)
    image = pod.project / "data" / "val" / known.files[0]
    inbox = pod.data() / "inbox"
    shutil.copyfile(image, inbox / ".new")
    (inbox / ".new").rename(inbox / image.name)
    results = pod.data() / "results.jsonl"
    until(lambda: results.is_file() and results.read_text().endswith("\n"), "an answer")
    assert json.loads(results.read_text())["class"] == known.classes[0]
