"""The service under load beside a Python one (`bench.service_peer`), in turns, in the same run.

    python -m bench.service            # `make bench-service`

What counts is the ratio: the machine's own speed is in both. Each answer is held to what the peer says.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.service_fuzz import http
from tests.service import service

SECTION = "form: service\nservice: {http: 0, grpc: 0, instances: 2}\n"
MODEL = service.ROOT / "examples" / "digits" / "model" / "lenet.onnx"


def question(samples: int) -> bytes:
    """An inference as a client sends it: JSON, and the numbers after it."""
    draw = np.random.default_rng(samples).normal(size=(samples, 1, 28, 28)).astype(np.float32).tobytes()
    parameters = {"binary_data_size": len(draw)}
    tensor = {"name": "image", "datatype": "FP32", "shape": [samples, 1, 28, 28], "parameters": parameters}
    text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return http("POST", "/v2/models/digits/infer", text + draw, len(text))


@dataclass
class Load:
    """So many peers that ask one request after another."""

    port: int
    asked: bytes
    times: list[float] = field(default_factory=list)
    answer: bytes = b""
    wrong: int = 0

    def run(self, peers: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._peer, args=(end,)) for _ in range(peers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _peer(self, end: float) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 10) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (began := time.monotonic()) < end:
                peer.sendall(self.asked)
                head, body = _whole(peer)
                self.times.append(time.monotonic() - began)
                if not head.startswith(b"HTTP/1.1 200"):
                    self.wrong += 1
                self.answer = body

    def percentile(self, part: float) -> float:
        """Milliseconds."""
        return 1000 * float(np.percentile(self.times, part))


def _whole(peer: socket.socket) -> tuple[bytes, bytes]:
    got = b""
    while b"\r\n\r\n" not in got:
        more = peer.recv(65536)
        if not more:
            raise ConnectionError("the service closed the connection")
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")
    )
    while len(body) < length:
        body += peer.recv(65536)
    return head, body


def numbers(answer: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.frombuffer(answer[-(len(answer) - answer.rindex(b"}") - 1) :], np.float32)


@dataclass(frozen=True)
class Row:
    """One load: requests a second and times of both, and how far their answers are apart."""

    peers: int
    samples: int
    rates: tuple[float, float]
    middle: tuple[float, float]
    last: tuple[float, float]
    wrong: int
    apart: float

    def text(self) -> str:
        ratio, slower = self.rates[0] / self.rates[1], self.last[0] / self.last[1]
        return (
            f"{self.peers:3d} peers, {self.samples} samples: {self.rates[0]:7.0f} requests/s, the peer "
            f"{self.rates[1]:7.0f}: {ratio:.1f} times; median {self.middle[0]:.2f} ms, "
            f"{self.middle[1]:.2f} ms; 99 % {self.last[0]:.2f} ms, {self.last[1]:.2f} ms: {slower:.2f} times"
        )


def measure(ports: tuple[int, int], peers: int, samples: int, seconds: float, turns: int = 2) -> Row:
    """Both in turns, so that what else the machine does comes to both."""
    asked = question(samples)
    loads = [Load(port, asked) for port in ports]
    for _ in range(turns):
        for load in loads:
            load.run(peers, seconds)
    rates = [len(load.times) / (turns * seconds) for load in loads]
    apart = float(np.abs(numbers(loads[0].answer) - numbers(loads[1].answer)).max())
    return Row(
        peers,
        samples,
        (rates[0], rates[1]),
        (loads[0].percentile(50), loads[1].percentile(50)),
        (loads[0].percentile(99), loads[1].percentile(99)),
        sum(load.wrong for load in loads),
        apart,
    )


def peer() -> tuple[subprocess.Popen[bytes], int]:
    """The Python service, with as many threads as an instance has."""
    words = [sys.executable, "-m", "bench.service_peer", MODEL, "1"]
    made = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=service.ROOT)
    assert made.stdout is not None
    return made, int(made.stdout.readline())


def patience(folder: Path, release: Path, seconds: float) -> float:
    """Requests a second with `batching.wait_ms` by those without: eight peers, full batches of eight.

    folder: the project that ``release`` was built of, without it.
    """
    manifest = folder / "edgepack.yaml"
    manifest.write_text(manifest.read_text().replace("instances: 2", "instances: 2, batching: {wait_ms: 5}"))
    patient = service.release(folder, folder.with_name("patient"))
    with (
        service.running(patient / "bin" / "digits", folder / "waits") as waits,
        service.running(release / "bin" / "digits", folder / "waits not") as other,
    ):
        row = measure((waits.http, other.http), 8, 1, seconds)
    assert (row.wrong, row.apart) == (0, 0.0), row.text()
    return row.rates[0] / row.rates[1]


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=5)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgepack-bench-") as temporary:
        folder = Path(temporary)
        release = service.release(service.project(folder / "digits", SECTION), folder / "release")
        other, port = peer()
        try:
            with service.running(release / "bin" / "digits", folder / "data") as served:
                for peers, samples in ((1, 1), (4, 1), (8, 1), (4, 4)):
                    row = measure((served.http, port), peers, samples, asked.seconds)
                    print(row.text(), flush=True)
                    if row.wrong or row.apart > 1e-3:
                        print(f"{row.wrong} refused, answers {row.apart} apart", file=sys.stderr)
                        return 1
        finally:
            assert other.stdin is not None
            other.stdin.close()
            other.wait(10)
        ratio = patience(folder / "digits", release, asked.seconds)
        print(
            f"8 peers, batches of 8 that are waited for (wait_ms 5): {ratio:.2f} times the requests without"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
