"""What rules take, and where they may stand: one clear line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import InputError
from tests.manifest.test_blocks import loaded

BOXES = "{yolo: {family: v8, labels: [cat, dog]}}, {track: {}}"
SQUARE = "polygon: [[0, 0], [1, 0], [1, 1]]"
DOOR = f"{{zone: {{name: door, {SQUARE}}}}}"
GATE = "{line: {name: gate, points: [[0, 0.5], [1, 0.5]]}}"


def post(*steps: str) -> str:
    return f"post: [{', '.join(steps)}]"


def test_a_whole_chain_is_taken(tmp_path: Path) -> None:
    steps = (
        *(BOXES, DOOR, GATE, "{dwell: {name: waiting, zone: door, seconds: 5}}"),
        *("{count: {name: people, zone: door}}", "{count: {name: passed, line: gate}}"),
        '{schedule: {name: open, days: [mon, sat], start: "22:00", end: "06:00", utc_offset: "+02:00"}}',
        *("{debounce: {name: busy, field: people_total, frames: 3, of: 5}}", "{pick: {}}"),
        "{alarm: {name: crowd, field: busy, during: open, cooldown: 60}}",
    )
    kinds = [block.kind for block in loaded(tmp_path, post(*steps)).manifest.post]
    assert kinds[-3:] == ["debounce", "pick", "alarm"]


CODE = "{code: d.cpp, entry: decode}"


@pytest.mark.parametrize(
    ("steps", "path", "words"),
    [
        ([BOXES, "{zone: {name: a, polygon: [[0, 0], [1, 1]]}}"], "post[2].zone.polygon", "3"),
        ([BOXES, "{zone: {name: a, polygon: [[0, 0], [1, 1], [0, 0]]}}"], "post[2].zone", "no area"),
        ([BOXES, "{zone: {name: a, polygon: [[0, 0], [60, 0], [60, 40]]}}"], "post[2].zone", "unit: pixels"),
        ([BOXES, f"{{zone: {{name: A-1, {SQUARE}}}}}"], "post[2].zone.name", "lower-case"),
        ([BOXES, f"{{zone: {{name: count, {SQUARE}}}}}"], "post[2]", "take another name"),
        ([BOXES, DOOR, "{count: {name: door, zone: door}}"], "post[3]", "take another name"),
        ([BOXES, f"{{zone: {{name: a, {SQUARE}, classes: [bird]}}}}"], "post[2]", "no label 'bird'"),
        ([DOOR], "post[0]", "`yolo` comes before it"),
        (["{yolo: {family: v8}}", GATE], "post[1]", "`track` comes before it"),
        ([BOXES, "{line: {name: g, points: [[0, 0], [0, 0]]}}"], "post[2].line", "one and the same"),
        ([BOXES, "{line: {name: g, points: [[0, 0], [1, 1]], margin: 3}}"], "post[2].line", "unit: pixels"),
        ([BOXES, GATE, "{dwell: {name: w, zone: gate, seconds: 1}}"], "post[3]", "no zone named 'gate'"),
        ([BOXES, DOOR, "{count: {name: c}}"], "post[3].count", "exactly one"),
        ([BOXES, DOOR, "{count: {name: c, line: door}}"], "post[3]", "no line named 'door'"),
        ([BOXES, DOOR, "{threshold: {score: 0.5}}"], "post[3]", "before the rules"),
        (['{schedule: {name: o, start: "8:00"}}'], "post[0].schedule.start", "08:30"),
        (["{schedule: {name: o, start: 18:00}}"], "post[0].schedule.start", "between quotes"),
        (['{schedule: {name: o, start: "08:00", end: "08:00"}}'], "post[0].schedule", "no time"),
        (["{schedule: {name: o, days: [monday]}}"], "post[0].schedule.days[0]", "mon"),
        (["{schedule: {name: o, utc_offset: Europe/Berlin}}"], "post[0].schedule.utc_offset", "+02:00"),
        ([BOXES, "{debounce: {name: d, field: count}}"], "post[2].debounce", "either"),
        ([BOXES, "{debounce: {name: d, field: count, frames: 3, of: 2}}"], "post[2].debounce", "at least"),
        ([BOXES, "{debounce: {name: d, field: crowd, frames: 3}}"], "post[2]", "no block before it sets"),
        ([BOXES, DOOR, "{alarm: {name: a, field: door}}"], "post[3]", "`count` makes a number"),
        ([BOXES, "{alarm: {name: a, field: count, at: 1, clear: 1}}"], "post[2].alarm", "at once"),
        ([BOXES, "{alarm: {name: a, field: count, during: open}}"], "post[2]", "the field 'open'"),
    ],
)
def test_a_wrong_rule_is_one_clear_line(tmp_path: Path, steps: list[str], path: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, post(*steps))
    (problem,) = refused.value.problems
    assert problem.path == path
    assert words in f"{problem.message} {problem.hint}"


def test_code_may_set_and_find_anything(tmp_path: Path) -> None:
    loaded(tmp_path, post(CODE, GATE, "{alarm: {name: late, field: delay}}"))
