"""What tests of several folders share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import digits

# Tests import recipes' own code; bytecode beside it looks like a change to a build in another process.
sys.dont_write_bytecode = True

# What several files share and what takes seconds to make: whoever wants it runs beside the others that do.
DEAR = ("program", "built", "box_state", "up", "service_release")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`pytest -n 2 --dist loadgroup` keeps a file's tests in one process: its fixtures are made once."""
    for item in items:
        wanted = getattr(item, "fixturenames", ())
        dear = next((f"{item.path.parent.name}: {name}" for name in DEAR if name in wanted), "")
        item.add_marker(pytest.mark.xdist_group(dear or str(item.path.relative_to(item.config.rootpath))))


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache without any project's results, so that a first build converts and compiles for real."""
    return digits.fresh_cache(tmp_path_factory.mktemp("kept") / "cache")
