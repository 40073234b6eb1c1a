from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import BoxError, LockedError, PreflightError, UnreachableError
from edgepack.box.session import Box
from edgepack.bundle import Bundle
from edgepack.errors import EdgepackError, Exit
from edgepack.observe.status import RUNNING, NodeStatus, status
from edgepack.ship import transfer
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from edgepack.ship.errors import NotProvenError, UnhealthyError
from edgepack.ship.rollback import rollback
from tests.box import servers
from tests.box.boxsh import until
from tests.releases import APP, DIES, HANGS, PASS, Program, bundle
from tests.ship.deployer import killed_at


@pytest.fixture
def running(endpoint: Endpoint, tmp_path: Path) -> Bundle:
    """Release 1.0.0, deployed and confirmed."""
    first = bundle(tmp_path / "one")
    deploy(endpoint, first)
    return first


def answers(endpoint: Endpoint, version: str) -> NodeStatus:
    """What the box says, once this version answers, unconfirmed no more, with nobody at work on it."""
    assert until(lambda: status(endpoint, APP).version == version and status(endpoint, APP).running)
    now = status(endpoint, APP)
    assert (now.state, now.version, now.unconfirmed_s, now.locked_by) == (RUNNING, version, None, None)
    return now


def left_behind(endpoint: Endpoint, *releases: str) -> list[str]:
    """Whatever lies on the box that none of these releases needs."""
    root = Path(endpoint.root)
    found = [str(p) for p in [*root.glob("incoming/*"), *root.glob("lock*"), *root.glob("apps/*/*.new")]]
    wanted = set()
    for entry in root.glob("apps/*/releases/*"):
        name = entry.name.removesuffix(".list")
        if name not in releases:
            found.append(str(entry))
        elif entry.suffix == ".list":
            wanted |= {line.split()[0] for line in entry.read_text().splitlines()}
    return found + [str(p) for p in root.glob("store/*") if p.name not in wanted]


def digest(of: Bundle) -> str:
    return of.digest.removeprefix("sha256:")


@pytest.mark.parametrize("endpoint", ["paramiko", "ssh"], indirect=True)
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
    assert plan.bytes_to_send == sum(f.size for f in two.files if f.path in ("bin/digits", "release.json"))
    now = answers(endpoint, "2.0.0")
    assert (now.previous, now.restarts, now.starts_at_boot) == (first.release, 0, False)
    json.dumps([first.as_dict(), plan.as_dict(), now.as_dict()])


def test_a_dry_run_changes_nothing(endpoint: Endpoint, tmp_path: Path) -> None:
    one = bundle(tmp_path / "one")
    plan = plan_deploy(endpoint, one)
    assert (plan.files_to_send, plan.bytes_to_send) == (len(one.files), plan.bytes_total)
    assert plan.steps[0].startswith(f"send {len(one.files)} of {len(one.files)} files")
    assert not Path(endpoint.root).exists()


LIES = {**PASS, "outputs": {"logits": {"cosine_min": 0.5, "max_abs": 2, "ok": True}}}


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (Program(report=LIES), "output `logits` is off"),
        (Program(report="all fine"), "what it printed is not its report"),
        (Program(before_report="kill -SEGV $$"), "it crashed (SIGSEGV)"),
        (Program(text="\x7fELF not for this machine"), "the box cannot start it"),
    ],
    ids=["lies", "babbles", "crashes", "foreign"],
)
def test_a_program_that_does_not_prove_itself_is_never_switched_to(
    endpoint: Endpoint, running: Bundle, tmp_path: Path, program: Program, words: str
) -> None:
    before = status(endpoint, APP).pid
    with pytest.raises(NotProvenError) as caught:
        deploy(endpoint, bundle(tmp_path / "bad", dataclasses.replace(program, version="2.0.0")))
    assert words in caught.value.why
    assert caught.value.exit_code == Exit.DEPLOY
    assert answers(endpoint, "1.0.0").pid == before
    assert left_behind(endpoint, digest(running)) == []


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (Program(each_round=DIES), "ended by itself with 3"),
        (Program(each_round=HANGS), "wrote its status once and never again"),
        (
            Program(health={"timeout": 3, "min_fps": 25}, fps=3.5),
            "3.5 frames a second, `health.min_fps`",
        ),
    ],
    ids=["dies", "hangs", "slow"],
)
def test_an_unhealthy_release_is_undone(
    endpoint: Endpoint, running: Bundle, tmp_path: Path, program: Program, words: str
) -> None:
    health = program.health if program.fps else {"timeout": 3, "min_fps": 0}
    bad = bundle(tmp_path / "bad", dataclasses.replace(program, version="2.0.0", health=health))
    with pytest.raises(UnhealthyError) as caught:
        deploy(endpoint, bad)
    error = caught.value
    assert words in f"{error.what} {error.why}"
    assert f"release {digest(running)[:12]} answers" in error.why
    assert "hello from 2.0.0" in error.detail
    answers(endpoint, "1.0.0")
    assert left_behind(endpoint, digest(running)) == []


def test_a_first_release_that_is_unhealthy_leaves_an_empty_box(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(UnhealthyError, match="ended by itself") as caught:
        deploy(endpoint, bundle(tmp_path / "bad", Program(each_round=DIES)))
    assert "nothing ran before, nothing runs now" in caught.value.why
    assert status(endpoint, APP).state == "no release"
    assert left_behind(endpoint) == []


@pytest.mark.parametrize("stage", ["stage", "switch", "health", "confirm"])
def test_a_deployer_that_dies_leaves_old_or_new_and_the_next_deploy_cleans_up(
    endpoint: Endpoint, running: Bundle, tmp_path: Path, stage: str
) -> None:
    two = bundle(tmp_path / "two", Program(version="2.0.0"))
    assert killed_at(endpoint, two.folder, stage) == -signal.SIGKILL
    now = status(endpoint, APP)
    assert now.version == ("2.0.0" if stage in ("health", "confirm") else "1.0.0")
    assert (now.unconfirmed_s is not None) == (stage in ("health", "confirm"))
    assert deploy(endpoint, two).previous == digest(running)
    assert answers(endpoint, "2.0.0").previous == digest(running)
    assert left_behind(endpoint, digest(running), digest(two)) == []


def test_a_confirmation_that_was_cut_short_is_finished(
    endpoint: Endpoint, running: Bundle, tmp_path: Path
) -> None:
    """The box's side was killed between two renames: what a rollback goes back to was not noted yet."""
    two = bundle(tmp_path / "two", Program(version="2.0.0"))
    deploy(endpoint, two)
    app = Path(endpoint.root) / "apps" / APP
    (app / "previous").unlink()
    (app / "confirmed").write_text(f"token {digest(two)} {digest(running)} 1 boot\n")
    deploy(endpoint, two)
    assert not (app / "confirmed").exists()
    assert answers(endpoint, "2.0.0").previous == digest(running)


@pytest.mark.parametrize("stage", ["prove", "health"])
def test_ctrl_c_leaves_the_old_release(
    endpoint: Endpoint, running: Bundle, tmp_path: Path, stage: str
) -> None:
    two = bundle(tmp_path / "two", Program(version="2.0.0"))
    assert killed_at(endpoint, two.folder, stage, signal.SIGINT) != 0
    answers(endpoint, "1.0.0")
    assert left_behind(endpoint, digest(running)) == []
    assert deploy(endpoint, two).outcome == "deployed"


@pytest.mark.parametrize("endpoint", ["paramiko", "ssh"], indirect=True)
def test_a_link_that_is_cut_while_sending_need_not_send_it_all_again(
    endpoint: Endpoint, running: Bundle, tmp_path: Path
) -> None:
    assert endpoint.port is not None
    two = bundle(tmp_path / "two", Program(version="2.0.0", weights=os.urandom(400_000)))
    link = servers.Link(endpoint.port, cut_after=200_000)
    with servers.listening(link.serve) as port, pytest.raises(UnreachableError, match="broke"):
        deploy(dataclasses.replace(endpoint, port=port), two)
    assert status(endpoint, APP).version == "1.0.0"
    again = deploy(endpoint, two)
    assert 0 < again.files_sent < 3
    answers(endpoint, "2.0.0")
    assert left_behind(endpoint, digest(running), digest(two)) == []


@pytest.mark.parametrize("endpoint", ["paramiko", "ssh"], indirect=True)
def test_a_link_that_is_cut_after_the_switch_is_undone(
    endpoint: Endpoint, running: Bundle, tmp_path: Path
) -> None:
    assert endpoint.port is not None
    link = servers.Link(endpoint.port)

    def cut(stage: str, done: int, total: int) -> None:
        if stage == "health":
            link.cut()

    two = bundle(tmp_path / "two", Program(version="2.0.0"))
    with servers.listening(link.serve) as port, pytest.raises(UnreachableError) as caught:
        deploy(dataclasses.replace(endpoint, port=port), two, progress=cut)
    assert "the box goes back by itself" in caught.value.why
    with Box(endpoint) as box:
        token = next(line.split()[1] for line in box.call("status", APP) if line.startswith("lock "))
        assert any(line == f"undone {APP}" for line in box.call("lock", "next", "test", token))
        box.call("unlock", "next")
    answers(endpoint, "1.0.0")


def test_what_is_changed_on_the_way_is_refused(
    endpoint: Endpoint, running: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte flipped after the bundle was read: only the box can see it."""
    tar = transfer.tar

    def flipped(*arguments: Any) -> Any:
        for data, size in tar(*arguments):
            yield (bytes([data[0] ^ 1]) + data[1:], size) if size else (data, size)

    monkeypatch.setattr(transfer, "tar", flipped)
    with pytest.raises(BoxError) as caught:
        deploy(endpoint, bundle(tmp_path / "two", Program(version="2.0.0")))
    assert caught.value.kind == "bad-digest"
    answers(endpoint, "1.0.0")
    assert left_behind(endpoint, digest(running)) == []


def test_wrong_architecture_is_refused_before_anything_is_sent(endpoint: Endpoint, tmp_path: Path) -> None:
    foreign = "riscv64" if os.uname().machine != "riscv64" else "aarch64"
    bad = bundle(tmp_path / "bad", Program(arch=foreign))
    with pytest.raises(PreflightError, match=f"the bundle is for {foreign}") as caught:
        deploy(endpoint, bad)
    assert caught.value.exit_code == Exit.PREFLIGHT
    assert "fleet.yaml" in caught.value.fix
    assert any(f"the bundle is for {foreign}" in reason for reason in plan_deploy(endpoint, bad).refusals)
    assert not Path(endpoint.root).exists()


def test_a_root_where_nothing_can_be_written(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    blocked = dataclasses.replace(endpoint, root=str(tmp_path / "file" / "edgepack"))
    with pytest.raises(PreflightError, match="may not write"):
        deploy(blocked, bundle(tmp_path / "one"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere; tests/lab has it with an account")
def test_no_permission(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(mode=0o500)
    with pytest.raises(PreflightError, match="may not write"):
        deploy(endpoint, bundle(tmp_path / "one"))


def test_two_at_once(endpoint: Endpoint, running: Bundle, tmp_path: Path) -> None:
    two = bundle(tmp_path / "two", Program(version="2.0.0"))
    with Box(endpoint) as box:
        box.call("lock", "busy", "somebody@elsewhere:1")
        with pytest.raises(LockedError) as caught:
            deploy(endpoint, two)
        assert "somebody@elsewhere" in caught.value.why
        assert caught.value.exit_code == Exit.LOCKED
        assert "somebody@elsewhere:1" in plan_deploy(endpoint, two).refusals[0]
        box.call("unlock", "busy")
    assert deploy(endpoint, two).outcome == "deployed"


def stop(endpoint: Endpoint) -> None:
    with Box(endpoint) as box:
        box.call("lock", "t", "test")
        box.call("stop", "t", APP)
        box.call("unlock", "t")


def test_the_same_release_is_started_again_where_it_does_not_run(
    endpoint: Endpoint, running: Bundle, tmp_path: Path
) -> None:
    stop(endpoint)
    first = deploy(endpoint, running)
    assert (first.outcome, first.previous) == ("started again", None)
    two = bundle(tmp_path / "two", Program(version="2.0.0"))
    deploy(endpoint, two)
    stop(endpoint)
    plan = plan_deploy(endpoint, two)
    assert [step for step in plan.steps if "switch" in step] == []
    assert any(step.startswith("start it again") for step in plan.steps)
    again = deploy(endpoint, two)
    assert (again.outcome, again.previous) == ("started again", digest(running))
    assert deploy(endpoint, two).previous == digest(running)
    assert answers(endpoint, "2.0.0").previous == digest(running)
    assert rollback(endpoint, APP).release == digest(running)


def test_the_same_release_that_is_no_longer_healthy_is_not_said_to_answer(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    once = f"test ! -e {tmp_path}/broken"
    one = bundle(tmp_path / "one", Program(each_round=f"{once} || exit 4; sleep 1"))
    deploy(endpoint, one)
    stop(endpoint)
    (tmp_path / "broken").touch()
    with pytest.raises(UnhealthyError) as caught:
        deploy(endpoint, one)
    assert "answers" not in caught.value.why
    assert "was the current release before" in caught.value.why


def test_a_release_that_rotted_on_the_box_is_mended(endpoint: Endpoint, running: Bundle) -> None:
    weights = running.file("model/model.bin")
    stored = Path(endpoint.root) / "store" / weights.sha256
    stored.write_bytes(b"rot" + stored.read_bytes()[3:])
    report = deploy(endpoint, running)
    assert (report.outcome, report.files_sent) == ("started again", 1)
    release = Path(endpoint.root) / "apps" / APP / "releases" / digest(running) / weights.path
    assert hashlib.sha256(release.read_bytes()).hexdigest() == weights.sha256


def test_old_releases_make_room(endpoint: Endpoint, tmp_path: Path) -> None:
    releases = [bundle(tmp_path / v, Program(version=v, weights=v.encode() * 1000)) for v in "1234"]
    for release in releases:
        deploy(endpoint, release, DeployOptions(keep=1))
    assert left_behind(endpoint, digest(releases[3]), digest(releases[2])) == []


def test_every_failure_says_where_and_what_to_do(endpoint: Endpoint, running: Bundle, tmp_path: Path) -> None:
    for n, program in enumerate([Program(report="?"), Program(each_round=DIES), Program(arch="riscv64")]):
        with pytest.raises(EdgepackError) as caught:
            deploy(endpoint, bundle(tmp_path / str(n), dataclasses.replace(program, version="2.0.0")))
        assert caught.value.where == endpoint.where
        assert caught.value.fix
