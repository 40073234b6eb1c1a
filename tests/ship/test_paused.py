"""A box that cannot hold two programs: what runs is paused for the golden vectors, and started again."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.bundle import Bundle
from edgepack.errors import EdgepackError
from edgepack.observe.status import status
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from edgepack.ship.errors import NotProvenError
from tests.box import servers
from tests.box.boxsh import until
from tests.releases import APP, Program, bundle

# As a program whose accelerator takes one process: it cannot open it while another has it.
ALONE = (
    'read -r pid _ 2>/dev/null <"$release/../../run/program" && kill -0 "$pid" 2>/dev/null '
    "&& { echo 'the accelerator is busy' >&2; exit 4; }"
)
SLOW = f"{ALONE}; sleep 60"


@pytest.fixture
def old(endpoint: Endpoint, tmp_path: Path) -> Bundle:
    made = bundle(tmp_path / "1")
    deploy(endpoint, made)
    return made


def two(tmp_path: Path, **how: object) -> Bundle:
    return bundle(tmp_path / "2", Program(**{"version": "2.0.0", "before_report": ALONE, **how}))  # type: ignore[arg-type]


def answers(endpoint: Endpoint, version: str) -> bool:
    now = status(endpoint, APP)
    paused = Path(endpoint.root) / "apps" / APP / "paused"
    return bool(now.running and now.version == version and not paused.exists())


def test_it_is_found_by_trying_told_and_measured(endpoint: Endpoint, old: Bundle, tmp_path: Path) -> None:
    told: list[str] = []
    step = next(step for step in plan_deploy(endpoint, two(tmp_path)).steps if "golden" in step)
    assert "where it does not fit beside the one that runs, that is paused for it" in step
    done = deploy(endpoint, two(tmp_path), DeployOptions(tell=told.append))
    assert done.outcome == "deployed"
    assert any("that one is paused for the golden vectors" in sentence for sentence in told)
    journal = [line.split()[1] for line in (Path(endpoint.root) / "journal").read_text().splitlines()]
    assert journal[journal.index("pause") :][:3] == ["pause", "resume", "switch"]
    assert 0 <= done.paused_s < 60
    assert until(lambda: answers(endpoint, "2.0.0"))


def test_a_node_may_say_so_and_a_first_release_has_nothing_to_pause(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    always = dataclasses.replace(endpoint, pause="always")
    assert not any("pause" in step for step in plan_deploy(always, bundle(tmp_path / "1")).steps)
    assert deploy(always, bundle(tmp_path / "1")).paused_s == 0
    steps = plan_deploy(always, two(tmp_path)).steps
    assert "pause the program that runs, for at most 600 s, and run the golden vectors" in " ".join(steps)
    assert deploy(always, two(tmp_path)).outcome == "deployed"


@pytest.mark.parametrize(
    ("pause", "how"),
    [
        ("never", {}),
        ("auto", {"verify_status": 8}),
        ("auto", {"before_report": "exit 4"}),
        ("always", {"report": "x"}),
    ],
)
def test_what_is_refused_leaves_the_old_one_running(
    endpoint: Endpoint, old: Bundle, tmp_path: Path, pause: str, how: dict[str, object]
) -> None:
    with pytest.raises(NotProvenError):
        deploy(dataclasses.replace(endpoint, pause=pause), two(tmp_path, **how))
    assert until(lambda: answers(endpoint, "1.0.0"))


@pytest.mark.parametrize("struck", ["its shell", "all of its side", "the link"])
def test_struck_down_in_the_middle_the_old_one_is_started_again(
    endpoint: Endpoint, old: Bundle, tmp_path: Path, struck: str
) -> None:
    app = Path(endpoint.root) / "apps" / APP
    assert endpoint.port is not None
    link = servers.Link(endpoint.port)
    failed: list[BaseException] = []

    def run(port: int) -> None:
        try:
            deploy(
                dataclasses.replace(endpoint, port=port, pause="always"), two(tmp_path, before_report=SLOW)
            )
        except EdgepackError as error:
            failed.append(error)

    with servers.listening(link.serve) as port:
        deployer = threading.Thread(target=run, args=(port,))
        deployer.start()
        assert until(lambda: (app / "paused").exists() and not (app / "run" / "supervisor").exists())
        if struck == "the link":
            link.cut()
        elif struck == "its shell":  # which holds `changing`: nothing of it can tidy up
            os.kill(int((app / "changing").readlink().name.partition("-")[0]), signal.SIGKILL)
        else:
            pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and verifies(int(pid), endpoint)]
            assert pids
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        assert until(lambda: answers(endpoint, "1.0.0"), 90)
        deployer.join(90)
    assert failed
    assert deploy(endpoint, two(tmp_path)).outcome == "deployed"


def verifies(pid: int, endpoint: Endpoint) -> bool:
    """Whether this is the script at work on the golden vectors: `sh …/box-….sh ROOT verify …`."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False
    return str(endpoint.root) in words and "verify" in words
