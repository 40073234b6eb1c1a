"""Half a minute of malformed requests against the sanitized program; `make fuzz-service` has ten minutes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import service_build
from bench.service_fuzz import Fuzz, environment
from tests.service import service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not service_build.can(), reason="there is no g++ with an address sanitizer on this host"
    ),
]

SECONDS = float(os.environ.get("EDGEPACK_FUZZ_SECONDS", "30"))
SEED = int(os.environ.get("EDGEPACK_FUZZ_SEED", "20"))


def test_malformed_requests_never_end_it(tmp_path: Path) -> None:
    release = service_build.sanitized(tmp_path)
    with service.running(release / "bin" / "digits", tmp_path / "data", env=environment()) as served:
        fuzz = Fuzz((served.http, served.grpc), SEED, lambda: served.process.poll() is None)
        count = fuzz.run(SECONDS)
        assert served.stop() == 0, served.log()
    assert count > 100
    # What came was not only refused: damage that leaves a request right is answered.
    assert fuzz.heard["HTTP/1.1 400"] > 0
    assert fuzz.heard["HTTP/1.1 200"] > 0
    assert "ERROR: AddressSanitizer" not in served.log()
    assert "runtime error" not in served.log()
