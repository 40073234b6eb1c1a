"""A project of the form `service`, built once, and its program started as a box starts it."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgepack.bundle import open_bundle
from edgepack.cli.main import main
from edgepack.tools import cache, qemu, uv

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOST = qemu.host_arch()
MOST, QUEUE, INSTANCES, REQUEST_MB = 4, 6, 2, 2

SECTION = f"""form: service
service:
  http: 0
  grpc: 0
  instances: {INSTANCES}
  batching: {{most: {MOST}}}
  queue: {QUEUE}
  timeout_ms: 1500
  most_request_mb: {REQUEST_MB}
"""


def project(folder: Path, section: str = SECTION) -> Path:
    """The example as a service, with a step that can take its time."""
    hidden = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock")
    shutil.copytree(ROOT / "examples" / "digits", folder, ignore=hidden)
    shutil.copyfile(HERE / "slow.cpp", folder / "src" / "slow.cpp")
    manifest = folder / "edgepack.yaml"
    text = manifest.read_text()
    assert text.count("form: app\n") == text.count("\npre:") == 1
    text = text.replace("form: app\n", section)
    first = text.index("\n", text.index("\npre:") + 1) + 1
    manifest.write_text(f"{text[:first]}  - {{code: src/slow.cpp, entry: pace}}\n{text[first:]}")
    return folder


def release(folder: Path, dest: Path) -> Path:
    """Build it for this host; the release as a box has it."""
    assert main(["build", HOST, "-C", str(folder)]) == 0
    bundle = open_bundle(folder / "dist" / f"digits@{HOST}", verify=True)
    for file in bundle.files:
        place = dest / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with bundle.open(file) as stream:
            place.write_bytes(stream.read())
        place.chmod(0o755 if file.path.startswith("bin/") else 0o644)
    return dest


@dataclass
class Running:
    """A service at work: its ports, and where it writes."""

    process: subprocess.Popen[bytes]
    http: int
    grpc: int
    data: Path

    def log(self) -> str:
        return (self.data / "log").read_text()

    def stop(self, within: float = 15) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)


@contextlib.contextmanager
def running(program: Path, data: Path, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """``program run --data``, until the test is over."""
    data.mkdir(exist_ok=True)
    with (data / "log").open("wb") as log:
        argv = [program, "run", "--data", data]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, env=env)
        try:
            for _ in range(200):
                said = (data / "log").read_text()
                ports = re.search(r"http on \S+ port (\d+), grpc on port (\d+)", said)
                if ports:
                    yield Running(process, int(ports[1]), int(ports[2]), data)
                    return
                assert process.poll() is None, said
                time.sleep(0.05)
            raise AssertionError(f"it does not begin: {said}")
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def client() -> Path:
    """Python with the real tritonclient."""
    return uv.environment(HERE / "client.txt", "3.11")


def kept() -> Path:
    """edgepack's cache, for commands that run with a home of their own."""
    return cache.root()
