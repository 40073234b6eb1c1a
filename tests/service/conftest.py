from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import service
from tests.service.service import Running


@pytest.fixture(scope="session")
def service_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return service.project(tmp_path_factory.mktemp("service") / "digits")


@pytest.fixture(scope="session")
def service_release(service_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return service.release(service_project, tmp_path_factory.mktemp("release") / "digits")


@pytest.fixture(scope="module")
def served(service_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("served") / "data"
    with service.running(service_release / "bin" / "digits", data) as found:
        yield found
