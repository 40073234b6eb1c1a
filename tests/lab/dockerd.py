"""Debian's docker with a network of its own: this machine's docker, addresses and firewall are left alone."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .endpoint import DIES_WITH_US

DOCKER = "/usr/bin/docker"
COMPOSE = "/usr/bin/docker-compose"
WITHIN_S = 180.0


class Dockerd:
    """The daemon in ``folder``, in a network namespace of its own, which is its containers' host."""

    def __init__(self, folder: Path, program: str | Path = "dockerd", settings: Any = None) -> None:
        """program: another daemon than Debian 12's. settings: as its daemon.json has them."""
        self.folder = folder
        self.program = str(program)
        self.settings = settings or {}
        self.namespace = f"edgepack-{os.getpid()}-{folder.stat().st_ino}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        quiet = {"DOCKER_CONFIG": str(self.folder / "config"), "COMPOSE_INTERACTIVE_NO_CLI": "1"}
        return {**os.environ, "DOCKER_HOST": f"unix://{self.folder}/sock", **quiet}

    def inside(self, *argv: str) -> list[str]:
        """The words that run a program in its network."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *argv]

    def start(self) -> None:
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        subprocess.run(["ip", "-n", self.namespace, "link", "set", "lo", "up"], check=True)
        words = [f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec"]
        words += [f"--pidfile={self.folder}/pid", "-H", f"unix://{self.folder}/sock"]
        (self.folder / "daemon.json").write_text(json.dumps(self.settings))
        words += ["--config-file", f"{self.folder}/daemon.json"]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*DIES_WITH_US, *self.inside(self.program, *words)], stdout=log, stderr=log, env=self.env
            )
        self.until(lambda: self.docker("version", check=False).returncode == 0, "dockerd answers")

    def stop(self) -> None:
        if self._process is not None:
            for name in self.docker("ps", "-aq").stdout.split():
                self.docker("rm", "-f", name)
            self._process.terminate()
            self._process.wait(60)
        subprocess.run(["ip", "netns", "del", self.namespace], check=False)
        # What it leaves mounted would keep the folder from being removed.
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in sorted((m for m in mounted if m.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def docker(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run([DOCKER, *map(str, words)], check=check)

    def run(
        self, argv: Sequence[str], check: bool = True, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            list(argv), env=self.env, cwd=cwd, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0 or not check, f"{argv}\n{done.stdout}{done.stderr}{self.said()}"
        return done

    def said(self) -> str:
        """The last words of the daemon."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.docker("inspect", container).stdout)[0]
        return found

    def until(self, holds: Any, what: str) -> None:
        """Wait for a state, however long a busy machine takes."""
        deadline = time.monotonic() + WITHIN_S
        while not holds():
            assert self._process is None or self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}"
            time.sleep(0.2)

    def image_of_programs(
        self, name: str, programs: Sequence[str], owned: dict[str, int], command: Sequence[str]
    ) -> None:
        """An image with programs of this Debian, what they are linked with, and folders of an account's."""
        files = {Path(path) for program in programs for path in (program, *_libraries(program))}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for folder, account in owned.items():
                entry = tarfile.TarInfo(folder.strip("/"))
                entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, account, account
                tar.addfile(entry)
            for file in sorted(files):
                tar.add(file.resolve(), str(file).strip("/"))
        (self.folder / "import.tar").write_bytes(buffer.getvalue())
        self.docker(
            "import", "--change", f"CMD {json.dumps(list(command))}", self.folder / "import.tar", name
        )


def _libraries(program: str) -> list[str]:
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(?:=> )?(/\S+) \(0x", said)


@contextlib.contextmanager
def running(folder: Path, program: str | Path = "dockerd", settings: Any = None) -> Iterator[Dockerd]:
    """The daemon, up; with the block it goes, and every container with it."""
    daemon = Dockerd(folder, program, settings)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
