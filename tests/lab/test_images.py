"""`edgepack image` on real engines: docker 20.10, podman, skopeo and a registry take it, containers run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgepack import oci
from edgepack.package import image_layers
from edgepack.tools import sysroot
from tests.package.test_image import foreign, tar_of

from . import dockerd, reference, registry
from .dockerd import Dockerd
from .project import HOST_TARGET, Project, Releases
from .registry import ADDRESS, Registry

TARGETS = ("x86_64", "aarch64", "armhf", "riscv64")
QEMU = {"aarch64": "aarch64", "armhf": "arm", "riscv64": "riscv64", "x86_64": "x86_64"}
REPOSITORY = f"{ADDRESS}/team/digits"


@dataclass
class Site:
    daemon: Dockerd
    project: Project
    made: Any  # what `edgepack image --json` said

    @property
    def dist(self) -> Path:
        return self.project.folder / "dist"

    def image(self, *words: str | Path) -> Any:
        """`edgepack image` where the daemon's network is, and the registry in it."""
        cmd = self.project.command("image", *words, "--json")
        argv = ["env", *(f"{key}={value}" for key, value in cmd.env.items()), *cmd.argv]
        return json.loads(self.daemon.run(self.daemon.inside(*argv)).stdout)

    def verified(self, image: str, target: str, program: str = "/bin/digits") -> Any:
        """What the container says of the golden vectors; another architecture's through qemu-user."""
        words: list[str] = ["run", "--rm", "--read-only", "--cap-drop", "ALL", "--network", "none"]
        if target != HOST_TARGET:
            emulator = shutil.which(f"qemu-{QEMU[target]}-static")
            words += ["-v", f"{emulator}:/qemu:ro", "--entrypoint", "/qemu", image, program]
        else:
            words.append(image)
        return json.loads(self.daemon.docker(*words, "verify").stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = Project(tmp_path_factory.mktemp("images") / "digits")
    project.said("build", *TARGETS)
    made = project.said("image", "--archive")
    with dockerd.running(tmp_path_factory.mktemp("docker")) as daemon:
        yield Site(daemon, project, made)


@pytest.fixture(scope="module")
def store(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry.running(tmp_path_factory.mktemp("registry"), site.daemon) as running:
        yield running


@pytest.mark.parametrize("target", TARGETS)
def test_docker_loads_each_platform_and_its_container_holds_to_the_golden_vectors(
    site: Site, target: str
) -> None:
    site.daemon.docker("load", "-i", site.dist / f"digits-1.0.0-{target}.tar")
    said = site.verified(f"localhost/digits:1.0.0-{target}", target)
    assert (said["ok"], said["samples"]) == (True, 64)


def test_a_container_runs_as_nobody_on_a_root_that_cannot_be_written(site: Site) -> None:
    known = reference.of(site.project.folder)
    docker = site.daemon.docker
    docker("load", "-i", site.dist / f"digits-1.0.0-{HOST_TARGET}.tar")
    rights = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
    docker("run", "-d", "--name", "app", *rights, f"localhost/digits:1.0.0-{HOST_TARGET}")
    site.daemon.until(
        lambda: site.daemon.inspect("app")["State"]["Health"]["Status"] == "healthy", "it is healthy"
    )
    (mount,) = site.daemon.inspect("app")["Mounts"]
    data = Path(mount["Source"])
    assert mount["Destination"] == "/data"
    shutil.copyfile(site.project.folder / "data" / "val" / known.files[0], data / "inbox" / ".new")
    (data / "inbox" / ".new").rename(data / "inbox" / known.files[0])
    answers = data / "results.jsonl"
    site.daemon.until(lambda: answers.is_file() and answers.read_text().endswith("\n"), "an answer")
    assert json.loads(answers.read_text().splitlines()[0])["class"] == known.classes[0]
    assert answers.stat().st_uid == image_layers.USER
    docker("stop", "app")
    assert site.daemon.inspect("app")["State"]["ExitCode"] == 0
    docker("rm", "-v", "app")


@pytest.fixture
def podman(site: Site) -> Iterator[list[str]]:
    """Podman with a store of its own. Its paths must be short, and it leaves its store mounted."""
    place = Path(tempfile.mkdtemp(prefix="pod"))
    words = [
        "env",
        "-u",
        "DOCKER_CONFIG",
        "podman",
        f"--root={place}/root",
        f"--runroot={place}/run",
        f"--tmpdir={place}/tmp",
    ]
    yield [*words, "--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--events-backend=none"]
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for where in sorted((m for m in mounted if m.startswith(f"{place}/")), reverse=True):
        site.daemon.run(["umount", "-l", where], check=False)
    shutil.rmtree(place, ignore_errors=True)


def test_podman_loads_a_platform_and_the_whole_index(site: Site, podman: list[str]) -> None:
    for name in (f"digits-1.0.0-{HOST_TARGET}.tar", "digits-1.0.0.tar"):
        site.daemon.run([*podman, "load", "-i", str(site.dist / name)])
    # Its own limits are higher than those of a host without that right.
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none", "--read-only"]
    for tag in (f"1.0.0-{HOST_TARGET}", "1.0.0"):
        done = site.daemon.run([*podman, "run", "--rm", *limits, f"localhost/digits:{tag}", "verify"])
        assert json.loads(done.stdout)["samples"] == 64


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_skopeo_reads_an_archive_in_both_ways(site: Site, transport: str) -> None:
    place = site.dist / "digits-1.0.0-riscv64.tar"
    said = json.loads(site.daemon.run(["skopeo", "inspect", f"{transport}:{place}"]).stdout)
    assert (said["Architecture"], said["Os"]) == ("riscv64", "linux")
    assert said["Labels"]["dev.edgepack.target"] == "riscv64"


def test_a_registry_gives_each_platform_what_was_built(site: Site, store: Registry) -> None:
    site.image("--push", REPOSITORY, "--insecure")
    raw = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{REPOSITORY}:1.0.0"]
    served = site.daemon.run(site.daemon.inside(*raw)).stdout.encode()
    assert served == oci.blob(site.dist / "digits.oci", site.made["index"]).read_bytes()
    for one in site.made["targets"]:
        papers = [*raw[:-1], f"docker://{REPOSITORY}:{one['papers_tag']}"]
        listed = json.loads(site.daemon.run(site.daemon.inside(*papers)).stdout)["manifests"]
        assert {entry["digest"] for entry in listed} == set(one["papers"].values())
    for target in ("aarch64", "armhf"):
        docker_name = oci.PLATFORMS[target]
        platform = "/".join([docker_name["os"], docker_name["architecture"], docker_name.get("variant", "")])
        site.daemon.docker("pull", "--platform", platform.rstrip("/"), f"{REPOSITORY}:1.0.0")
        assert site.verified(f"{REPOSITORY}:1.0.0", target)["ok"]


def test_a_new_program_moves_no_weights(
    site: Site, store: Registry, releases: Releases, tmp_path: Path
) -> None:
    again = Site(site.daemon, Project(tmp_path / "digits"), None)
    for version in releases.versions:
        place = again.dist / f"digits@{HOST_TARGET}"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(releases.bundle(version), place)
        store.taken()
        (made,) = again.image(HOST_TARGET, "--push", REPOSITORY, "--insecure")["targets"]
    layers = {layer["kind"]: layer["digest"] for layer in made["layers"]}
    taken = store.taken()
    assert layers["program"] in taken, "what is counted is seen"
    assert taken & set(layers.values()) <= {layers[kind] for kind in ("program", "config", "notices")}
    sizes = {layer["kind"]: layer["bytes"] for layer in made["layers"]}
    moved = sum(oci.blob(again.dist / "digits.oci", digest).stat().st_size for digest in taken)
    assert moved < sum(sizes[kind] for kind in ("program", "config", "notices")) + (64 << 10), "and papers"


@pytest.fixture(scope="module")
def linked(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The same project with ONNX Runtime: a program that is linked to a glibc."""
    project = Project(tmp_path_factory.mktemp("linked") / "digits")
    file = project.folder / "edgepack.yaml"
    plain, other = f"  {HOST_TARGET}: {{}}", f"  {HOST_TARGET}: {{runtime: onnxruntime}}"
    assert plain in file.read_text()
    file.write_text(file.read_text().replace(plain, other))
    project.said("build", HOST_TARGET)
    return Site(site.daemon, project, None)


def test_on_a_small_libc_of_edgepacks(linked: Site) -> None:
    linked.project.said("image", HOST_TARGET, "--archive", "--name", "on-libc")
    linked.daemon.docker("load", "-i", linked.dist / f"digits-1.0.0-{HOST_TARGET}.tar")
    assert linked.verified(f"localhost/on-libc:1.0.0-{HOST_TARGET}", HOST_TARGET)["samples"] == 64


def test_on_an_image_of_others_whose_folders_are_links(linked: Site, tmp_path: Path) -> None:
    libc, _ = sysroot.for_image(HOST_TARGET, lambda _line: None)
    held: dict[str, bytes | str] = {"lib": "usr/lib", "lib64": "usr/lib64", "bin": "usr/bin"}
    for path in (path for path in libc.rglob("*") if path.is_file()):
        name = str(path.relative_to(libc))
        held[name if name.startswith("usr/") else f"usr/{name}"] = path.read_bytes()
    held["usr/bin/busybox"] = Path("/bin/busybox").read_bytes()
    base = foreign(tmp_path / "base", oci.PLATFORMS[HOST_TARGET]["architecture"], tar_of(held))
    words = (HOST_TARGET, "--archive", "--name", "on-others", "--base", f"oci:{base}")
    linked.project.said("image", *words)
    linked.daemon.docker("load", "-i", linked.dist / f"digits-1.0.0-{HOST_TARGET}.tar")
    image = f"localhost/on-others:1.0.0-{HOST_TARGET}"
    assert linked.verified(image, HOST_TARGET)["samples"] == 64
    shell = ["run", "--rm", "--network", "none", "--entrypoint", "/bin/busybox", image, "ls", "/lib/"]
    assert "linux-gnu" in linked.daemon.docker(*shell).stdout, "the base's own links lead where they did"
