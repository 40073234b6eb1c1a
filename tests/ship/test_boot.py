from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.observe.status import status
from edgepack.ship import boot
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from tests.releases import APP, bundle
from tests.ship.test_preflight import GOOD


@pytest.mark.parametrize(
    ("at_boot", "boots", "beforehand", "step"),
    [
        (True, "no none", "bin/boot.sh", "bin/boot.sh"),
        (True, "no cron", "", "have cron start it with the box"),
        (True, "systemd", "", ""),
        (False, "no none", "", ""),
    ],
)
def test_what_is_said_before_a_deploy(at_boot: bool, boots: str, beforehand: str, step: str) -> None:
    where, facts = Endpoint("box-07", "h", at_boot=at_boot), dataclasses.replace(GOOD, boots=boots)
    assert "".join(boot.beforehand(where, facts)).endswith(beforehand)
    assert len(boot.beforehand(where, facts)) == bool(beforehand)
    assert "".join(boot.step(where, facts)).endswith(step)


def test_a_box_that_would_not_start_it_says_so_before_anything_is_sent(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    """For a folder whose name must be quoted nothing that starts programs is written to."""
    told: list[str] = []
    options = DeployOptions(tell=lambda sentence: told.append(f"told {sentence}"))
    odd = dataclasses.replace(endpoint, root=f"{endpoint.root}/odd root", at_boot=True)
    report = deploy(odd, one := bundle(tmp_path / "one"), options, lambda stage, *_: told.append(stage))
    said = next(line for line in told if line.startswith("told "))
    assert told.index(said) < told.index("send")
    assert said.endswith(f"sh '{endpoint.root}/odd root/bin/boot.sh'")
    assert report.boot_line == f"sh '{endpoint.root}/odd root/bin/boot.sh'"
    assert status(odd, APP).starts_at_boot is False
    again: list[str] = []
    assert deploy(odd, one, DeployOptions(tell=again.append)).outcome == "nothing to do"
    assert [f"told {line}" for line in again] == [said]
    assert plan_deploy(odd, one).steps == ()
    with_box_stopped(odd)


def with_box_stopped(where: Endpoint) -> None:
    from edgepack.box.session import Box

    with Box(where) as box:
        box.call("lock", "end", "test")
        box.call("stop", "end", APP)
        box.call("unlock", "end")
