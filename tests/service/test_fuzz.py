"""Half a minute of malformed requests against the sanitized program, while NVIDIA's tritonclient asks it
rightly over HTTP and gRPC, as fast as it is answered; `make fuzz-service` has ten minutes of the first.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench import service_build
from bench.service_fuzz import Fuzz, environment
from edgepack.tools.runner import command, run
from tests.service import service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not service_build.can(), reason="there is no g++ with an address sanitizer on this host"
    ),
]

BUSY = {"503", "504", "StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED"}
SECONDS = float(os.environ.get("EDGEPACK_FUZZ_SECONDS", "30"))
SEED = int(os.environ.get("EDGEPACK_FUZZ_SEED", "20"))


def test_malformed_requests_never_end_it(tmp_path: Path) -> None:
    release = service_build.sanitized(tmp_path)
    with service.running(release / "bin" / "digits", tmp_path / "data", env=environment()) as served:
        words = (service.HERE / "crowd.py", str(served.http), str(served.grpc), str(SECONDS))
        crowd = command(service.client(), "-IB", *words, timeout_s=SECONDS + 240)
        fuzz = Fuzz((served.http, served.grpc), SEED, lambda: served.process.poll() is None)
        with ThreadPoolExecutor(1) as threads:
            beside = threads.submit(run, crowd)
            count = fuzz.run(SECONDS)
            done = beside.result()
        assert served.stop() == 0, served.log()
    assert count > 100
    assert done.ok, done.text()
    for way, codes in json.loads(done.stdout).items():
        assert codes.pop("right", 0) > 0, way
        # Told to come again later is an answer too; wrong numbers, or a lost connection, would be none.
        assert set(codes) <= BUSY, codes
    # What came was not only refused: damage that leaves a request right is answered.
    assert fuzz.heard["HTTP/1.1 400"] > 0
    assert fuzz.heard["HTTP/1.1 200"] > 0
    assert "ERROR: AddressSanitizer" not in served.log()
    assert "runtime error" not in served.log()
