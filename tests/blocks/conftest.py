"""One compiled program that knows all blocks, and their twins on the path of Python's imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compile.program_driver import Driver, compiled

sys.path.append(str(Path(__file__).parents[2] / "recipes" / "kit"))


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    running = Driver(compiled(tmp_path_factory.mktemp("harness"), Path(__file__).parent / "harness.cpp"))
    yield running
    running.close()
