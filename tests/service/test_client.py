"""The service and NVIDIA's own tritonclient, unchanged, over loopback: both ways, right and wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgepack.tools.runner import command, run
from tests.service import service
from tests.service.service import MOST, Running

pytestmark = pytest.mark.slow

WAYS = ["http", "grpc"]


@pytest.fixture(scope="module")
def heard(served: Running, service_project: Path) -> dict[str, Any]:
    words = (served.http, served.grpc, service_project)
    done = run(command(service.client(), "-IB", service.HERE / "talk.py", *map(str, words), timeout_s=120))
    assert done.ok, done.text()
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("way", WAYS)
def test_it_says_what_it_is(heard: dict[str, Any], way: str) -> None:
    told = heard[f"{way} facts"]
    assert told["live"] is told["ready"] is True
    assert told["model ready"] == [True, True]
    assert told["server"]["name"] == "digits"
    assert set(told["server"]["extensions"]) == {"binary_tensor_data", "model_configuration", "statistics"}
    model, pipeline = told["model"], told["pipeline"]
    assert (model["name"], model["versions"], model["platform"]) == ("digits", ["1.0.0"], "edgepack_ncnn")
    shape = ["-1", "1", "28", "28"] if way == "grpc" else [-1, 1, 28, 28]
    assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": shape}]
    assert [tensor["name"] for tensor in pipeline["inputs"]] == ["image", "encoded"]
    assert [tensor["name"] for tensor in pipeline["outputs"]] == ["record", "output.logits"]
    config = told["config"].get("config", told["config"])
    assert int(config["max_batch_size"]) == MOST
    assert config["instance_group"][0]["count"] == service.INSTANCES
    models = told["index"]["models"] if way == "grpc" else told["index"]
    assert [(each["name"], each["state"]) for each in models] == [
        ("digits", "READY"),
        ("digits-pipeline", "READY"),
    ]


@pytest.mark.parametrize("what", ["http pipeline", "grpc pipeline", "http pipeline in JSON"])
def test_the_pipeline_answers_as_the_trained_model(heard: dict[str, Any], what: str) -> None:
    worst, agree, of = heard[what]
    assert worst < 2e-5
    assert agree == of == 64


@pytest.mark.parametrize("way", WAYS)
def test_a_file_is_decoded(heard: dict[str, Any], way: str) -> None:
    assert heard[f"{way} encoded"]["class"] == 7


@pytest.mark.parametrize("what", ["http batches", "grpc batches", "http batches in JSON"])
def test_samples_together_are_what_they_are_alone(heard: dict[str, Any], what: str) -> None:
    assert heard[what] == [[4, 10], 0.0]


@pytest.mark.parametrize("what", ["gzip, binary", "gzip, JSON", "deflate, binary", "deflate, JSON"])
def test_what_goes_and_comes_packed_is_the_same_to_the_bit(heard: dict[str, Any], what: str) -> None:
    assert heard["packed"][what] == [True, True, True]


INVALID = {"http": "400", "grpc": "StatusCode.INVALID_ARGUMENT"}
MISSING = {"http": "404", "grpc": "StatusCode.NOT_FOUND"}
NEVER = {"http": "501", "grpc": "StatusCode.UNIMPLEMENTED"}
LARGE = {"http": "413", "grpc": "StatusCode.RESOURCE_EXHAUSTED"}
WRONG = {
    "no such model": (MISSING, "there is no model 'nothing'"),
    "no such version": (MISSING, "the model 'digits' has the version 1.0.0, not '7'"),
    "no such input": (INVALID, "input 'picture': the model has no such input, but 'image'"),
    "two inputs": (INVALID, "takes one input, 'image'; the request has 2"),
    "another datatype": (INVALID, "its datatype is UINT8, the model takes FP32"),
    "another shape": (INVALID, "its shape is [1, 1, 27, 28], the model takes [-1, 1, 28, 28]"),
    "too many samples": (INVALID, "5 samples; one request has 1 to 4 (service.batching.most)"),
    "no samples": (INVALID, "0 samples; one request has 1 to 4"),
    "no such output": (INVALID, "the model 'digits' has no output 'x'"),
    "an output twice": (INVALID, "the output 'logits' is asked for twice"),
    "classification": (INVALID, "classification is not offered"),
    "a picture of two channels": (INVALID, "UINT8 of the shape [4, 4, 2]"),
    "no picture at all": (INVALID, "encoded: "),
    "two files": (INVALID, "a file's bytes are BYTES of the shape [1]"),
    "too large": (LARGE, "larger than 2097152 bytes"),
    "load": (NEVER, "is not offered"),
    "shared memory": (NEVER, "is not offered"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("what", "said"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_is_told(
    heard: dict[str, Any], way: str, what: str, said: tuple[dict[str, str], str]
) -> None:
    status, words = heard[f"{way} wrong"][what]
    assert status == said[0][way]
    assert said[1] in words


@pytest.mark.parametrize("way", WAYS)
def test_after_all_that_the_next_is_answered(heard: dict[str, Any], way: str) -> None:
    assert heard[f"{way} wrong"]["the next one"] == ["answered", ""]


def test_what_is_the_same_to_protocol_buffers_is_the_same_to_it(heard: dict[str, Any]) -> None:
    assert heard["drawn"] == 200


def test_a_stream_goes_on_after_a_wrong_request(heard: dict[str, Any]) -> None:
    answered, errors = heard["stream"]
    assert answered == ["0", "1", "3", "4", "5"]
    assert len(errors) == 1
    assert "its datatype is UINT8" in errors[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_full_queue_refuses_at_once(heard: dict[str, Any], way: str) -> None:
    """16 at once: six wait, two are at work by then or not, and one may be done meanwhile; none is lost."""
    busy = {"http": "503", "grpc": "StatusCode.UNAVAILABLE"}[way]
    codes = heard[f"{way} crowd"]
    assert set(codes) == {"answered", busy}
    assert sum(codes.values()) == 16
    assert service.QUEUE <= codes["answered"] <= service.INSTANCES + service.QUEUE + 2


@pytest.mark.parametrize("way", WAYS)
def test_a_request_does_not_wait_longer_than_it_may(heard: dict[str, Any], way: str) -> None:
    late = {"http": "504", "grpc": "StatusCode.DEADLINE_EXCEEDED"}[way]
    (status, _words), others = heard[f"{way} late"]
    assert status == late
    assert others == (["answered"] * 2 if way == "http" else ["None"] * 2)


@pytest.mark.parametrize("way", WAYS)
def test_what_waits_is_computed_together(heard: dict[str, Any], way: str) -> None:
    """Four requests of one sample, while the instances are busy: fewer executions than requests."""
    found = {int(size): times for size, times in heard[f"{way} gathered"].items()}
    assert sum(size * times for size, times in found.items()) == 4
    assert max(found) > 1


@pytest.mark.parametrize("way", WAYS)
def test_the_statistics_count(heard: dict[str, Any], way: str) -> None:
    samples, executions, requests = heard[f"{way} statistics"]["digits"]
    # Of each way of batches: four requests of one sample, one of four; four more in each `gathered`; of four
    # samples each in four ways to be packed, by two names, in two forms.
    assert (samples, requests) == (3 * 8 + 2 * 4 + 16 * 4, 3 * 5 + 2 * 4 + 16)
    assert executions <= requests
    assert heard[f"{way} statistics"]["digits-pipeline"][0] >= 3 * 64
