from __future__ import annotations

import pytest

from edgepack.cli import steps


class Told:
    """What the screen was told of a stage."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def started(self, name: str, note: str = "") -> None:
        pass

    def note(self, name: str, note: str) -> None:
        self.notes.append(note)


def test_how_long_the_rest_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([100.0, 100.0, 101.0, 110.0, 120.0])
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    told = Told()
    screen = steps.StageScreen(told)  # type: ignore[arg-type]
    for done in (1_000_000, 2_000_000, 3_500_000, 6_000_000):
        screen.progress("send", done, 6_000_000)
    left = [note.partition("left")[0].rpartition(", ")[2] for note in told.notes]
    # The first 1 MB was there already: 2.5 MB in 10 s, so that 2.5 MB more take as long.
    assert [("left" in note) for note in told.notes] == [False, False, True, False]
    assert left[2].strip() == "0:10"
