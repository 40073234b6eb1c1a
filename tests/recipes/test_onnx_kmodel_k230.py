"""recipes/onnx-kmodel-k230 without .NET 7, which no package brings: what its user reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgepack.errors import ToolError

from .boards import Board


@pytest.mark.skipif(shutil.which("dotnet") is not None, reason="dotnet is here")
@pytest.mark.parametrize("precision", ["int8", "int16x8"])
def test_what_is_missing_is_told_before_anything_is_fetched(tmp_path: Path, precision: str) -> None:
    board = Board("onnx-kmodel-k230", tmp_path)
    with pytest.raises(ToolError) as caught:
        board.convert(precision, "k230", calibrated=False)
    assert "dotnet 7, which is not here" in caught.value.what
    assert "dotnet.microsoft.com" in caught.value.fix
    assert not (tmp_path / "log.txt").exists()
