"""A compiler in a container, by podman and by docker: an image of Debian's gcc, made without a registry."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgepack.compile import hardening
from edgepack.compile.elf import inspect
from edgepack.compile.toolchains import container
from edgepack.compile.toolchains.select import opened, toolchain
from edgepack.compile.toolchains.site import Site
from edgepack.errors import ToolError
from tests.compile.test_toolchains import SAID, answer, ccache_hits, compiled, digest

from .dockerd import DOCKER, running
from .project import HOST_TARGET, Project
from .test_pod import CONTAINERS_CONF

PACKAGES = "base-files,libc-bin,dash,coreutils,sed,g++"
IMAGE = "edgepack-lab/debian-gcc:12"
WITHIN_S = 180.0


@dataclass(frozen=True)
class Engine:
    """path: a folder with the engine alone, told where its store is."""

    name: str
    path: Path

    def run(self, *words: str | Path) -> str:
        done = subprocess.run([self.path / self.name, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    def containers(self) -> list[str]:
        return self.run("ps", "-a", "--format", "{{.Names}}").split()

    def until_none(self) -> None:
        end = time.monotonic() + WITHIN_S
        while left := self.containers():
            assert time.monotonic() < end, left
            time.sleep(0.2)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's gcc in a tar, from the archive that this host has its packages of."""
    file = tmp_path_factory.mktemp("image") / "gcc.tar"
    suite = re.search(r"(?m)^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text())
    assert suite is not None
    words = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES}", suite[1], str(file)]
    subprocess.run(words, check=True)
    return file


def script(folder: Path, name: str, *words: str, env: dict[str, str]) -> None:
    folder.mkdir()
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in env.items())
    (folder / name).write_text(f'#!/bin/sh\n{exports}exec {shlex.join(words)} "$@"\n')
    (folder / name).chmod(0o755)


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request: pytest.FixtureRequest, tree: Path) -> Iterator[Engine]:
    place = Path(tempfile.mkdtemp(prefix="tc"))  # podman's paths must be short
    made = Engine(request.param, place / "bin")
    if request.param == "podman":
        (place / "conf").write_text(CONTAINERS_CONF)
        places = [f"--root={place}/root", f"--runroot={place}/run", f"--tmpdir={place}/tmp"]
        how = ["--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--events-backend=none"]
        words = ["/usr/bin/podman", *places, *how, "--runtime=runc"]
        script(made.path, "podman", *words, env={"CONTAINERS_CONF": f"{place}/conf"})
        made.run("import", tree, IMAGE)
        yield made
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for where in sorted((m for m in mounted if m.startswith(f"{place}/")), reverse=True):
            subprocess.run(["umount", "-l", where], check=False)
    else:
        (place / "d").mkdir()
        with running(place / "d") as daemon:
            script(made.path, "docker", DOCKER, env={"DOCKER_HOST": daemon.env["DOCKER_HOST"]})
            made.run("import", tree, IMAGE)
            yield made
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def path(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The one engine on PATH."""
    monkeypatch.setattr(container, "ENGINES", (engine.name,))
    monkeypatch.setenv("PATH", f"{engine.path}:{os.environ['PATH']}")
    return engine


def test_two_folders_give_the_program_of_the_same_gcc_here(path: Engine, tmp_path: Path) -> None:
    word, made = f"container:{IMAGE}={container.identity(IMAGE)}", []
    for folder in (tmp_path / "one", tmp_path / "somewhere" / "else"):
        with opened(word, HOST_TARGET, Site((folder,))) as tool:
            made.append(compiled(tool, folder))
            assert len(path.containers()) == 1
            assert f"{HOST_TARGET}-linux-gnu" == tool.facts["machine"]
        assert path.containers() == []
    assert digest(made[0]) == digest(made[1])
    assert inspect(made[0]).static
    hardening.check(made[0])
    assert answer(made[0], HOST_TARGET) == SAID
    assert made[0].stat().st_uid == os.getuid()
    here = toolchain("gcc", HOST_TARGET)
    if here.version == tool.facts["gcc"]:
        assert digest(made[0]) == digest(compiled(here, tmp_path / "here"))


@pytest.mark.skipif(shutil.which("ccache") is None, reason="there is no ccache on this host")
def test_what_ccache_has_is_not_compiled_again(
    path: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "ccache"))
    made = []
    for _ in range(2):
        shutil.rmtree(tmp_path / "one", ignore_errors=True)
        with opened(f"container:{IMAGE}", HOST_TARGET, Site((tmp_path / "one",))) as tool:
            made.append(digest(compiled(tool, tmp_path / "one")))
    assert made[0] == made[1]
    assert ccache_hits() >= 1


def test_sources_are_read_only_and_there_is_no_network(path: Engine, tmp_path: Path) -> None:
    project = tmp_path / "project"
    build = project / ".edgepack" / "build"
    build.mkdir(parents=True)
    (project / "post.cpp").write_text("int a;\n")
    with opened(f"container:{IMAGE}", HOST_TARGET, Site((build,), (), project)) as tool:
        (name,) = path.containers()

        def inside(words: str) -> int:
            argv = [path.path / path.name, "exec", name, "sh", "-c", words]
            return subprocess.run(argv, capture_output=True, check=False).returncode

        assert inside(f"cat '{project}/post.cpp'") == 0
        assert inside(f"echo >>'{project}/post.cpp'") != 0
        assert inside("echo >/etc/x") != 0
        assert inside(f"echo >'{build}/x'") == 0
        assert inside("cat /proc/net/route | sed -n 2p | grep .") != 0
        assert subprocess.run([*tool.cc, "--version"], cwd=build, capture_output=True, check=True).stdout
        assert subprocess.run([*tool.cc, "-c", project / "post.cpp"], cwd=build, check=False).returncode == 0
    assert (build / "post.o").is_file()


def test_an_image_that_is_not_there_is_told(path: Engine, tmp_path: Path) -> None:
    with (
        pytest.raises(ToolError, match="no image vendor/sdk:9 here"),
        opened("container:vendor/sdk:9", HOST_TARGET, Site((tmp_path / "b",))),
    ):
        pass


def named(folder: Path) -> Project:
    project = Project(folder)
    manifest = project.folder / "edgepack.yaml"
    given = f"  {HOST_TARGET}: {{toolchain: {{container: {IMAGE!r}}}}}"
    manifest.write_text(manifest.read_text().replace(f"  {HOST_TARGET}: {{}}", given))
    return project


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_stopped_leaves_no_container(
    path: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: signal.Signals
) -> None:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))  # where ncnn is not compiled yet
    project = named(tmp_path / "digits")
    monkeypatch.setenv("PATH", f"{path.path}:{os.environ['PATH']}")
    lines, process = project.until(r"ncnn .*(configuring|\d+/\d+)", "build", HOST_TARGET)
    with process:
        assert path.containers(), lines
        process.send_signal(sign)
        assert process.wait(WITHIN_S) == (130 if sign == signal.SIGINT else -sign)
    path.until_none()


@pytest.mark.heavy  # ncnn is compiled anew by a compiler that no cache knows: `make test-toolchains`
@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_the_example_is_built_with_it_and_proven(path: Engine, tmp_path: Path) -> None:
    built = named(tmp_path / "digits").said("build", HOST_TARGET)
    (bundle,) = built["bundles"]
    assert bundle["proof"]["state"] == "verified on hardware (this machine)"
    lock = (tmp_path / "digits" / "edgepack.lock").read_text()
    assert f"container:{IMAGE}={container.identity(IMAGE)}" in lock
    assert path.containers() == []
