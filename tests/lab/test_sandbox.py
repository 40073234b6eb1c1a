"""The sandbox with what only some hosts have: their own sshd, and an emulator out of Debian's archive."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from edgepack.sandbox import box, login, processes
from edgepack.sandbox.state import SandboxState
from edgepack.tools import debian, qemu
from tests.sandbox.conftest import execute, silent

FOREIGN = [arch for arch in qemu.NAMES if arch != qemu.host_arch()]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh host without emulators, after its first ``sandbox up``: what was fetched is in its cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("fresh")
        # Every program of the host but its emulators.
        for place in ("/usr/sbin", "/usr/bin"):
            for program in Path(place).iterdir():
                if not program.name.startswith("qemu-") and not (folder / program.name).is_symlink():
                    (folder / program.name).symlink_to(program)
        patch.setenv("PATH", str(folder))
        patch.setenv("EDGEPACK_CACHE", str(folder / "cache"))
        patch.delenv("EDGEPACK_DEBIAN_MIRROR", raising=False)
        assert [qemu.find(arch) for arch in FOREIGN] == [None] * len(FOREIGN)
        steps: list[tuple[str, int, int]] = []
        emulator = qemu.fetch(FOREIGN[0], lambda *step: steps.append(step))
        assert any(0 < done < total for _, done, total in steps)
        assert emulator.is_relative_to(folder / "cache")
        yield emulator.parent


@pytest.mark.parametrize("arch", FOREIGN)
def test_one_fetch_brings_an_emulator_for_every_architecture(fetched: Path, arch: str) -> None:
    emulator = qemu.find(arch)
    assert emulator == fetched / f"qemu-{qemu.NAMES[arch]}"
    assert qemu.version(emulator) != "unknown"


@pytest.fixture(params=["sshd", "builtin"])
def up(request: pytest.FixtureRequest, tmp_path: Path, fetched: Path) -> Iterator[SandboxState]:
    project = tmp_path / "it's a $(project) 100%"
    project.mkdir()
    yield box.up(project, "box-07", "raspberry-pi-4", "aarch64", silent, request.param)
    box.down(project, "box-07")
    assert list(project.iterdir()) == []


@pytest.fixture
def client(up: SandboxState) -> Iterator[paramiko.SSHClient]:
    with login.connect(up) as client:
        yield client


def test_a_program_of_the_target_runs_through_the_emulator(
    up: SandboxState, client: paramiko.SSHClient, fetched: Path
) -> None:
    assert up.emulator == str(fetched / "qemu-aarch64")
    send = execute(client, "cat > program && chmod +x program", qemu.probe("aarch64"))
    assert send == (0, b"", b"")
    assert execute(client, '"$EDGEPACK_EMULATOR" ./program')[0] == qemu.PROBE_EXIT


def test_both_servers_give_the_same_session(up: SandboxState, client: paramiko.SSHClient) -> None:
    names = execute(client, "env -u PWD -u _ -u SHLVL env | sed 's/=.*//' | sort")[1].split()
    assert names == b"EDGEPACK_EMULATOR EDGEPACK_SANDBOX HOME LOGNAME PATH SHELL TMPDIR USER".split()
    content = os.urandom(20_000_000)
    code, out, _ = execute(client, "sha256sum", content)
    assert (code, out.split()[0].decode()) == (0, hashlib.sha256(content).hexdigest())
    assert execute(client, "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
    with pytest.raises(paramiko.SSHException):
        client.get_transport().open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 2))  # type: ignore[union-attr]


def test_nothing_of_it_is_left(up: SandboxState, client: paramiko.SSHClient) -> None:
    project = Path(up.identity).parents[3]
    left = [
        int(execute(client, f"{command} </dev/null >/dev/null 2>&1 & echo $!")[1])
        for command in ("setsid sleep 600", "env -i setsid sleep 600")
    ]
    time.sleep(0.2)
    everything = {up.pid, *left, *processes.below(up.pid)}
    assert box.down(project, up.node)
    assert everything & processes.table().keys() == set()


def test_the_openssh_client_is_served_too(up: SandboxState, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{up.port} {up.host_key}\n")
    options = (
        f'UserKnownHostsFile="{known}"',
        f'IdentityFile="{up.identity.replace("%", "%%")}"',  # "%" begins a token in ssh's file names
        "IdentityAgent=none",
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        f"Port={up.port}",
    )
    flags = [word for option in options for word in ("-o", option)]
    ssh = ("ssh", "-F", "none", *flags, f"{up.user}@127.0.0.1")
    done = subprocess.run([*ssh, "cat; echo err >&2; exit 5"], input=b"in", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, b"in", b"err\n")


def test_a_package_compressed_with_zstd_is_unpacked_by_the_hosts_dpkg(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "DEBIAN").mkdir()
    (tree / "usr/bin/thing").write_bytes(b"content")
    control = "Package: thing\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: t\n"
    (tree / "DEBIAN/control").write_text(control)
    subprocess.run(["dpkg-deb", "-Zzstd", "-b", tree, tmp_path / "a.deb"], check=True, capture_output=True)
    out = tmp_path / "out" / "thing"
    assert debian.extract(tmp_path / "a.deb", {"usr/bin/thing": out}) == {"usr/bin/thing"}
    assert out.read_bytes() == b"content"
