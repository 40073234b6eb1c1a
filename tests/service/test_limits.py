"""What a peer may take of the service: time, connections, memory; and how it ends."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest

from bench.service_fuzz import PREFACE, call, frame, http, infer_json, infer_proto
from tests.service import service
from tests.service.service import Running

pytestmark = pytest.mark.slow


def connected(port: int, timeout: float = 20) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), 10)
    peer.settimeout(timeout)
    return peer


def heard(peer: socket.socket) -> bytes:
    """Until the service closes."""
    answer = b""
    try:
        while more := peer.recv(65536):
            answer += more
    except ConnectionError:
        pass
    return answer


def asked(port: int, data: bytes) -> tuple[int, bytes]:
    """One HTTP request: its status, and its body."""
    with connected(port) as peer:
        peer.sendall(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        head, _, body = heard(peer).partition(b"\r\n\r\n")
        return int(head[9:12]), body


HEAD = b"POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\n"


def packed(coding: bytes, body: bytes) -> bytes:
    return HEAD + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (coding, len(body), body)


REFUSED = {
    "no Host": (b"GET /v2 HTTP/1.1\r\n\r\n", 400),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    "a length and chunks": (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
    "a length below 0": (HEAD + b"Content-Length: -1\r\n\r\n", 400),
    "lines without CR": (b"GET /v2 HTTP/1.1\nHost: a\n\n", 400),
    "a folded line": (b"GET /v2 HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    "a blank before a colon": (b"GET /v2 HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "a head without an end": (b"GET /v2 HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20000, 431),
    "too many headers": (b"GET /v2 HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    "too large": (HEAD + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3000000, 413),
    "chunks that are too large": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n300000\r\n", 413),
    "another encoding": (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "another version": (b"GET /v2 HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "an expectation": (HEAD + b"Expect: tea\r\nContent-Length: 2\r\n\r\n{}", 417),
    "a path that leaves": (b"GET /v2/../x HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "not packed at all": (packed(b"gzip", b"{}"), 400),
    "packed, and cut off": (packed(b"gzip", gzip.compress(b"{}")[:-3]), 400),
    "packed, and more after it": (packed(b"gzip", gzip.compress(b"{}") + b"x"), 400),
    "packed otherwise than it says": (packed(b"deflate", gzip.compress(b"{}")), 400),
    "a packed body of nothing": (packed(b"gzip", b""), 400),
    "3 KB that are 3 MB": (packed(b"gzip", gzip.compress(bytes(3_000_000))), 413),
    "another coding": (packed(b"br", b"{}"), 415),
    "packed twice": (packed(b"gzip, gzip", gzip.compress(gzip.compress(b"{}"))), 415),
    "another method": (b"DELETE /v2 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "JSON that is not": (HEAD + b"Content-Length: 1\r\n\r\n{", 400),
    "JSON nested without an end": (HEAD + b"Content-Length: 50000\r\n\r\n" + b"[" * 50000, 400),
    "a head that is longer": (
        HEAD + b"Inference-Header-Content-Length: 3\r\nContent-Length: 2\r\n\r\n{}",
        400,
    ),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_http_is_taken_strictly(served: Running, data: bytes, status: int) -> None:
    found, body = asked(served.http, data)
    assert found == status
    assert json.loads(body)["error"]


ACCEPTED = {
    "gzip": "gzip",
    "deflate": "deflate",
    "br, gzip;q=0.5": "gzip",
    "gzip;q=0, deflate": "deflate",
    "*": "gzip",
    "*, gzip;q=0": "",
    "identity": "",
    "br": "",
    "": "",
}


@pytest.mark.parametrize(("said", "coding"), ACCEPTED.items())
def test_an_answer_is_packed_as_the_peer_takes_it(served: Running, said: str, coding: str) -> None:
    tensor = {"name": "image", "datatype": "FP32", "shape": [4, 1, 28, 28], "data": [0.25] * 3136}
    one = http("POST", "/v2/models/digits/infer", json.dumps({"inputs": [tensor]}).encode())
    with connected(served.http) as peer:
        more = f"Accept-Encoding: {said}\r\n" if said else ""
        peer.sendall(one.replace(b"\r\n", f"\r\nConnection: close\r\n{more}".encode(), 1))
        head, _, body = heard(peer).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert (f"Content-Encoding: {coding}".encode() in head) is bool(coding)
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, "": bytes}[coding]
    assert json.loads(unpack(body))["outputs"][0]["shape"] == [4, 10]


TENSORS = {
    "a number beyond FP32": ({"data": [1e300] + [0] * 783}, "beyond FP32"),
    "a text among numbers": ({"data": [0] * 783 + ["1"]}, "both numbers and texts"),
    "a null": ({"data": [None] * 784}, "data has a null"),
    "too few": ({"data": [0] * 783}, "3132 bytes of data, its shape has 3136"),
    "no data": ({}, "has no data"),
    "a shape that multiplies to nothing": ({"shape": [2**31 - 1] * 4, "data": [0]}, "the model takes"),
    "an axis below 0": ({"shape": [-1, 1, 28, 28], "data": []}, "not a whole number"),
    "an axis of a half": ({"shape": [0.5], "data": []}, "not a whole number"),
    "17 axes": ({"shape": [1] * 17, "data": [0]}, "more than 16 axes"),
    "data twice": ({"data": [0], "parameters": {"binary_data_size": 4}}, "both data and binary_data_size"),
    "bytes that did not come": ({"parameters": {"binary_data_size": 2**63}}, "more than the bytes that came"),
    "shared memory": ({"parameters": {"shared_memory_region": "x"}}, "shared memory is not offered"),
    "a name that is a number": ({"name": 7}, "'name' is of another type"),
    "a shape that is a text": ({"shape": "1"}, "'shape' is of another type"),
}


@pytest.mark.parametrize(("change", "said"), TENSORS.values(), ids=TENSORS)
def test_a_tensor_that_is_none_is_told(served: Running, change: dict[str, object], said: str) -> None:
    tensor: dict[str, object] = {"name": "image", "datatype": "FP32", "shape": [1, 1, 28, 28], **change}
    body = json.dumps({"inputs": [tensor]}).encode()
    status, answer = asked(served.http, http("POST", "/v2/models/digits/infer", body))
    assert status == 400
    assert said in json.loads(answer)["error"]


def test_requests_one_after_another_on_one_connection(served: Running) -> None:
    text, after = infer_json(0)
    one = http("POST", "/v2/models/digits-pipeline/infer", text + after, len(text))
    with connected(served.http) as peer:
        peer.sendall(one * 20 + b"GET /v2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = heard(peer)
    assert answer.count(b"HTTP/1.1 200 OK") == 21
    assert answer.count(b'{"class"') == 20


def test_who_waits_to_be_asked_for_the_body_is(served: Running) -> None:
    text, after = infer_json(0)
    one = http("POST", "/v2/models/digits-pipeline/infer", text + after, len(text))
    head = one.partition(b"\r\n\r\n")[0] + b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with connected(served.http) as peer:
        peer.sendall(head)
        assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(text + after)
        assert heard(peer).startswith(b"HTTP/1.1 200 OK")


def test_who_is_slow_is_left_and_keeps_nobody_waiting(served: Running) -> None:
    """A head, a body and a greeting that do not come to an end; an HTTP/2 call that is never finished."""
    slow = {
        "a head": (served.http, b"GET /v2 HT"),
        "nothing": (served.http, b""),
        "a body": (served.http, HEAD + b"Content-Length: 100\r\n\r\n{"),
        "a greeting": (served.grpc, PREFACE[:10]),
        "a call": (served.grpc, PREFACE + frame(4, 0, 0, b"") + call("ModelInfer", b"")[0]),
    }
    ends: dict[str, tuple[float, bytes]] = {}
    began = time.monotonic()

    def one(what: str, port: int, data: bytes) -> None:
        with connected(port, 60) as peer:
            peer.sendall(data)
            answer = heard(peer) if what != "a call" else peer.recv(100) + peer.recv(1000)
            ends[what] = (time.monotonic() - began, answer)

    threads = [threading.Thread(target=one, args=(what, *way)) for what, way in slow.items()]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert asked(served.http, http("GET", "/v2/health/ready"))[0] == 200
    for thread in threads:
        thread.join(60)
    assert set(ends) == set(slow)
    assert ends["a head"][1].startswith(b"HTTP/1.1 408")
    assert ends["a body"][1].startswith(b"HTTP/1.1 408")
    assert all(took < 30 for took, _ in ends.values())


def test_more_connections_than_it_has_room_for(served: Running) -> None:
    """260 of them, which say nothing: the others are served once these are left."""
    peers = [connected(served.http) for _ in range(260)]
    time.sleep(0.5)
    for peer in peers:
        peer.close()
    time.sleep(0.5)
    assert asked(served.http, http("GET", "/v2/health/ready"))[0] == 200


def test_who_asks_and_does_not_listen_costs_little(served: Running) -> None:
    """Calls whose answers nobody takes, as the peer leaves them no window: memory stays as it was."""
    settings = frame(4, 0, 0, b"\0\4\0\0\0\0")  # a window of 0 bytes
    frames = [
        frame for stream in range(1, 60, 2) for frame in call("ModelInfer", infer_proto(raw=True), stream)
    ]
    before = memory(served)
    peers = [connected(served.grpc) for _ in range(20)]
    for peer in peers:
        peer.sendall(PREFACE + settings + b"".join(frames))
    time.sleep(1)
    assert asked(served.http, http("GET", "/v2/health/ready"))[0] == 200
    assert memory(served) - before < 32 << 20
    for peer in peers:
        peer.close()


def memory(served: Running) -> int:
    """Bytes that the program has of the machine's memory."""
    words = Path(f"/proc/{served.process.pid}/statm").read_text().split()
    return int(words[1]) * 4096


def test_told_to_stop_it_answers_what_is_under_way(service_release: Path, tmp_path: Path) -> None:
    """A slow request at work, an idle connection: the first is answered, nobody new is, and the exit is 0."""
    pixels = bytes([40, 0, 0]) + bytes(3)  # 0.4 s; see slow.cpp
    image = {"name": "image", "datatype": "UINT8", "shape": [2, 3, 1], "parameters": {"binary_data_size": 6}}
    text = json.dumps({"inputs": [image]}).encode()
    with service.running(service_release / "bin" / "digits", tmp_path / "data") as served:
        idle, busy = connected(served.http), connected(served.http)
        busy.sendall(http("POST", "/v2/models/digits-pipeline/infer", text + pixels, len(text)))
        time.sleep(0.15)
        began = time.monotonic()
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda: answers.append(heard(busy)))
        thread.start()
        assert served.stop() == 0
        assert time.monotonic() - began < 8
        thread.join(5)
        assert answers[0].startswith(b"HTTP/1.1 200 OK")
        assert heard(idle) == b""
        idle.close()
        busy.close()
        with pytest.raises(ConnectionRefusedError):
            connected(served.http)
    status = json.loads((tmp_path / "data" / "status.json").read_text())
    assert (status["frames"], status["errors"]) == (1, 0)
    assert "all is answered" in served.log()


def test_a_model_that_is_not_there_is_told(service_release: Path, tmp_path: Path) -> None:

    program = tmp_path / "bin" / "digits"
    program.parent.mkdir()
    program.write_bytes((service_release / "bin" / "digits").read_bytes())
    program.chmod(0o755)
    (tmp_path / "data").mkdir()
    done = subprocess.run([program, "run", "--data", tmp_path / "data"], capture_output=True, check=False)
    assert done.returncode == 4
    assert b"model.param" in done.stderr
