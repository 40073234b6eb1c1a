"""`edgepack image --to NODE`: over SSH into docker 20.10 and podman, with only the layers that these lack."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgepack import oci
from tests.package.test_image import foreign

from . import dockerd
from .dockerd import Dockerd
from .endpoint import DIES_WITH_US, LOOPBACK, Endpoint, free_port, new_keys, wait_for_ssh
from .project import HOST_TARGET, Node, Releases
from .relay import Relay

NAME = f"localhost/digits:1.0.0-{HOST_TARGET}"
HANDSHAKE = 96 << 10  # bytes of SSH itself, of questions and of the script, in a whole run
_PODMAN = """#!/bin/sh
unset DOCKER_CONFIG
exec /usr/bin/podman --root={place}/root --runroot={place}/run --tmpdir={place}/tmp \\
	--storage-driver=overlay --cgroup-manager=cgroupfs --events-backend=none "$@"
"""


@dataclass
class Site:
    """A box with one engine. ``run``: words of a container, in that engine."""

    kind: str
    releases: Releases
    home: Path
    relay: Relay
    run: Callable[..., subprocess.CompletedProcess[str]]

    def bundle(self, version: str) -> None:
        """What is in dist/ is this release."""
        place = in_dist(self.releases)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.releases.bundle(version), place)

    def image(self, *words: str) -> Any:
        """What was done at the node, and how many bytes went over the link."""
        before = self.relay.sent
        (node,) = self.releases.project.said("image", "--to", "box-07", *words)["nodes"]
        return {**node, "link": self.relay.sent - before}

    def layers(self) -> dict[str, int]:
        """Sizes of the image's layers, by kind."""
        folder = self.releases.project.folder / "dist" / "digits.oci"
        index = json.loads((folder / "index.json").read_bytes())
        entry = next(e for e in index["manifests"] if e["annotations"][oci.REF_KEY].endswith(HOST_TARGET))
        manifest = json.loads(oci.blob(folder, entry["digest"]).read_bytes())
        return {one["annotations"]["dev.edgepack.layer"]: one["size"] for one in manifest["layers"]}

    def verified(self, name: str) -> Any:
        """What the container says of the golden vectors."""
        return json.loads(self.run("run", "--rm", "--read-only", "--network=none", name, "verify").stdout)


def in_dist(releases: Releases) -> Path:
    return releases.project.folder / "dist" / f"digits@{HOST_TARGET}"


@pytest.fixture(scope="module", autouse=True)
def as_it_was(releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The project is the whole lab's."""
    kept = tmp_path_factory.mktemp("kept") / "dist"
    shutil.copytree(in_dist(releases), kept)
    yield
    shutil.rmtree(in_dist(releases))
    shutil.copytree(kept, in_dist(releases))


@pytest.fixture(scope="module", params=["docker", "podman"])
def site(
    request: pytest.FixtureRequest, releases: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    kind: str = request.param
    home = tmp_path_factory.mktemp("home")
    with dockerd.running(tmp_path_factory.mktemp("docker")) as daemon:
        (home / "bin").mkdir()
        env = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        if kind == "docker":
            env["DOCKER_HOST"] = daemon.env["DOCKER_HOST"]
            yield from _site(kind, releases, home, env, tmp_path_factory.mktemp("ssh"), daemon.docker)
            return
        place = Path(tempfile.mkdtemp(prefix="pod"))  # its paths must be short
        env["DOCKER_HOST"] = f"unix://{home}/nobody"
        program = home / "bin" / "podman"
        program.write_text(_PODMAN.format(place=place))
        program.chmod(0o755)

        def podman(*words: str) -> subprocess.CompletedProcess[str]:
            limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"] if words[0] == "run" else []
            return daemon.run([str(program), words[0], *limits, *words[1:]])

        try:
            yield from _site(kind, releases, home, env, tmp_path_factory.mktemp("ssh"), podman)
        finally:
            _forget(place, daemon)


def _site(
    kind: str, releases: Releases, home: Path, env: dict[str, str], folder: Path, run: Any
) -> Iterator[Site]:
    """The box's SSH server, behind a relay."""
    keys = new_keys(folder)
    port = free_port()
    words = " ".join(f"{name}={value}" for name, value in env.items())
    (home / "opt").mkdir()  # the box's own /opt, where a maker's software lies
    own = f"unshare -m sh -c 'mount --bind {home}/opt /opt && exec \"$@\"' sh"
    conf = folder / "sshd_config"
    conf.write_text(
        f"HostKey {keys.host}\nAuthorizedKeysFile {keys.identity}.pub\nStrictModes no\nUsePAM no\n"
        f"ListenAddress {LOOPBACK}\nPort {port}\nPidFile none\nPermitRootLogin prohibit-password\n"
        f"SetEnv HOME={folder} SHLVL=1\n"  # else bash reads what this machine's root has in ~/.bashrc
        f'ForceCommand cd {home} && exec {own} env -i {words} sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    argv = [*DIES_WITH_US, "/usr/sbin/sshd", "-D", "-f", str(conf), "-E", str(folder / "log")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    relay = None
    try:
        wait_for_ssh(LOOPBACK, port, 60.0, lambda: process.poll() is None)
        relay = Relay(port)
        endpoint = Endpoint(relay.port, "root", keys.identity, keys.host_key())
        releases.project.write_fleet(box_07=Node(endpoint, HOST_TARGET, str(home / "edgepack")))
        yield Site(kind, releases, home, relay, run)
    finally:
        if relay is not None:
            relay.close()
        process.terminate()
        process.wait(60)


def _forget(place: Path, daemon: Dockerd) -> None:
    """Podman leaves its store mounted."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for where in sorted((m for m in mounted if m.startswith(f"{place}/")), reverse=True):
        daemon.run(["umount", "-l", where], check=False)
    shutil.rmtree(place, ignore_errors=True)


def test_a_dry_run_says_what_would_go_and_changes_nothing(site: Site) -> None:
    site.bundle("1.0.0")
    before = sorted(os.listdir(site.home))
    said = site.image("--dry-run")
    assert (said["engine"].split()[0], said["refusals"], said["there"]) == (site.kind, [], False)
    assert said["layers_to_send"] == ["model", "golden", "notices", "config", "program", "root"]
    assert said["bytes_to_send"] == said["bytes_total"] > 5_000_000
    assert sorted(os.listdir(site.home)) == before
    assert said["link"] < HANDSHAKE


def sizes_in(folder: Path) -> list[int]:
    """Of what is on its way; only the program is larger than 300 kB, and it comes last."""
    found = []
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found.append(file.stat().st_size)
    return found


def test_a_link_that_is_cut_goes_on_with_what_is_there(site: Site) -> None:
    site.bundle("1.0.0")
    store = site.home / "edgepack" / "store"
    site.relay.arrived = lambda: any(size > 300_000 for size in sizes_in(site.home / "edgepack" / "incoming"))
    site.relay.cut_after = site.relay.sent + (700 << 10)  # within the program, the last one
    code, error = site.releases.project.refused("image", "--to", "box-07")
    assert (code, "connection" in error["what"]) == (9, True), error
    assert site.image("--dry-run")["layers_to_send"] == ["program"]
    assert list(store.iterdir())


def test_all_of_it_comes_and_holds_to_the_golden_vectors(site: Site) -> None:
    site.bundle("1.0.0")
    said = site.image()
    assert (said["outcome"], said["layers_sent"], said["layers_total"]) == ("loaded", ["program"], 6)
    assert site.verified(NAME)["samples"] == 64
    assert not list((site.home / "edgepack" / "store").iterdir()), "nothing lies on the disk twice"
    assert not list((site.home / "edgepack" / "images").iterdir())
    again = site.image()
    assert (again["outcome"], again["bytes_sent"]) == ("nothing to do", 0)
    assert again["link"] < HANDSHAKE


def test_a_new_release_moves_no_weights(site: Site) -> None:
    """Bytes are counted at the link itself: the model, of random bits mostly, would be seen."""
    site.bundle("1.1.0")
    plan = site.image("--dry-run")
    assert plan["layers_to_send"] == ["notices", "config", "program", "root"]
    said = site.image()
    sizes = site.layers()
    assert set(said["layers_sent"]) == {"notices", "config", "program", "root"}
    assert said["bytes_sent"] <= said["link"] <= said["bytes_sent"] + HANDSHAKE
    assert said["bytes_sent"] < sum(sizes[kind] for kind in said["layers_sent"])
    new = NAME.replace("1.0.0", "1.1.0")
    assert site.verified(new)["ok"]
    assert site.verified(NAME)["ok"], "what was there is as it was"


def test_one_that_the_engine_has_lost_comes_whole(site: Site) -> None:
    """Its images are gone, and what is sent is again all of it."""
    names = [NAME, NAME.replace("1.0.0", "1.1.0")]
    site.run("image", "rm", "-f", *names)
    site.bundle("1.1.0")
    assert set(site.image()["layers_sent"]) == set(site.layers())
    assert site.verified(names[1])["ok"]


@pytest.mark.parametrize("site", ["podman"], indirect=True)  # one box is enough for that
def test_a_box_whose_engine_does_not_answer_is_refused(site: Site) -> None:
    """Both are installed and neither answers: why is said, and nothing is changed."""
    program = site.home / "bin" / "podman"
    kept = program.read_text()
    program.write_text("#!/bin/sh\necho no store here >&2\nexit 125\n")
    try:
        code, error = site.releases.project.refused("image", "--to", "box-07")
    finally:
        program.write_text(kept)
    assert code == 11
    assert "docker" in error["what"]
    assert "podman no store here" in error["what"]


def test_a_base_of_another_version_than_the_box_has_is_refused_before_anything_is_sent(
    site: Site, tmp_path: Path
) -> None:
    """The box says which libsophon it has by a link below /opt; the image, made here, by a label."""
    made = site.home / "opt" / "sophon"
    made.mkdir(parents=True)
    (made / "libsophon-current").symlink_to("libsophon-0.4.9")
    architecture = oci.PLATFORMS[HOST_TARGET]["architecture"]
    site.bundle("1.0.0")
    bases = {
        version: foreign(tmp_path / version, architecture, labels={"dev.edgepack.base.libsophon": version})
        for version in ("0.5.0", "0.4.6")
    }
    for words in (["--to", "box-07"], ["--for", "box-07", "--push", "registry.example/team/digits"]):
        before = site.relay.sent
        code, error = site.releases.project.refused("image", *words, "--base", f"oci:{bases['0.5.0']}")
        assert (code, site.relay.sent - before < HANDSHAKE) == (11, True)
        assert "is of libsophon 0.5.0" in error["what"]
        assert "the box has 0.4.9 (/opt/sophon/libsophon-current)" in error["what"]
    said = site.image("--dry-run", "--base", f"oci:{bases['0.4.6']}")
    assert (said["refusals"], said["layers_to_send"][0]) == ([], "base")
