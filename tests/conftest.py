"""What tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import digits


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache without any project's results, so that a first build converts and compiles for real."""
    return digits.fresh_cache(tmp_path_factory.mktemp("kept") / "cache")
