"""examples/plates: two models in one program, each proven alone and both together."""

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

PLATES = Path(__file__).parents[2] / "examples" / "plates"


@pytest.mark.slow
def test_both_models_are_proven_and_a_wrong_crop_is_caught(tmp_path: Path, warm_cache: Path) -> None:
    target = {"x86_64": "x86_64", "aarch64": "aarch64"}[os.uname().machine]
    shutil.copytree(PLATES, tmp_path / "plates", ignore=shutil.ignore_patterns(".edgepack", "dist", "train"))
    project = digits.Digits(tmp_path / "plates", tmp_path / "home", warm_cache)
    project.temporary.mkdir(parents=True)
    project.rewrite("edgepack.yaml", "  x86_64: {}", f"  {target}: {{}}")
    project.said("build", target)

    proof = json.loads((project.folder / "dist" / f"plates@{target}.proof.json").read_text())["proof"]
    fields = ("boxes", "count", "digit_class", "digit_confidence", "digit_count")
    assert proof["records"] == {name: {"agree": 12, "of": 12, "ok": True} for name in fields}
    # The second model has its own proof, by its own golden vectors.
    steps = project.said("plan", target)["steps"]
    assert {"plates-digit/prepare", f"plates-digit@{target}/parity"} <= {step["id"] for step in steps}

    release = tmp_path / "release"
    bundle = open_bundle(project.folder / "dist" / f"plates@{target}")
    for file in bundle.files:
        place = release / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with bundle.open(file) as member:
            place.write_bytes(member.read())
        place.chmod(file.mode)
    golden = np.load(PLATES / "data" / "golden.npz")
    (tmp_path / "a.ppm").write_bytes(b"P6 128 96 255\n" + golden["input"][0].tobytes())
    said = run(command(release / "bin" / "plates", "infer", tmp_path / "a.ppm"))
    assert said.ok, said.text()
    assert json.loads(said.stdout)["digit_class"] == [2, 5, 8]
    (release / "model" / "digit" / "model.bin").unlink()
    gone = run(command(release / "bin" / "plates", "infer", tmp_path / "a.ppm"))
    assert gone.returncode == 4
    assert "model/digit/model.bin" in gone.text()

    # The first model is right and so is the second one: what lies between them is not.
    project.rewrite(
        "edgepack.yaml", "classes: [red square, blue square]}", "classes: [red square], grow: 0.3}"
    )
    wrong = project.run("build", target)
    assert wrong.code == 8, wrong.err
    assert "`digit_class` differs in" in wrong.err
    assert "boxes            12 of 12 samples agree" in wrong.err
