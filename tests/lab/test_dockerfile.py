"""`edgepack export dockerfile` by each who builds: an arm64 image, file by file edgepack's own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgepack import oci
from edgepack.tools.runner import Completed, command, run

from . import builder_image, dockerd, newer
from .dockerd import Dockerd
from .project import Project

pytestmark = pytest.mark.heavy

TARGET, IMAGE = "aarch64", "localhost/digits:1.0.0-aarch64"
Files = dict[str, tuple[str, int, int, int, str]]  # kind, mode, owner, group, digest


@dataclass
class Site:
    daemon: Dockerd
    project: Project
    own: Files

    def export(self, env: Mapping[str, str], *words: str) -> Completed:
        """`edgepack export dockerfile` as a user of this daemon types it, with Debian's docker."""
        cmd = self.project.command("export", "dockerfile", TARGET, "--builder", builder_image.NAME, *words)
        path = f"/usr/bin:{os.environ['PATH']}"
        known = {key: self.daemon.env[key] for key in ("DOCKER_HOST", "DOCKER_CONFIG")}
        return run(command(*cmd.argv, env={**known, **cmd.env, "PATH": path, **env}, timeout_s=3 * 3600.0))


def files_of(layers: list[bytes]) -> Files:
    """What an image of these layers holds. ``/data`` and what is in it are what a container begins with."""
    found: Files = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            for member in tar:
                name = member.name.removeprefix("./").rstrip("/")
                content = tar.extractfile(member) if member.isreg() else None
                digest = hashlib.sha256(content.read()).hexdigest() if content else member.linkname
                kind = "file" if content else "folder" if member.isdir() else "other"
                if name not in ("", "."):
                    found[name] = (kind, member.mode & 0o7777, member.uid, member.gid, digest)
    return found


def of_layout(folder: Path, tag: str) -> Files:
    """Of an OCI layout."""
    index = json.loads((folder / "index.json").read_bytes())
    (entry,) = (one for one in index["manifests"] if one["annotations"].get(oci.REF_KEY) == tag)
    manifest = json.loads(oci.blob(folder, entry["digest"]).read_bytes())
    return files_of([oci.blob(folder, layer["digest"]).read_bytes() for layer in manifest["layers"]])


def of_archive(file: Path) -> tuple[Files, Any]:
    """Of what `docker save` or `podman save` writes; and the image's configuration."""
    with tarfile.open(file) as tar:

        def read(name: str) -> bytes:
            stream = tar.extractfile(name)
            assert stream is not None
            return stream.read()

        (listed,) = json.loads(read("manifest.json"))
        return files_of([read(name) for name in listed["Layers"]]), json.loads(read(listed["Config"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = Project(tmp_path_factory.mktemp("dockerfile") / "digits")
    project.said("build", TARGET)
    project.said("image", TARGET)
    own = of_layout(project.folder / "dist" / "digits.oci", f"1.0.0-{TARGET}")
    with dockerd.running(tmp_path_factory.mktemp("docker")) as daemon:
        plugins = daemon.folder / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        shutil.copyfile(newer.buildx(), plugins / "docker-buildx")
        (plugins / "docker-buildx").chmod(0o755)
        yield Site(daemon, project, own)


def same(site: Site, saved: Path) -> None:
    found, config = of_archive(saved)
    assert found == site.own
    assert (config["os"], config["architecture"]) == ("linux", "arm64")
    said = config["config"]
    assert said["Entrypoint"] == ["/bin/digits"]
    assert said["Healthcheck"]["Test"] == ["CMD", "/bin/digits", "health", "--data", "/data"]
    assert (said["User"], said["WorkingDir"], list(said["Volumes"])) == ("65532:65532", "/data", ["/data"])


@pytest.mark.parametrize("builder", ["docker", "buildx"])
def test_docker_builds_it(site: Site, builder: str, tmp_path: Path) -> None:
    docker = site.daemon.docker
    docker("import", "--change", builder_image.ENV, builder_image.archive(), builder_image.NAME)
    docker("rmi", "-f", IMAGE, check=False)
    done = site.export({}, "--build", "--with", builder)
    assert done.ok, done.text()
    docker("save", "-o", tmp_path / "saved.tar", IMAGE)
    same(site, tmp_path / "saved.tar")


@pytest.mark.parametrize("builder", ["podman", "buildah"])
def test_podman_and_buildah_build_it(site: Site, builder: str, tmp_path: Path) -> None:
    """Both have one store, which a file of theirs names."""
    with tempfile.TemporaryDirectory(prefix="pod") as short:
        place = Path(short)
        store = f'[storage]\ndriver = "overlay"\ngraphroot = "{place}/root"\nrunroot = "{place}/run"\n'
        (place / "storage.conf").write_text(store)
        (place / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        )
        env = {
            "CONTAINERS_STORAGE_CONF": f"{place}/storage.conf",
            "CONTAINERS_CONF": f"{place}/containers.conf",
        }
        try:
            made = ["podman", "import", "--change", builder_image.ENV, str(builder_image.archive())]
            assert run(command(*made, builder_image.NAME, env=env)).ok
            done = site.export(env, "--build", "--with", builder)
            assert done.ok, done.text()
            saved = tmp_path / "saved.tar"
            told = run(command("podman", "save", "--format", "docker-archive", "-o", saved, IMAGE, env=env))
            assert told.ok, told.text()
            same(site, saved)
        finally:
            for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
                if line.split()[1].startswith(f"{place}/"):
                    run(command("umount", "-l", line.split()[1]))


def test_another_program_than_edgepacks_is_refused(site: Site) -> None:
    docker = site.daemon.docker
    docker("import", "--change", builder_image.ENV, builder_image.archive(), builder_image.NAME)
    done = site.export({})
    assert done.ok, done.text()
    folder = site.project.folder / "docker"
    source = folder / "build" / "arm64" / "source"
    code = (source / "user" / "src" / "post.cpp").read_text()
    (source / "user" / "src" / "post.cpp").write_text(
        f"{code}\nextern const int added;\nconst int added = 1;\n"
    )
    failed = docker("buildx", "build", "--platform", "linux/arm64", folder, check=False)
    assert failed.returncode != 0
    assert "not the program that edgepack made" in failed.stdout + failed.stderr
