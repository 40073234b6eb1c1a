"""examples/shapes with building blocks in place of its own C++: the same boxes; and rules."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.bundle import open_bundle
from edgepack.tools.runner import command, run
from tests import digits

SHAPES = Path(__file__).parents[2] / "examples" / "shapes"
OWN = '  - {code: src/post.cpp, entry: "shapes::decode"}'
# What the example's own page shows, and after it code that looks at what the blocks left.
MARK = "```yaml\npost:\n"
SHOWN = (SHAPES / "README.md").read_text().partition(MARK)[2].partition("```")[0]
RULES = (
    (SHAPES.parents[1] / "docs" / "how-to" / "rules.md").read_text().partition(MARK)[2].partition("```")[0]
)
BLOCKS = RULES + "  - {code: src/seen.cpp, entry: seen}"
# What a user's own code after the blocks gets to see, by the header alone.
SEEN = """\
#include <edgepack/edgepack.h>

#if EDGEPACK_API < 2
#error "detections are there since version 2"
#endif

void seen(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record) {
  std::vector<std::int64_t> kinds;
  for (const edgepack::Detection& one : record.detections()) kinds.push_back(one.kind);
  record.set("kinds", kinds);
  record.set("outputs_seen", outputs.size());
}
"""


@dataclass(frozen=True)
class Built:
    """What a build says of its proof, and the program."""

    proof: Path
    program: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Built:
    """The example with the blocks and rules of the pages, and the release of this machine's bundle."""
    tmp_path = tmp_path_factory.mktemp("by-blocks")
    target = {"x86_64": "x86_64", "aarch64": "aarch64"}[os.uname().machine]
    skipped = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock", "__pycache__", "train", "src")
    shutil.copytree(SHAPES, tmp_path / "shapes", ignore=skipped)
    project = digits.Digits(tmp_path / "shapes", tmp_path / "home", warm_cache)
    project.temporary.mkdir(parents=True)
    manifest = (project.folder / "edgepack.yaml").read_text().splitlines(keepends=True)
    kept = "".join(BLOCKS + "\n" if line.startswith(OWN) else line for line in manifest)
    assert "yolo:" in SHOWN
    assert set(SHOWN.splitlines()) <= set(RULES.splitlines())
    assert BLOCKS in kept
    (project.folder / "edgepack.yaml").write_text(kept)
    (project.folder / "src").mkdir()
    (project.folder / "src" / "seen.cpp").write_text(SEEN)
    project.said("build", target)
    release = tmp_path / "release"
    bundle = open_bundle(project.folder / "dist" / f"shapes@{target}")
    for file in bundle.files:
        place = release / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with bundle.open(file) as member:
            place.write_bytes(member.read())
        place.chmod(file.mode)
    return Built(project.folder / "dist" / f"shapes@{target}.proof.json", release / "bin" / "shapes")


def answers(built: Built, *pictures: Path) -> list[dict[str, Any]]:
    done = run(command(built.program, "infer", *pictures))
    assert done.ok, done.text()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_blocks_alone_say_what_the_examples_own_code_says(built: Built) -> None:
    proof = json.loads(built.proof.read_text())["proof"]
    fields = ("class", "count", "score", "left", "top", "right", "bottom")
    assert proof["records"] == {name: {"agree": 20, "of": 20, "ok": True} for name in fields}
    picture = SHAPES / "data" / "val" / "000.ppm"
    first, again = answers(built, picture, picture)
    boxes = np.reshape(first["boxes"], (-1, 6))
    assert len(boxes) == first["count"] == len(first["names"]) > 0
    assert first["kinds"] == boxes[:, 0].astype(int).tolist()
    assert first["outputs_seen"] == 3
    assert first["name"] in first["names"]
    assert first["tracks"] == again["tracks"] == list(range(1, first["count"] + 1))


@pytest.mark.slow
def test_rules_count_what_was_drawn_on_the_belt(built: Built, tmp_path: Path) -> None:
    """Where things are is in belt.py: what passes, waits and turns is known without a detector."""
    drawn = run(command(sys.executable, SHAPES / "train" / "belt.py", tmp_path / "belt"))
    assert drawn.ok, drawn.text()
    said = answers(built, *sorted((tmp_path / "belt").iterdir()))
    assert len(said) == 80

    crossed = [(n, sum(record["gate"])) for n, record in enumerate(said) if any(record["gate"])]
    # By their ways the square is 2.9 pixels, the margin, beyond the middle at 16.5; the others at 24 and 67.
    assert [way for _, way in crossed] == [1, 1, -1]
    np.testing.assert_allclose([n for n, _ in crossed], [17, 25, 68], atol=2)
    last = said[-1]
    assert (last["passed"], last["passed_forward"], last["passed_backward"]) == (1, 2, 1)
    assert last["packed_total"] == 3
    assert last["packed"] == last["waiting"] == 1

    (event,) = [n for n, record in enumerate(said) if record["call_event"]]
    first = next(n for n, record in enumerate(said) if record["packed"])
    assert said[event]["call_event"] == "raised"
    # 3 seconds are 15 pictures, and the third of five such is two later.
    assert event - first == 17
    assert all(record["shift"] for record in said)
