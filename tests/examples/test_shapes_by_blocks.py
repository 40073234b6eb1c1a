"""examples/shapes with building blocks in place of its own C++: the same golden vectors, the same boxes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgepack.bundle import open_bundle
from edgepack.tools.runner import command, run
from tests import digits

SHAPES = Path(__file__).parents[2] / "examples" / "shapes"
OWN = '  - {code: src/post.cpp, entry: "shapes::decode"}'
# What the example's own page shows, and after it code that looks at what the blocks left.
SHOWN = (SHAPES / "README.md").read_text().partition("```yaml\npost:\n")[2].partition("```")[0]
BLOCKS = SHOWN + "  - {code: src/seen.cpp, entry: seen}"
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


@pytest.mark.slow
def test_blocks_alone_say_what_the_examples_own_code_says(tmp_path: Path, warm_cache: Path) -> None:
    target = {"x86_64": "x86_64", "aarch64": "aarch64"}[os.uname().machine]
    skipped = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock", "__pycache__", "train", "src")
    shutil.copytree(SHAPES, tmp_path / "shapes", ignore=skipped)
    project = digits.Digits(tmp_path / "shapes", tmp_path / "home", warm_cache)
    project.temporary.mkdir(parents=True)
    manifest = (project.folder / "edgepack.yaml").read_text().splitlines(keepends=True)
    kept = "".join(BLOCKS + "\n" if line.startswith(OWN) else line for line in manifest)
    assert "yolo:" in SHOWN
    assert BLOCKS in kept
    (project.folder / "edgepack.yaml").write_text(kept)
    (project.folder / "src").mkdir()
    (project.folder / "src" / "seen.cpp").write_text(SEEN)
    project.said("build", target)

    proof = json.loads((project.folder / "dist" / f"shapes@{target}.proof.json").read_text())["proof"]
    fields = ("class", "count", "score", "left", "top", "right", "bottom")
    assert proof["records"] == {name: {"agree": 20, "of": 20, "ok": True} for name in fields}

    release = tmp_path / "release"
    bundle = open_bundle(project.folder / "dist" / f"shapes@{target}")
    for file in bundle.files:
        place = release / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with bundle.open(file) as member:
            place.write_bytes(member.read())
        place.chmod(file.mode)
    picture = SHAPES / "data" / "val" / "000.ppm"
    done = run(command(release / "bin" / "shapes", "infer", picture, picture))
    assert done.ok, done.text()
    first, again = (json.loads(line) for line in done.stdout.splitlines())
    boxes = np.reshape(first["boxes"], (-1, 6))
    assert len(boxes) == first["count"] == len(first["names"]) > 0
    assert first["kinds"] == boxes[:, 0].astype(int).tolist()
    assert first["outputs_seen"] == 3
    assert first["name"] in first["names"]
    assert first["tracks"] == again["tracks"] == list(range(1, first["count"] + 1))
