"""What must never answer on a box does not, and the old release goes on answering."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import refusals
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


@pytest.mark.parametrize(
    ("attempt", "codes"),
    [
        (refusals.one_weight, [Exit.PARITY, Exit.DEPLOY]),
        (refusals.other_mean, [Exit.PARITY, Exit.DEPLOY]),
        (refusals.other_architecture, [Exit.PREFLIGHT, Exit.DEPLOY]),
    ],
)
def test_it_is_refused_and_the_old_release_answers(
    scene: Scene, attempt: Callable[[Scene], list[Refusal]], codes: list[int]
) -> None:
    tried = attempt(scene)
    assert [refusal.code for refusal in tried] == codes, tried
    assert all(refusal.old_answers for refusal in tried)


def test_most_single_weights_are_told_by_the_outputs(scene: Scene, tmp_path: Path) -> None:
    assert refusals.told_apart(scene, 20, tmp_path) >= 12
