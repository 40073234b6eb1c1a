"""Run by an environment with NVIDIA's tritonclient: asks a service, and prints what it heard as JSON.

python talk.py HTTP GRPC PROJECT
"""

import json
import queue
import random
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from google.protobuf import json_format
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

HTTP, GRPC, PROJECT = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
HEARD = {}
WAYS = {
    "http": (over_http, over_http.InferenceServerClient(f"127.0.0.1:{HTTP}", concurrency=16)),
    "grpc": (over_grpc, over_grpc.InferenceServerClient(f"127.0.0.1:{GRPC}")),
}
GOLDEN = np.load(PROJECT / "data" / "golden.npz")
PIXELS = GOLDEN["input"]


def tensor(way, name, array, **binary):
    datatype = {"f": "FP32", "u": "UINT8", "O": "BYTES"}[array.dtype.kind]
    made = WAYS[way][0].InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **binary)
    return made


def refused(ask):
    try:
        ask()
    except InferenceServerException as error:
        return [str(error.status()), error.message()]
    return ["answered", ""]


def facts(way):
    """What is told without computing, the same in both ways."""
    _, client = WAYS[way]
    told = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model ready": [client.is_model_ready("digits", v) for v in ("", "1.0.0")],
        "server": client.get_server_metadata(),
        "model": client.get_model_metadata("digits", "1.0.0"),
        "pipeline": client.get_model_metadata("digits-pipeline"),
        "config": client.get_model_config("digits"),
        "index": client.get_model_repository_index(),
    }
    return {
        name: json_format.MessageToDict(value, preserving_proto_field_name=True)
        if hasattr(value, "DESCRIPTOR")
        else value
        for name, value in told.items()
    }


def pipeline(way, **binary):
    """Every golden picture through the service: the largest error, and how many records agree."""
    module, client = WAYS[way]
    worst, agree = 0.0, 0
    for number, picture in enumerate(PIXELS):
        array = picture[:, :, np.newaxis]
        outputs = [
            module.InferRequestedOutput(name, **({"binary_data": False} if binary else {}))
            for name in ("record", "output.logits")
        ]
        said = client.infer(
            "digits-pipeline",
            [tensor(way, "image", array, **binary)],
            outputs=outputs,
            request_id=f"picture {number}",
        )
        response = said.get_response()
        assert (response["id"] if way == "http" else response.id) == f"picture {number}"
        worst = max(
            worst, float(np.abs(said.as_numpy("output.logits") - GOLDEN["output.logits"][number]).max())
        )
        agree += json.loads(said.as_numpy("record")[0])["class"] == GOLDEN["record.class"][number]
    return [worst, int(agree), len(PIXELS)]


def encoded(way):
    file = np.array([(PROJECT / "data" / "val" / "000.pgm").read_bytes()], dtype=object)
    return json.loads(
        WAYS[way][1].infer("digits-pipeline", [tensor(way, "encoded", file)]).as_numpy("record")[0]
    )


def batches(way, **binary):
    """Samples one by one, and the same ones together, with nothing named, and with a name."""
    module, client = WAYS[way]
    draw = np.random.default_rng(4).normal(size=(4, 1, 28, 28)).astype(np.float32)
    alone = [
        client.infer("digits", [tensor(way, "image", draw[n : n + 1], **binary)]).as_numpy("logits")
        for n in range(4)
    ]
    together = client.infer(
        "digits", [tensor(way, "image", draw, **binary)], outputs=[module.InferRequestedOutput("logits")]
    ).as_numpy("logits")
    return [list(together.shape), float(np.abs(np.concatenate(alone) - together).max())]


def packed():
    """What goes and comes packed, as tritonclient does it: is it what comes unpacked, and was it packed?"""
    module, client = WAYS["http"]
    draw = np.random.default_rng(6).normal(size=(4, 1, 28, 28)).astype(np.float32)
    found = {}
    for name in ("gzip", "deflate"):
        for binary in (True, False):
            outputs = [module.InferRequestedOutput("logits", binary_data=binary)]
            inputs = [tensor("http", "image", draw, binary_data=binary)]
            ways = {"request_compression_algorithm": name, "response_compression_algorithm": name}
            plain, *others = (
                client.infer("digits", inputs, outputs=outputs, **{key: ways[key] for key in keys})
                for keys in ([], ["request_compression_algorithm"], ["response_compression_algorithm"], ways)
            )
            wanted = plain.as_numpy("logits")
            same = [bool(np.array_equal(other.as_numpy("logits"), wanted)) for other in others]
            found[f"{name}, {'binary' if binary else 'JSON'}"] = same
    return found


def wrong(way):
    module, client = WAYS[way]
    picture, samples = PIXELS[0][:, :, np.newaxis], np.zeros((1, 1, 28, 28), np.float32)
    ask = lambda model, *inputs, **more: refused(lambda: client.infer(model, list(inputs), **more))  # noqa: E731
    return {
        "no such model": ask("nothing", tensor(way, "image", samples)),
        "no such version": ask("digits", tensor(way, "image", samples), model_version="7"),
        "no such input": ask("digits", tensor(way, "picture", samples)),
        "two inputs": ask("digits", tensor(way, "image", samples), tensor(way, "image", samples)),
        "another datatype": ask("digits", tensor(way, "image", samples.astype(np.uint8))),
        "another shape": ask("digits", tensor(way, "image", samples[:, :, :27])),
        "too many samples": ask("digits", tensor(way, "image", np.zeros((5, 1, 28, 28), np.float32))),
        "no samples": ask("digits", tensor(way, "image", np.zeros((0, 1, 28, 28), np.float32))),
        "no such output": ask(
            "digits", tensor(way, "image", samples), outputs=[module.InferRequestedOutput("x")]
        ),
        "an output twice": ask(
            "digits", tensor(way, "image", samples), outputs=[module.InferRequestedOutput("logits")] * 2
        ),
        "classification": ask(
            "digits",
            tensor(way, "image", samples),
            outputs=[module.InferRequestedOutput("logits", class_count=3)],
        ),
        "a picture of two channels": ask(
            "digits-pipeline", tensor(way, "image", np.zeros((4, 4, 2), np.uint8))
        ),
        "no picture at all": ask(
            "digits-pipeline", tensor(way, "encoded", np.array([b"GIF89a"], dtype=object))
        ),
        "two files": ask("digits-pipeline", tensor(way, "encoded", np.array([b"a", b"b"], dtype=object))),
        "too large": ask("digits-pipeline", tensor(way, "image", np.zeros((1000, 1000, 3), np.uint8))),
        "load": refused(lambda: client.load_model("digits")),
        "shared memory": refused(client.get_system_shared_memory_status),
        "the next one": ask("digits-pipeline", tensor(way, "image", picture)),
    }


def varint(number):
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def item(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def drawn(count):
    """Messages that are the same to Protocol Buffers and differ on the wire: how many answers are right.

    Fields in any order, lists packed and not, fields of a later version, held to Google's own codec.
    """
    channel = grpc.insecure_channel(f"127.0.0.1:{GRPC}")
    ask = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=bytes,
        response_deserializer=service_pb2.ModelInferResponse.FromString,
    )
    rng, right = random.Random(5), 0
    later = [item(99, b"later"), varint(98 << 3) + b"\x07"]
    later += [varint(97 << 3 | 5) + b"1234", varint(96 << 3 | 1) + b"12345678"]
    for _ in range(count):
        number, name = rng.randrange(len(PIXELS)), rng.choice(["a", "", "é✓", "x" * 300])
        pixels = PIXELS[number].tobytes()
        lists = {
            "packed": lambda f, of: [item(f, b"".join(map(varint, of)))],
            "one by one": lambda f, of: [b"".join(varint(f << 3) + varint(v) for v in of)],
        }
        contents = rng.choice(list(lists.values()))(4, pixels)
        raw = rng.random() < 0.5
        tensor = [
            item(1, b"image"),
            item(2, b"UINT8"),
            *rng.choice(list(lists.values()))(3, PIXELS[number].shape),
        ]
        tensor += [] if raw else [item(5, b"".join(contents))]
        parts = [item(1, b"digits-pipeline"), item(3, name.encode()), rng.choice(later)]
        parts.append(
            item(
                6, service_pb2.ModelInferRequest.InferRequestedOutputTensor(name="record").SerializeToString()
            )
        )
        rng.shuffle(tensor)
        parts += [item(5, b"".join(tensor)), *([item(7, pixels)] if raw else [])]
        rng.shuffle(parts)
        whole = b"".join(parts)
        meant = service_pb2.ModelInferRequest.FromString(whole)
        assert (meant.id, meant.inputs[0].name, list(meant.inputs[0].shape)) == (name, "image", [8, 8])
        said = ask(whole, timeout=10)
        record = json.loads(said.raw_output_contents[0][4:])
        right += said.id == name and record["class"] == GOLDEN["record.class"][number]
    return int(right)


def stream():
    """Requests in one gRPC stream; one of them is wrong, and the next is answered all the same."""
    client, answers = WAYS["grpc"][1], queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    good, bad = PIXELS[0][:, :, np.newaxis], np.zeros((1, 2), np.uint8)
    for number in range(6):
        client.async_stream_infer(
            "digits" if number == 2 else "digits-pipeline",
            [tensor("grpc", "image", bad if number == 2 else good)],
            request_id=str(number),
        )
    heard = [answers.get(timeout=10) for _ in range(6)]
    client.stop_stream()
    return [
        sorted(result.get_response().id for result, _ in heard if result),
        [str(e) for _, e in heard if e],
    ]


def crowd(way):
    """More slow requests at once than there is room for: who is answered, who is refused, and how."""
    _, client = WAYS[way]
    slow = np.full((2, 3, 1), 10, np.uint8)  # 0.1 s each, one after another: see slow.cpp
    inputs, heard = [tensor(way, "image", slow)], queue.Queue()
    if way == "http":
        asked = [client.async_infer("digits-pipeline", inputs) for _ in range(16)]
        codes = [refused(lambda a=a: a.get_result())[0] for a in asked]
    else:
        for _ in range(16):
            client.async_infer("digits-pipeline", inputs, callback=lambda result, error: heard.put(error))
        said = [heard.get(timeout=20) for _ in range(16)]
        codes = [str(error.status()) if error else "answered" for error in said]
    return {code: codes.count(code) for code in sorted(set(codes))}


def gathered(way):
    """Samples that come while all instances are busy are computed together: the sizes of batches since."""
    _, client = WAYS[way]
    before = sizes(way)
    slow = [tensor(way, "image", np.full((2, 3, 1), 20, np.uint8))]
    one, heard = [tensor(way, "image", np.zeros((1, 1, 28, 28), np.float32))], queue.Queue()
    names = ["digits-pipeline"] * 2 + ["digits"] * 4
    asked = []
    for name in names:
        inputs = one if name == "digits" else slow
        if way == "http":
            asked.append(client.async_infer(name, inputs))
        else:
            client.async_infer(name, inputs, callback=lambda result, error: heard.put(error))
        time.sleep(0.02)
    for number in range(len(names)):
        asked[number].get_result() if way == "http" else heard.get(timeout=10)
    return {
        size: times - before.get(size, 0) for size, times in sizes(way).items() if times > before.get(size, 0)
    }


def sizes(way):
    """Batches of the model: their samples → how many."""
    told = WAYS[way][1].get_inference_statistics("digits")
    if way == "grpc":
        told = json_format.MessageToDict(told, preserving_proto_field_name=True)
    batches = told["model_stats"][0].get("batch_stats", [])
    return {int(batch["batch_size"]): int(batch["compute_infer"]["count"]) for batch in batches}


def late(way):
    """A request that may wait less long than others take."""
    _, client = WAYS[way]
    slow, heard = [tensor(way, "image", np.full((2, 3, 1), 60, np.uint8))], queue.Queue()
    quick = [tensor(way, "image", PIXELS[0][:, :, np.newaxis])]
    if way == "http":
        asked = [client.async_infer("digits-pipeline", slow) for _ in range(2)]
    else:
        for _ in range(2):
            client.async_infer("digits-pipeline", slow, callback=lambda result, error: heard.put(error))
    time.sleep(0.2)
    more = {"timeout": 100_000} if way == "http" else {"client_timeout": 0.1}
    found = refused(lambda: client.infer("digits-pipeline", quick, **more))
    if way == "http":
        return [found, [refused(lambda a=a: a.get_result())[0] for a in asked]]
    return [found, [str(heard.get(timeout=10)) for _ in range(2)]]


def statistics(way):
    told = WAYS[way][1].get_inference_statistics()
    if way == "grpc":
        told = json_format.MessageToDict(told, preserving_proto_field_name=True)
    return {
        model["name"]: [
            int(model["inference_count"]),
            int(model["execution_count"]),
            int(model["inference_stats"]["success"]["count"]),
        ]
        for model in told["model_stats"]
    }


def main():
    for way in WAYS:
        HEARD[f"{way} facts"] = facts(way)
        HEARD[f"{way} pipeline"] = pipeline(way)
        HEARD[f"{way} encoded"] = encoded(way)
        HEARD[f"{way} batches"] = batches(way)
        HEARD[f"{way} wrong"] = wrong(way)
        HEARD[f"{way} crowd"] = crowd(way)
        HEARD[f"{way} late"] = late(way)
        HEARD[f"{way} gathered"] = gathered(way)
    HEARD["http pipeline in JSON"] = pipeline("http", binary_data=False)
    HEARD["http batches in JSON"] = batches("http", binary_data=False)
    HEARD["packed"] = packed()
    HEARD["stream"] = stream()
    HEARD["drawn"] = drawn(200)
    for way in WAYS:
        HEARD[f"{way} statistics"] = statistics(way)
    print(json.dumps(HEARD))


main()
