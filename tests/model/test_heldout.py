"""The accuracy that a user reads is the one that was counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import Exit, InputError
from edgepack.model import heldout


def folder(tmp_path: Path, text: str) -> Path:
    for name in "abcd":
        (tmp_path / f"{name}.pgm").touch()
    (tmp_path / "labels.csv").write_text(text)
    return tmp_path


def test_score(tmp_path: Path) -> None:
    held = heldout.load(
        folder(tmp_path, "file,label,reference\na.pgm,1,1\nb.pgm,2,2\nc.pgm,3,5\nd.pgm,4,4\n")
    )
    score = heldout.score(held, [{"class": 1}, {"class": 7}, {"class": 5}, {"error": "unreadable"}])
    assert (score.of, score.right, score.reference_right, score.same) == (4, 1, 3, 2)
    assert score.exit_code(max_drop=0.5) == Exit.OK
    assert score.exit_code(max_drop=0.4) == Exit.PARITY


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("file,label\na.pgm,1\n", "labels.csv"),
        ("file,label,reference\n", "labels.csv"),
        ("file,label,reference\na.pgm,1,1\nx.pgm,1,1\n", "labels.csv:3"),
        ("file,label,reference\na.pgm,1\n", "labels.csv:2"),
        ("file,label,reference\n../a.pgm,1,1\n", "labels.csv:2"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(InputError) as caught:
        heldout.load(folder(tmp_path, text))
    assert caught.value.where.endswith(where)
