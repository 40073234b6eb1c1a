from __future__ import annotations

from pathlib import Path

from edgepack.box.endpoint import Endpoint
from edgepack.observe.status import RUNNING, status
from edgepack.ship.deploy import deploy, plan_deploy
from tests.releases import APP, Program, bundle


def test_a_first_deploy_then_nothing_to_do_then_only_what_changed(endpoint: Endpoint, tmp_path: Path) -> None:
    one = bundle(tmp_path / "one")
    told: list[tuple[str, int, int]] = []
    first = deploy(endpoint, one, progress=lambda *words: told.append(words))
    assert (first.outcome, first.previous, first.files_sent) == ("deployed", None, len(one.files))
    assert "4 golden vectors" in first.proof_summary
    stages = ["connect", "probe", "send", "stage", "prove", "switch", "health", "confirm"]
    assert list(first.seconds) == stages
    assert [t for t in told if t[0] == "send"][-1][1:] == (first.bytes_total, first.bytes_total)
    assert deploy(endpoint, one).outcome == "nothing to do"
    assert plan_deploy(endpoint, one).steps == ()
    two = bundle(tmp_path / "two", Program(version="2.0.0"))
    plan = plan_deploy(endpoint, two)
    assert (plan.files_to_send, plan.current, plan.refusals) == (2, first.release, ())
    second = deploy(endpoint, two)
    assert (second.files_sent, second.previous) == (2, first.release)
    now = status(endpoint, APP)
    assert (now.state, now.version, now.previous) == (RUNNING, "2.0.0", first.release)
