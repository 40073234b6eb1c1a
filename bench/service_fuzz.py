"""Malformed requests against the service, drawn from a seed: whatever comes, it lives and answers the next.

    python -m bench.service_fuzz --seconds 600 --seed 7

Right requests of each kind (HTTP/1.1, HTTP/2, Protocol Buffers, JSON) are damaged: bits, cuts, pieces that
are doubled or swapped, lengths that lie. Every fiftieth is a right one, which must be answered rightly.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LIES = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**24 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
WORDS = (
    *(
        b"0",
        b"-1",
        b"1e999",
        b"18446744073709551616",
        b"null",
        b"[",
        b"{",
        b'"',
        b"\\u0000",
        b"\xff\xfe",
        b"%00",
    ),
    *(b"\r\n", b"\n", b"\0", b"chunked", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"inputs", b"shape", b"data", b"parameters", b"binary_data_size", b"../", b"versions/", b"[[[[[[[["),
)


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def piece(number: int, value: bytes | int) -> bytes:
    """One field of a Protocol Buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def infer_proto(raw: bool) -> bytes:
    pixels = bytes(range(64))
    tensor = piece(1, b"image") + piece(2, b"UINT8") + piece(3, varint(8) + varint(8) + varint(1))
    if not raw:
        tensor += piece(5, piece(4, b"".join(varint(p) for p in pixels)))
    message = (
        piece(1, b"digits-pipeline") + piece(3, b"id") + piece(5, tensor) + piece(6, piece(1, b"record"))
    )
    message += piece(4, piece(1, b"timeout") + piece(2, piece(2, 1000000)))
    return message + (piece(7, pixels) if raw else b"")


def infer_json(kind: int) -> tuple[bytes, bytes]:
    """JSON, and the bytes after it."""
    parameters: dict[str, object] = {"binary_data_size": 64}
    image: dict[str, object] = {"name": "image", "datatype": "UINT8", "shape": [8, 8, 1]}
    asked: dict[str, object] = {"id": "1", "inputs": [image], "outputs": [{"name": "record"}]}
    if kind == 0:
        image["parameters"] = parameters
        asked["parameters"] = {"binary_data_output": True}
        return json.dumps(asked).encode(), bytes(range(64))
    image["data"] = [[[row * 8 + column] for column in range(8)] for row in range(8)]
    if kind == 1:
        return json.dumps(asked).encode(), b""
    rows = [[[0.5] * 28] * 28]
    samples = {"name": "image", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": [rows]}
    return json.dumps({"inputs": [samples]}).encode(), b""


def http(method: str, path: str, body: bytes = b"", head: int | None = None, chunks: int = 0) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: box"]
    if head is not None:
        lines.append(f"Inference-Header-Content-Length: {head}")
    if chunks:
        lines.append("Transfer-Encoding: chunked")
        parts = [body[at : at + chunks] for at in range(0, len(body), chunks)]
        body = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"
    elif body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def hpack(*headers: tuple[bytes, bytes]) -> bytes:
    """Literals without an index and without Huffman's code (RFC 7541, 6.2.2)."""
    return b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in headers
    )


def call(method: str, message: bytes, stream: int = 1) -> list[bytes]:
    path = f"/inference.GRPCInferenceService/{method}".encode()
    headers = hpack(
        *((b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"box")),
        *((b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"grpc-timeout", b"2S")),
    )
    data = b"\0" + struct.pack(">I", len(message)) + message
    return [frame(1, 4, stream, headers), frame(0, 1, stream, data)]


def grpc(rng: random.Random, message: bytes, method: str = "ModelInfer") -> bytes:
    return PREFACE + frame(4, 0, 0, b"") + b"".join(call(method, message))


def damaged(rng: random.Random, data: bytes) -> bytes:
    """One to four damages."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(made) + 1)
        to = min(len(made), at + rng.randint(1, 24))
        kind = rng.randrange(8)
        if kind == 0 and made:
            made[at % len(made)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            made[at:to] = rng.randbytes(to - at)
        elif kind == 2:
            del made[at:to]
        elif kind == 3:
            made[at:at] = made[at:to] * rng.randint(1, 8)
        elif kind == 4:
            del made[at:]
        elif kind == 5:
            made[at:at] = rng.choice(WORDS)
        elif kind == 6:
            made[at:to] = varint(rng.choice(LIES))
        else:
            text = re.search(rb"\d+", bytes(made[at:]))
            if text:
                made[at + text.start() : at + text.end()] = str(rng.choice(LIES)).encode()
    return bytes(made)


def http_drawn(rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        path = rng.choice(
            ["/v2", "/v2/models/digits", "/v2/health/ready", "/v2/models/stats", "/v2/models/digits/config"]
        )
        return damaged(rng, http("GET", path) * rng.randint(1, 3))
    text, after = infer_json(rng.randrange(3))
    model = "digits" if b"FP32" in text else "digits-pipeline"
    path = f"/v2/models/{model}/infer"
    if kind <= 3:  # the JSON is damaged, what is around it is right
        text = damaged(rng, text)
        head = len(text) if rng.random() < 0.8 else rng.choice(LIES)
        return http("POST", path, text + after, head if after or rng.random() < 0.3 else None)
    if kind == 4:  # what is packed is damaged, or what it is packed in
        coding, pack = rng.choice([("gzip", gzip.compress), ("deflate", zlib.compress)])
        whole = text + after if rng.random() < 0.5 else damaged(rng, text + after)
        body = damaged(rng, pack(whole)) if rng.random() < 0.7 else pack(whole * rng.choice([1, 1, 20000]))
        asked = http("POST", path, body, len(text) if after else None)
        said = f"\r\nContent-Encoding: {coding}\r\nAccept-Encoding: gzip\r\n".encode()
        return asked.replace(b"\r\n", said, 1)
    chunks = rng.choice([0, 7, 1000])
    return damaged(rng, http("POST", path, text + after, len(text) if after else None, chunks))


def grpc_drawn(rng: random.Random) -> bytes:
    message = infer_proto(rng.random() < 0.5)
    kind = rng.randrange(5)
    method = rng.choice(
        ["ModelInfer", "ModelInfer", "ModelStreamInfer", "ModelMetadata", "ModelStatistics", "Nothing"]
    )
    if kind <= 1:  # the message is damaged, the frames are right
        return grpc(rng, damaged(rng, message), method)
    if kind == 2:  # whole frames, of any kind, anywhere
        frames = [frame(4, 0, 0, b""), *call(method, message), *call("ServerLive", b"", 3)]
        for _ in range(rng.randint(1, 5)):
            odd = frame(
                rng.randrange(12),
                rng.randrange(256),
                rng.choice([0, 1, 2, 3, 5]),
                rng.randbytes(rng.randrange(40)),
            )
            frames.insert(rng.randrange(len(frames) + 1), odd)
        if rng.random() < 0.3:
            rng.shuffle(frames)
        return PREFACE + b"".join(frames)
    if kind == 3:  # calls that are cancelled, and settings that change
        frames = [frame(4, 0, 0, struct.pack(">HI", rng.randrange(1, 8), rng.choice(LIES) % 2**32))]
        for stream in range(1, rng.randint(3, 60), 2):
            frames += call(method, message, stream)[: rng.randint(1, 2)]
            if rng.random() < 0.5:
                frames.append(frame(3, 0, stream, struct.pack(">I", 8)))
        return PREFACE + b"".join(frames)
    return damaged(rng, grpc(rng, message, method))


@dataclass
class Fuzz:
    """One run. ``ports``: of HTTP and gRPC; ``alive``: whether the program is there."""

    ports: tuple[int, int]
    seed: int
    alive: Callable[[], bool]
    heard: Counter[str] = field(default_factory=Counter)

    def run(self, seconds: float) -> int:
        """Damaged requests until the time is over; how many. Raises AssertionError where one ends it."""
        rng, end, count = random.Random(self.seed), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            over_http = rng.random() < 0.5
            data = http_drawn(rng) if over_http else grpc_drawn(rng)
            said = self.ask(0 if over_http else 1, data, rng)
            self.heard[said[:12].decode("latin-1") if over_http else f"grpc {said[:1].hex()}"] += 1
            count += 1
            if count % 50 == 0:
                self.right(f"after request {count} of the seed {self.seed}")
        self.right("at the end")
        return count

    def ask(self, way: int, data: bytes, rng: random.Random) -> bytes:
        """Send, sometimes in pieces, and hear what comes, for a short while."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.ports[way]), 5) as peer,
        ):
            peer.settimeout(0.02)
            cut = rng.randrange(len(data) + 1) if rng.random() < 0.3 else len(data)
            peer.sendall(data[:cut])
            if cut < len(data):
                peer.sendall(data[cut:])
            return peer.recv(4096)
        return b""

    def right(self, when: str) -> None:
        """A right request in both ways. It may be refused while others wait, but not for long."""
        assert self.alive(), f"the service is gone {when}"
        text, after = infer_json(0)
        asked = http("POST", "/v2/models/digits-pipeline/infer", text + after, len(text))
        called = grpc(random.Random(0), infer_proto(raw=True))
        for way, data, refused in ((0, asked, b"HTTP/1.1 503"), (1, called, b"queue is full")):
            for _ in range(50):
                answer = self.heard_whole(way, data)
                if refused not in answer:
                    break
                time.sleep(0.1)
            assert b'{"class"' in answer, f"{when}: {answer[:200]!r}"

    def heard_whole(self, way: int, data: bytes) -> bytes:
        """All that comes until the record or a refusal is in it."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.ports[way]), 10) as peer:
            peer.settimeout(10)
            peer.sendall(data)
            while not any(mark in answer for mark in (b'{"class"', b"queue is full")):
                more = peer.recv(65536)
                if not more:
                    break
                answer += more
        return answer


def environment() -> dict[str, str]:
    """What the sanitizers are told: the first fault ends it; ONNX Runtime keeps memory to the end."""
    options = {
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return {**os.environ, **options}


def main() -> int:
    from bench.service_build import can, sanitized

    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--release", type=Path, help="built before, by bench.service_build")
    asked = options.parse_args()
    if not can() and asked.release is None:
        print("there is no g++ on this host", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="edgepack-fuzz-") as temporary:
        release = asked.release or sanitized(Path(temporary))
        log = Path(temporary) / "log"
        with log.open("wb") as to:
            program = subprocess.Popen(
                [release / "bin" / "digits", "run", "--data", temporary], stderr=to, env=environment()
            )
        try:
            ports = None
            while ports is None:
                time.sleep(0.1)
                assert program.poll() is None, log.read_text()
                ports = re.search(r"port (\d+), grpc on port (\d+)", log.read_text())
            fuzz = Fuzz((int(ports[1]), int(ports[2])), asked.seed, lambda: program.poll() is None)
            count = fuzz.run(asked.seconds)
            program.send_signal(signal.SIGTERM)
            code = program.wait(20)
            print(f"{count} requests of the seed {asked.seed}; the service ended with {code}, as it was told")
            print(", ".join(f"{said or 'nothing'}: {times}" for said, times in fuzz.heard.most_common()))
            return code
        except AssertionError as error:
            print(error, log.read_text()[-4000:], sep="\n", file=sys.stderr)
            return 1
        finally:
            if program.poll() is None:
                program.kill()


if __name__ == "__main__":
    sys.exit(main())
