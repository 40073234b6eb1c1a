"""One model on two nodes: two programs over the loopback say what the whole says; and peers that are rude."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.catalog.libraries import LibrarySpec
from edgepack.compile.blocks import Block
from edgepack.compile.flow import flow_of
from edgepack.compile.library import build_library
from edgepack.compile.program import build_program
from edgepack.compile.render import ProgramSpec, TensorSpec
from edgepack.compile.toolchains.select import toolchain
from edgepack.tools.runner import command, run
from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny
from tests.compile.talking import Line, free_port, manifest, request_of, rude
from tests.compile.test_program_run import Box
from tests.service.service import client

pytestmark = pytest.mark.slow

INPUT: dict[str, Any] = {
    "name": "heat",
    "datatype": "FP32",
    "shape": [1, 2, 3, 3],
    "parameters": {"binary_data_size": 72},
}
HEAT = TensorSpec("in0", "heat", (1, 2, 3, 3))
# The convolution alone; and what comes after it.
HEAD = """\
7767517
2 2
Input          in0    0 1 in0
Convolution    conv   1 1 in0 out0 0=2 1=2 5=1 6=8
"""
REST = """\
7767517
4 5
Input          in0    0 1 in0
Split          split  1 2 in0 out1 flat
Flatten        flat   1 1 flat flattened
InnerProduct   fc     1 1 flattened out0 0=3 1=1 2=54
"""
# A box at the left: what part of the picture that is, only who knows the picture's size can say.
FOUND = """\
  edgepack::Detection found;
  found.x1 = found.y1 = 2;
  record.set_detections({found});
}
"""
ZONE = Block(
    "zone",
    {
        "name": "left",
        "polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
        "unit": "fraction",
        "anchor": "center",
        "classes": [],
    },
)


@dataclasses.dataclass
class Ports:
    near: int
    far: int


@pytest.fixture(scope="module")
def ports() -> Ports:
    return Ports(free_port(), free_port())


def made(folder: Path, spec: ProgramSpec, libraries: tuple[Path, ...] = ()) -> Tiny:
    project, work = tiny.write_project(folder / "project"), folder / "work"
    (project / "src" / "post.cpp").write_text(tiny.POST.removesuffix("}\n") + FOUND)
    built = build_program(
        spec,
        project=project,
        build=work / "build",
        toolchain=toolchain("zig", spec.arch),
        runtime=tiny.runtime(),
        dest=work / "release" / "bin",
        log=work / "log.txt",
        libraries=libraries,
    )
    return Tiny(project, work, work / "release", built)


def give(release: Path, param: str, *weights: Any) -> None:
    model = release / "model"
    model.mkdir()
    (model / "model.param").write_text(param)
    (model / "model.bin").write_bytes(b"".join(part.tobytes() for part in weights))


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory, ports: Ports) -> Tiny:
    sink = {"kind": "tensors", "host": "127.0.0.1", "port": ports.near, "model": "rest", "timeout_s": 1}
    spec = dataclasses.replace(
        tiny.SPEC,
        post=(),
        outputs=(dataclasses.replace(HEAT, blob="out0"),),
        flow=flow_of(manifest(sink=sink)),
    )
    program = made(tmp_path_factory.mktemp("near"), spec)
    known = tiny.weights()
    give(program.release, HEAD, np.zeros(1, np.uint32), known.kernel, known.kernel_bias)
    return program


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory, ports: Ports) -> Tiny:
    folder = tmp_path_factory.mktemp("far")
    source = {"kind": "tensors", "port": ports.far, "waiting": 2}
    spec = dataclasses.replace(
        tiny.SPEC,
        name="rest",
        pre=(),
        post=(*tiny.SPEC.post, ZONE),
        inputs=(HEAT,),
        flow=flow_of(manifest(source=source)),
    )
    header = build_library(LibrarySpec("nlohmann-json", spec.arch), folder / "log", lambda _line: None)
    program = made(folder, spec, (header,))
    known = tiny.weights()
    give(program.release, REST, np.zeros(1, np.uint32), known.full, known.full_bias)
    return program


@contextlib.contextmanager
def at_work(program: Tiny, data: Path) -> Iterator[Box]:
    box = Box(program, data)
    box.start()
    try:
        box.until(box.runs, "a status")
        yield box
    finally:
        assert box.process is not None
        box.process.kill()
        box.process.wait()


def image(n: int) -> bytes:
    return tiny.ppm(tiny.images(n + 1)[n])


def sink(box: Box) -> dict[str, Any]:
    rows = box.status().get("sinks", [{}])
    return dict(rows[0])


def test_two_programs_say_what_the_whole_says_also_where_the_line_is_cut(
    near: Tiny, far: Tiny, ports: Ports, tmp_path: Path
) -> None:
    count = 40
    expected = tiny.computed(tiny.images(count), tiny.weights())
    line = Line(ports.far)
    with at_work(near, tmp_path / "near") as camera:
        camera.put("000.ppm", image(0))
        camera.until(lambda: sink(camera).get("trouble"), "that nobody is there")
        with rude(ports.near, line.carry), at_work(far, tmp_path / "far") as server:
            for n in range(1, count):
                camera.put(f"{n:03}.ppm", image(n))
                if n % 10 == 5:
                    line.cut()
            camera.until(lambda: not list(camera.inbox.glob("*.ppm")), "that all are answered")
            found = {row["file"]: row for row in server.lines()}  # one that was cut may be there twice
            camera.until(lambda: sink(camera).get("sent") == count, "that it has told")
            assert not sink(camera).get("trouble")
            assert camera.stop() == 0
            assert server.stop() == 0
    assert list(found) == [f"{n:03}.ppm" for n in range(count)]
    rows = [found[f"{n:03}.ppm"] for n in range(count)]
    assert [row["class"] for row in rows] == expected["record.class"].tolist()
    for name in ("confidence", "hottest"):
        assert np.allclose([row[name] for row in rows], expected[f"record.{name}"], rtol=1e-4, atol=1e-5)
    # 2 of 5 pixels: the near node's picture is 5 wide, the far one has never seen it.
    assert all(row["left"] == [1] for row in rows)


# ---- who sends, and what it sends


def answer(status: str, more: str = "") -> Any:
    def deed(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n{more}\r\n{{}}".encode())

    return deed


def test_what_is_sent_is_the_protocols(near: Tiny, ports: Ports, tmp_path: Path) -> None:
    got: list[tuple[str, bytes]] = []

    def deed(connection: socket.socket) -> None:
        got.append(request_of(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with rude(ports.near, deed), at_work(near, tmp_path / "near") as camera:
        camera.put("door.ppm", image(0))
        camera.until(lambda: sink(camera).get("sent") == 1, "that it is sent")
    head, body = got[0]
    assert head.startswith("POST /v2/models/rest/infer HTTP/1.1\r\n")
    length = int(head.partition("Inference-Header-Content-Length: ")[2].splitlines()[0])
    said = json.loads(body[:length])
    about = {
        "name": "heat",
        "datatype": "FP32",
        "shape": [1, 2, 3, 3],
        "parameters": {"binary_data_size": 72},
    }
    assert said["inputs"] == [about]
    assert said["id"] == "door.ppm"
    places = [float(word) for word in said["parameters"]["geometry"].split()]
    assert places == [6, 5, 4 / 6, 4 / 5, 0, 0]
    assert said["parameters"]["utc"] > 1e9
    heat = np.frombuffer(body[length:], "<f4").reshape(1, 2, 3, 3)
    assert np.allclose(heat, tiny.computed(tiny.images(1), tiny.weights())["output.heat"], atol=1e-4)


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (answer("503 Service Unavailable", "Retry-After: 0\r\n"), "it answers 503"),
        (answer("404 Not Found"), "it answers 404"),
        (answer("400 Bad Request"), "it answers 400"),
        (answer("99 What"), "not an HTTP server"),
        (lambda connection: request_of(connection) and connection.sendall(b"\0" * 100_000), "without an end"),
        (lambda connection: connection.recv(10), "connection"),
        (
            lambda connection: connection.recv(10) and connection.recv(1 << 20) and _silent(connection),
            "in time",
        ),
    ],
)
def test_whatever_the_server_does_it_is_told_and_the_picture_is_sent_again(
    near: Tiny, ports: Ports, tmp_path: Path, deed: Any, words: str
) -> None:
    with rude(ports.near, deed, answer("200 OK")), at_work(near, tmp_path / "near") as camera:
        camera.put("a.ppm", image(0))
        camera.until(lambda: sink(camera).get("sent") == 1, "that it is sent")
        assert words in (camera.data / "log").read_text()
        assert camera.stop() == 0


def _silent(connection: socket.socket) -> None:
    """Nothing, until the other one gives up."""
    while connection.recv(1 << 16):
        pass


def test_a_picture_that_is_refused_is_lost_alone(near: Tiny, ports: Ports, tmp_path: Path) -> None:
    deeds = (answer("422 Unprocessable Content"), answer("200 OK"))
    with rude(ports.near, *deeds), at_work(near, tmp_path / "near") as camera:
        camera.put("a.ppm", image(0))
        camera.until(lambda: sink(camera).get("lost") == 1, "that it is lost")
        camera.put("b.ppm", image(1))
        camera.until(lambda: sink(camera).get("sent") == 1, "the next one")
        assert "a.ppm is refused" in (camera.data / "log").read_text()


# ---- who takes


@pytest.fixture
def server(far: Tiny, tmp_path: Path) -> Iterator[Box]:
    with at_work(far, tmp_path / "far") as box:
        yield box


def asked(
    ports: Ports, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", ports.far, timeout=60)
    try:
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
        found = connection.getresponse()
        return found.status, json.loads(found.read())
    finally:
        connection.close()


def request(more: bytes = bytes(72), parameters: Mapping[str, Any] | None = None, **said: Any) -> bytes:
    place = {"geometry": "6 5 0.5 0.5 0 0"} if parameters is None else parameters
    return json.dumps({"inputs": [{**INPUT, **said}], "parameters": place}).encode() + b"\0\0" + more


def infer(ports: Ports, body: bytes) -> tuple[int, dict[str, Any]]:
    head, _, rest = body.partition(b"\0\0")
    length = {"Inference-Header-Content-Length": str(len(head))}
    return asked(ports, "/v2/models/rest/infer", head + rest, length)


CLIENT = """\
import json, sys
import numpy as np
import tritonclient.http as http

client = http.InferenceServerClient("127.0.0.1:" + sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("rest")
heat = http.InferInput("heat", [1, 2, 3, 3], "FP32")
heat.set_data_from_numpy(np.array(json.load(sys.stdin), np.float32))
place = {"geometry": "6 5 0.5 0.5 0 0"}
said = client.infer("rest", [heat], request_id="7", parameters=place).as_numpy("record")
record = said[0].decode() if isinstance(said[0], bytes) else said[0]
print(json.dumps([client.get_model_metadata("rest"), record]))
"""


def test_the_protocols_own_client_is_understood(server: Box, ports: Ports) -> None:
    known = tiny.computed(tiny.images(1), tiny.weights())
    heat = json.dumps(known["output.heat"].tolist()).encode()
    done = run(command(client(), "-c", CLIENT, str(ports.far), stdin=heat))
    assert done.ok, done.text()
    about, record = json.loads(done.text())
    assert about["inputs"] == [{"name": "heat", "datatype": "FP32", "shape": [1, 2, 3, 3]}]
    assert json.loads(record)["file"] == "7"
    assert json.loads(record)["class"] == known["record.class"][0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (request(name="head"), "there is no input 'head'"),
        (request(datatype="FP64"), "the model takes FP32"),
        (request(datatype=7), "the model takes FP32"),
        (request(shape=[1, 3, 3, 2]), "another shape"),
        (request(shape=[2**40, 2, 3, 3]), "another shape"),
        (request(shape=[-1, 2, 3, 3]), "another shape"),
        (request(shape=[]), "another shape"),
        (request(shape="1"), "another shape"),
        (request(bytes(71)), "71 bytes"),
        (request(bytes(73)), "73 bytes"),
        (request(b""), "0 bytes"),
        (request(parameters={"geometry": "-6 5 1 1 0 0"}), "geometry"),
        (request(parameters={"geometry": "6 5 nan 1 0 0"}), "geometry"),
        (request(parameters={"geometry": "6 5 1 1 0"}), "geometry"),
        (request(parameters={"geometry": "6 5 0 0 0 0"}), "geometry"),
        (b'{"inputs":[]}' + b"\0\0", "0 inputs"),
        (b'{"inputs":{}}' + b"\0\0", "list of inputs"),
        (b"[]" + b"\0\0", "list of inputs"),
        (b"[" * 30_000 + b"\0\0", "list of inputs"),
        (b'{"inputs":' * 5_000 + b"\0\0", "list of inputs"),
        (b"{" + b" " * 65_100 + b"}" + b"\0\0", "list of inputs"),
        (b"\xff\xfe junk" + b"\0\0", "list of inputs"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(server: Box, ports: Ports, body: bytes, words: str) -> None:
    status, said = infer(ports, body)
    assert (status, words in said["error"]) == (400, True), said
    assert infer(ports, request())[0] == 200


def test_sizes_and_lengths_that_are_no_numbers_are_refused(server: Box, ports: Ports) -> None:
    path = "/v2/models/rest/infer"
    body = request().replace(b"\0\0", b"", 1)
    for length in ("", "-1", "1e3", "99999999999999999999", str(len(body) + 1)):
        status, said = asked(ports, path, body, {"Inference-Header-Content-Length": length})
        assert (status, "length" in said["error"].lower()) == (400, True), said
    assert asked(ports, path, body)[0] == 400
    assert asked(ports, path, bytes(1 << 20))[0] == 413
    for size in (2**63, -72, 72.5, "72", None):
        head = json.loads(request().partition(b"\0\0")[0])
        head["inputs"][0]["parameters"]["binary_data_size"] = size
        assert infer(ports, json.dumps(head).encode() + b"\0\0" + bytes(72))[0] == 400
    assert asked(ports, "/v2/models/other/infer", body)[0] == 404
    assert asked(ports, path)[0] == 405
    assert infer(ports, request())[0] == 200


def test_a_picture_that_post_refuses_is_422(server: Box, ports: Ports) -> None:
    status, said = infer(ports, request(parameters={}))  # `zone` in parts of a picture that nobody knows
    assert status == 422
    assert said["error"]
