"""Run by an environment with NVIDIA's tritonclient: asks over HTTP and gRPC, as fast as it is answered.

python crowd.py HTTP GRPC SECONDS     prints what became of the requests, by the way, as JSON
"""

import json
import sys
import threading
import time
from collections import Counter

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

HTTP, GRPC, SECONDS = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
AT_ONCE = 4
DRAWS = np.random.default_rng(11).normal(size=(AT_ONCE, 1, 1, 28, 28)).astype(np.float32)
END = time.monotonic() + SECONDS


def inputs(module, draw):
    made = module.InferInput("image", list(draw.shape), "FP32")
    made.set_data_from_numpy(draw)
    return [made]


class Told:
    """What became of each request; an answer is right where it is what the first one for that draw was."""

    def __init__(self):
        self.codes, self.first = Counter(), {}

    def one(self, number, ask):
        try:
            answer = ask().as_numpy("logits")
        except InferenceServerException as error:
            self.codes[str(error.status())] += 1
            return
        wanted = self.first.setdefault(number, answer)
        self.codes["right" if np.array_equal(answer, wanted) else "wrong"] += 1


def http(told):
    """Four at once, every second one packed."""
    client = over_http.InferenceServerClient(f"127.0.0.1:{HTTP}", concurrency=AT_ONCE, network_timeout=60)
    packed = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "deflate"}
    while time.monotonic() < END:
        asked = [
            client.async_infer("digits", inputs(over_http, draw), **(packed if number % 2 else {}))
            for number, draw in enumerate(DRAWS)
        ]
        for number, each in enumerate(asked):
            told.one(number, each.get_result)


def grpc(told):
    """Threads, which share a client."""
    client = over_grpc.InferenceServerClient(f"127.0.0.1:{GRPC}")

    def peer(number):
        asked = inputs(over_grpc, DRAWS[number])
        while time.monotonic() < END:
            told.one(number, lambda: client.infer("digits", asked, client_timeout=60))

    threads = [threading.Thread(target=peer, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    ways = {"http": Told(), "grpc": Told()}
    other = threading.Thread(target=grpc, args=(ways["grpc"],))
    other.start()
    http(ways["http"])
    other.join()
    print(json.dumps({way: told.codes for way, told in ways.items()}))


main()
