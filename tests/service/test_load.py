"""A short slice of `make bench-service`: the service under load beside a Python one, in the same run."""

from __future__ import annotations

import pytest

from bench.service import measure, peer
from tests.service.service import Running

pytestmark = pytest.mark.slow


def test_under_load_all_is_answered_and_not_slower_than_a_python_service(served: Running) -> None:
    other, port = peer()
    try:
        row = measure((served.http, port), peers=4, samples=1, seconds=1.5, turns=1)
    finally:
        assert other.stdin is not None
        other.stdin.close()
        other.wait(10)
        assert other.stdout is not None
        other.stdout.close()
    assert row.wrong == 0
    assert row.apart < 1e-3
    # Both are clients' and servers' on the same cores: that it is not behind is all that a slice can tell.
    assert row.rates[0] > row.rates[1], row.text()
