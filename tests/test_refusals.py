"""What must never answer on a box does not, whatever layer it gets past, and the old release answers on."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
from onnx import numpy_helper

from bench import refusals, weights
from bench.refusals import Refusal, Scene
from edgepack.errors import Exit
from tests import digits
from tests.digits import NODE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Iterator[Scene]:
    made = refusals.prepare(tmp_path_factory.mktemp("refusals") / "digits", warm_cache, seed=7)
    yield made
    made.project.said("sandbox", "down", NODE)
    assert digits.processes(str(made.project.folder / ".edgepack" / "sandbox")) == {}


OFF, NOT_TRAINED = "output `logits` is off", "does not compute on the box what was trained"
ATTEMPTS = {
    "one weight": (
        refusals.one_weight,
        [
            (Exit.PARITY, OFF),
            (Exit.TOOL, "is damaged in the cache: model.bin"),
            (Exit.INPUT, "model/model.bin in the bundle is damaged"),
            (Exit.DEPLOY, NOT_TRAINED),
        ],
    ),
    "another mean": (refusals.other_mean, [(Exit.PARITY, OFF), (Exit.DEPLOY, NOT_TRAINED)]),
    "another architecture": (
        refusals.other_architecture,
        [
            (Exit.PREFLIGHT, "the bundle is for x86_64, the box runs aarch64"),
            (Exit.DEPLOY, "did not report on its golden vectors on the box"),
        ],
    ),
}


@pytest.mark.parametrize(("attempt", "expected"), ATTEMPTS.values(), ids=list(ATTEMPTS))
def test_it_is_refused_and_the_old_release_answers(
    scene: Scene, attempt: Callable[[Scene], list[Refusal]], expected: list[tuple[int, str]]
) -> None:
    tried = attempt(scene)
    assert [refusal.code for refusal in tried] == [code for code, _ in expected], tried
    for refusal, (_, words) in zip(tried, expected, strict=True):
        assert words in refusal.said
        assert refusal.old_answers
        assert refusal.nothing_left


def test_a_changed_parameter_is_refused_exactly_when_it_moves_an_output_beyond_the_gate(
    scene: Scene, tmp_path: Path
) -> None:
    """The distances are those that ONNX Runtime finds when the same parameter of the ONNX file is changed."""
    release = weights.unpack(scene.native, tmp_path / "release")
    refused = []
    for kind in weights.KINDS:
        for told in weights.told(scene.native, release, weights.changes(scene.native, kind, 10, seed=7)):
            error = by_onnxruntime(scene, told.change)
            assert told.refused == (not told.error <= told.limit)
            if np.isfinite(error) and error < 1e6:
                assert told.error == pytest.approx(error, rel=1e-3, abs=2e-5), told
            refused.append(told.refused)
    assert 10 <= sum(refused) < len(refused)


def by_onnxruntime(scene: Scene, change: weights.Change) -> float:
    """The largest difference that a change makes to any logit of the golden vectors."""
    folder = scene.project.folder
    model = onnx.load(folder / "model/lenet.onnx")
    known = {one.name: one for one in model.graph.initializer}
    blobs = refusals.layout(scene)
    nodes = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    names = [name for node in nodes for name in node.input[1:]]
    tensor = known[names[blobs.index(change.blob)]]
    values = numpy_helper.to_array(tensor).copy()
    assert values.size == change.blob.count
    values.ravel()[(change.at - change.blob.at) // 4] = change.new
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with np.load(folder / "data/golden.npz") as golden:
        images = runpy.run_path(str(folder / "train/pipeline.py"))["prepare"](golden["input"])
        logits = np.concatenate([session.run(["logits"], {"image": image[None]})[0] for image in images])
        return float(np.abs(logits - golden["output.logits"]).max())


def test_every_change_to_a_bundle_is_told_by_its_digests(scene: Scene) -> None:
    changes = [c for kind in weights.KINDS for c in weights.changes(scene.native, kind, 10, seed=7)]
    assert weights.told_by_digests(scene.native, changes) == len(changes)
