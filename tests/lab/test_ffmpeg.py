"""The real ffmpeg as a source: a file to the last bit, and an RTSP camera with a password that goes away."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compile.conftest import Tiny
from tests.compile.talking import built, free_port
from tests.compile.test_program_run import Box

FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 26\r\na=control:track\r\n"
)


class Camera:
    """An RTSP server (RFC 2326) that sends RTP within its connection. The RTP is ffmpeg's own."""

    def __init__(self, login: str) -> None:
        self._login = "Basic " + base64.b64encode(login.encode()).decode()
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind(("127.0.0.1", 0))
        self._rtp.settimeout(0.2)
        port = self._rtp.getsockname()[1]
        drawn = ["-re", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10", "-pix_fmt", "yuvj420p"]
        coded = ["-c:v", "mjpeg", "-huffman", "default", "-q:v", "2", "-f", "rtp", f"rtp://127.0.0.1:{port}"]
        self._source = subprocess.Popen([*FFMPEG, *drawn, *coded], stdout=subprocess.DEVNULL)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.refused = self.played = 0
        self._client: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()
        threading.Thread(target=self._play, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            file = client.makefile("rb")
            while head := self._head(file):
                method, number = head.split(" ", 1)[0], re.search(r"(?i)cseq: *(\d+)", head)
                assert number is not None
                more = "Session: 1;timeout=60\r\n"
                status, body = "200 OK", ""
                if method != "OPTIONS" and self._login not in head:
                    self.refused += 1
                    status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
                elif method == "DESCRIBE":
                    body, more = SDP, "Content-Type: application/sdp\r\n"
                elif method == "SETUP":
                    more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                elif method == "OPTIONS":
                    more = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
                text = f"RTSP/1.0 {status}\r\nCSeq: {number[1]}\r\n{more}"
                text += f"Content-Length: {len(body)}\r\n\r\n{body}"
                client.sendall(text.encode())
                if method == "PLAY":
                    self._client = client
                    self.played += 1

    def _head(self, file: object) -> str:
        head = ""
        while True:
            line = file.readline(1).decode("latin-1")  # type: ignore[attr-defined]
            if line == "$" and not head:  # what the client says of the stream, within the connection
                file.read(int.from_bytes(file.read(3)[1:], "big"))  # type: ignore[attr-defined]
                continue
            line += file.readline().decode("latin-1")  # type: ignore[attr-defined]
            if not line or line == "\r\n":
                return head
            head += line

    def _play(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                with contextlib.suppress(TimeoutError):
                    packet = self._rtp.recv(65536)
                    client = self._client
                    if client is not None:
                        try:
                            client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                        except OSError:
                            self._client = None

    def hang_up(self) -> None:
        """As when somebody pulls its cable: it comes back when it is asked again."""
        client, self._client = self._client, None
        assert client is not None
        client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._source.kill()
        self._source.wait()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._rtp.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ffmpeg")


@pytest.fixture(scope="module")
def once(folder: Path) -> Tiny:
    """A program that reads its input once. Kept beside, since the next one is built in its place."""
    made = program(folder, again=False)
    kept = shutil.copytree(made.release, folder / "once")
    return dataclasses.replace(made, built=dataclasses.replace(made.built, program=kept / "bin" / "tiny"))


@pytest.fixture(scope="module")
def watching(folder: Path, once: Tiny) -> Tiny:
    assert once
    return program(folder, again=True)


def program(folder: Path, *, again: bool) -> Tiny:
    return built(
        folder,
        source={"kind": "ffmpeg", "input_file": "url", "silent_s": 20, "again": again},
        sink=[{"kind": "jsonl"}, {"kind": "samples", "keep_mb": 20, "when": {"every": 1}}],
    )


@contextlib.contextmanager
def running(program: Tiny, data: Path, url: str) -> Iterator[Box]:
    box = Box(program, data)
    data.mkdir(exist_ok=True)
    (data / "url").write_text(url + "\n")
    box.start()
    try:
        yield box
        assert box.stop() == 0
    finally:
        assert box.process is not None
        box.process.kill()
        box.process.wait()


def told(box: Box) -> str:
    return (box.data / "log").read_text() + json.dumps(box.status())


def test_a_file_is_read_to_the_last_bit_and_once(once: Tiny, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    made = ["-f", "lavfi", "-i", "testsrc=size=96x64:rate=25:duration=1", "-pix_fmt", "bgr0", "-c:v", "ffv1"]
    subprocess.run([*FFMPEG, *made, str(data / "clip.mkv")], check=True)
    drawn = ["-i", str(data / "clip.mkv"), "-pix_fmt", "rgb24", str(tmp_path / "%03d.ppm")]
    subprocess.run([*FFMPEG, *drawn], check=True)
    expected = [file.read_bytes() for file in sorted(tmp_path.glob("*.ppm"))]
    with running(once, data, "clip.mkv") as box:
        box.until(lambda: "that was all of it" in told(box), "the end")
        box.until(lambda: len(box.lines()) == 25, "an answer for each")
    assert [file.read_bytes() for file in sorted((data / "samples").glob("*.ppm"))] == expected


def test_a_camera_is_asked_again_when_it_goes_away_and_its_password_is_told_nobody(
    watching: Tiny, tmp_path: Path
) -> None:
    camera = Camera("admin:pa55word")
    url = f"rtsp://admin:pa55word@127.0.0.1:{camera.port}/live"
    try:
        with running(watching, tmp_path / "data", url) as box:
            box.until(lambda: len(box.lines()) > 3, "pictures")
            camera.hang_up()
            box.until(lambda: camera.played > 1, "that it is asked again")
            before = len(box.lines())
            box.until(lambda: len(box.lines()) > before + 3, "pictures again")
            assert camera.refused > 0
            assert "pa55word" not in told(box)
    finally:
        camera.close()


def test_a_camera_that_is_not_there_is_told_in_ffmpegs_words(watching: Tiny, tmp_path: Path) -> None:
    url = f"rtsp://admin:pa55word@127.0.0.1:{free_port()}/live"
    with running(watching, tmp_path / "data", url) as box:
        box.until(lambda: "Connection refused" in told(box), "the trouble")
        assert "pa55word" not in told(box)
        assert "what url names" in told(box)
