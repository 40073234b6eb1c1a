"""A model cut in two for two boxes: each part with golden vectors of its own, and both together the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from edgepack.errors import Exit
from edgepack.tools.qemu import host_arch
from tests import digits

pytestmark = pytest.mark.slow

BOARD = f"""\
name: A board with ONNX Runtime
facts:
  arch: {{value: {host_arch()}, source: made up for a test}}
runtimes: [onnxruntime]
"""
MODEL = """\
  calibration: {data: data/golden.npz, samples: 64}
  split: {at: flatten1, before: [edge], after: [server, server8]}
  accuracy:"""
TARGETS = "targets:\n  edge: {}\n  server: {}\n  server8: {precision: int8}\n"
PAGE = digits.EXAMPLE.parents[1] / "docs" / "how-to" / "split.md"
ALL = ("edge", "server", "server8")
PARTS = {"edge": "before", "server": "after"}


def project(folder: Path, kept: Path) -> digits.Digits:
    """``examples/digits`` for two boards, with the default gates."""
    made = digits.copy(folder, kept)
    (made.folder / "targets").mkdir()
    for name in ALL:
        (made.folder / "targets" / f"{name}.yaml").write_text(BOARD)
    made.rewrite("edgepack.yaml", "  accuracy:", MODEL)
    text = (made.folder / "edgepack.yaml").read_text()
    (made.folder / "edgepack.yaml").write_text(text[: text.index("targets:")] + TARGETS)
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> digits.Digits:
    made = project(tmp_path_factory.mktemp("split") / "digits", warm_cache)
    shown = made.said("build")
    assert {b["target"]: b["kind"] for b in shown["bundles"]} == dict.fromkeys(ALL, "model")
    return made


def place(made: digits.Digits, target: str) -> Path:
    return made.folder / "dist" / f"digits@{target}.model"


def vectors(made: digits.Digits, target: str) -> dict[str, Any]:
    with np.load(place(made, target) / "golden.npz", allow_pickle=False) as archive:
        return dict(archive)


def compute(made: digits.Digits, target: str, values: Any) -> Any:
    """The shipped model of a target by ONNX Runtime, sample by sample."""
    session = onnxruntime.InferenceSession(str(place(made, target) / "model.onnx"))
    (entry,) = (value.name for value in session.get_inputs())
    return np.concatenate([session.run(None, {entry: row[None]})[0] for row in values])


def test_each_part_has_golden_vectors_of_its_own(built: digits.Digits) -> None:
    with np.load(built.folder / "data" / "golden.npz") as archive:
        whole = dict(archive)
    edge, server = vectors(built, "edge"), vectors(built, "server")
    assert edge.keys() == {"input", "input.image", "output.flatten1"}
    assert server.keys() == {
        "input.flatten1",
        "output.logits",
        *(n for n in whole if n.startswith("record.")),
    }
    assert np.array_equal(edge["input"], whole["input"])
    assert np.array_equal(edge["output.flatten1"], server["input.flatten1"])
    assert edge["output.flatten1"].dtype == np.float32
    assert np.allclose(server["output.logits"], whole["output.logits"], atol=1e-3)
    assert vectors(built, "server8").keys() == server.keys()


def test_both_shipped_parts_one_after_the_other_are_the_whole_model(built: digits.Digits) -> None:
    with np.load(built.folder / "data" / "golden.npz") as archive:
        wanted = archive["output.logits"]
    middle = compute(built, "edge", vectors(built, "edge")["input.image"])
    assert np.abs(compute(built, "server", middle) - wanted).max() <= 1e-3 * np.abs(wanted).max()
    # 8 bits in the second part alone: as far off as the report of that part says, and no farther.
    eight = compute(built, "server8", middle)
    worst = report(built, "server8")["outputs"]["logits"]["max_abs"]
    assert np.abs(eight - wanted).max() <= worst + 1e-3 * np.abs(wanted).max()
    assert (eight.argmax(1) == wanted.argmax(1)).mean() > 0.98


def report(made: digits.Digits, target: str) -> Any:
    return json.loads((made.folder / "dist" / f"digits@{target}.parity.json").read_text())


def test_each_part_is_held_to_what_it_has(built: digits.Digits) -> None:
    """The first has `pre` and no `post` to compare, the second the reverse; both the task's metric."""
    edge, server, eight = (report(built, target) for target in ("edge", "server", "server8"))
    held = {"edge": edge, "server": server}
    stages = {t: {n: s["ok"] for n, s in body["stages"].items()} for t, body in held.items()}
    assert stages == {
        "edge": {"pre": True, "model": True, "post": None},
        "server": {"pre": None, "model": True, "post": True},
    }
    assert "second part" in edge["stages"]["post"]["why"]
    assert "first part" in server["stages"]["pre"]["why"]
    assert "both trained parts" in edge["stages"]["pre"]["compared"]
    assert {t: body["part"] for t, body in held.items()} == {
        target: {"name": part, "crossing": ["flatten1"]} for target, part in PARTS.items()
    }
    assert list(edge["outputs"]) == ["flatten1"]
    assert list(server["outputs"]) == ["logits"]
    assert edge["score"]["trained"] == server["score"]["trained"] == eight["score"]["trained"] > 0.9
    assert abs(edge["score"]["drop"]) < 1e-9
    assert eight["fed"] == {"golden": 64, "calibration": 64, "validation": eight["score"]["of"]}


def test_nothing_is_done_twice(built: digits.Digits) -> None:
    assert built.said("build")["ran"] == []


def test_a_check_looks_at_the_part_that_each_target_gets(built: digits.Digits) -> None:
    said = built.run("check", "edge", "server")
    assert said.code == 0
    edge, server = (next(line for line in said.out.splitlines() if line.startswith(t)) for t in PARTS)
    assert ("the part before the cut" in edge, "the part after the cut" in server) == (True, True)
    sizes = [line.partition(" parameters")[0].rpartition("; ")[2] for line in (edge, server)]
    assert sizes[0] != sizes[1]


def test_the_page_is_built_as_it_is_written(tmp_path: Path, warm_cache: Path) -> None:
    made = digits.copy(tmp_path / "digits", warm_cache)
    manifest = PAGE.read_text().partition("```yaml\n")[2].partition("```")[0]
    (made.folder / "edgepack.yaml").write_text(manifest)
    shown = {bundle["target"]: bundle for bundle in made.said("build")["bundles"]}
    assert shown["raspberry-pi-4"]["proof"]["part"] == {"name": "before", "crossing": ["flatten1"]}
    assert shown["x86_64"]["proof"]["part"] == {"name": "after", "crossing": ["flatten1"]}
    for bundle in shown.values():
        assert bundle["proof"]["ok"] is True
        assert (Path(bundle["folder"]) / "golden.npz").is_file()


def test_a_fault_of_pre_is_found_by_the_part_that_has_it(tmp_path: Path, warm_cache: Path) -> None:
    made = project(tmp_path / "digits", warm_cache)
    made.rewrite("edgepack.yaml", "mean: [0.5]", "mean: [127.5]")
    said = made.run("build", "edge")
    assert said.code == Exit.PARITY
    assert "the mean is wrong by 255 times" in said.err
