"""`service.batching.wait_ms`: requests that wait for each other. Nothing here goes by the clock: a batch that
is full is computed at once, and one that is not would wait for a minute.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bench.service import numbers
from bench.service_fuzz import http, infer_json
from tests.service import service
from tests.service.service import INSTANCES, MOST, Running
from tests.service.test_limits import asked, connected, heard

pytestmark = pytest.mark.slow

WAIT_MS = 60_000
SOONER_S = 50  # than anybody waits who waits for the batch's time to end
DRAWS = np.random.default_rng(9).normal(size=(8, 1, 1, 28, 28)).astype(np.float32)


@pytest.fixture(scope="module")
def patient_release(service_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project with another `service:`; its objects are there already."""
    manifest = service_project / "edgepack.yaml"
    text = manifest.read_text()
    waits = f"batching: {{most: {MOST}, wait_ms: {WAIT_MS}}}\n  timeout_ms: 600000\n"
    assert text.count(f"batching: {{most: {MOST}}}\n") == text.count("  timeout_ms: 1500\n") == 1
    text_now = text.replace("  timeout_ms: 1500\n", "").replace(f"batching: {{most: {MOST}}}\n", waits)
    manifest.write_text(text_now)
    try:
        return service.release(service_project, tmp_path_factory.mktemp("patient") / "digits")
    finally:
        manifest.write_text(text)


@pytest.fixture
def patient(patient_release: Path, service_release: Path, tmp_path: Path) -> Iterator[Running]:
    with service.running(patient_release / "bin" / "digits", tmp_path / "data") as found:
        yield found


def question(samples: np.ndarray, **parameters: object) -> bytes:
    draw = samples.tobytes()
    tensor = {"name": "image", "datatype": "FP32", "shape": [len(draw) // 3136, 1, 28, 28]}
    inputs = [{**tensor, "parameters": {"binary_data_size": len(draw)}}]
    said = {"inputs": inputs, "parameters": {"binary_data_output": True, **parameters}}
    text = json.dumps(said).encode()
    return http("POST", "/v2/models/digits/infer", text + draw, len(text))


def batches(port: int) -> dict[int, int]:
    """Samples of a batch → how many such."""
    _, body = asked(port, http("GET", "/v2/models/digits/stats"))
    told = json.loads(body)["model_stats"][0]["batch_stats"]
    return {each["batch_size"]: each["compute_infer"]["count"] for each in told}


def answer(port: int, data: bytes) -> bytes:
    with connected(port, SOONER_S) as peer:
        peer.sendall(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        head, _, body = heard(peer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head + body
        return body


def together(port: int, questions: list[bytes]) -> list[bytes]:
    with ThreadPoolExecutor(len(questions)) as threads:
        return list(threads.map(lambda data: answer(port, data), questions))


def test_those_that_wait_are_one_batch_and_what_they_are_alone(patient: Running, served: Running) -> None:
    """With several instances free, which would each have computed one of them."""
    assert INSTANCES > 1
    alone = [numbers(answer(served.http, question(draw))) for draw in DRAWS]
    found = [numbers(body) for body in together(patient.http, [question(draw) for draw in DRAWS])]
    assert batches(patient.http) == {MOST: len(DRAWS) // MOST}
    np.testing.assert_array_equal(np.stack(found), np.stack(alone))


def test_a_full_request_waits_for_nobody(patient: Running) -> None:
    answer(patient.http, question(np.concatenate(list(DRAWS[:MOST]))))
    assert batches(patient.http) == {MOST: 1}


def test_one_alone_is_computed_in_half_of_its_own_time(patient: Running) -> None:
    """And nobody's wait holds up a picture, which has no batch."""
    text, after = infer_json(0)
    with ThreadPoolExecutor(1) as threads:
        lone = threads.submit(answer, patient.http, question(DRAWS[0], timeout=8_000_000))
        answer(patient.http, http("POST", "/v2/models/digits-pipeline/infer", text + after, len(text)))
        lone.result(SOONER_S)
    assert batches(patient.http) == {1: 1}
    queued = json.loads(asked(patient.http, http("GET", "/v2/models/digits/stats"))[1])
    assert queued["model_stats"][0]["inference_stats"]["success"]["ns"] >= 4_000_000_000


def test_told_to_stop_it_answers_those_that_wait(patient: Running) -> None:
    ended: list[bytes] = []
    with connected(patient.http, SOONER_S) as peer:
        peer.sendall(question(DRAWS[0]))
        thread = threading.Thread(target=lambda: ended.append(heard(peer)))
        thread.start()
        # Another one's answer tells that the service has been round its connections since.
        for _ in range(3):
            asked(patient.http, http("GET", "/v2/health/ready"))
        assert patient.stop(SOONER_S) == 0
        thread.join(SOONER_S)
    assert ended[0].startswith(b"HTTP/1.1 200")
