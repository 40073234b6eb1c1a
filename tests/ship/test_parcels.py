"""Deploys as parcels: what differs is sent, a cut goes on where it was, and what is wrong comes whole."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import UnreachableError
from edgepack.box.session import Box
from edgepack.catalog.native_build import HelperSpec
from edgepack.compile.native import build_helper
from edgepack.errors import ToolError
from edgepack.ship import kept
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from edgepack.ship.parcels import Tools
from edgepack.tools.qemu import host_arch
from tests.releases import Program, bundle

pytestmark = pytest.mark.slow

BLOCK = 1 << 20


@pytest.fixture(scope="module")
def programs() -> tuple[Path, Path]:
    return build_helper(HelperSpec(host_arch())), build_helper(HelperSpec(host_arch(), "encoder"))


@pytest.fixture
def options(programs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployOptions:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    return DeployOptions(tools=Tools(lambda: programs[0], lambda: programs[1]))


def weights(seed: int, size: int = 3 * BLOCK + 5) -> bytes:
    return random.Random(seed).randbytes(size)


def retrained(content: bytes) -> bytes:
    """The same weights, the last twentieth of them new."""
    head = len(content) * 19 // 20
    return content[:head] + random.Random(9).randbytes(len(content) - head)


def test_only_what_differs_is_sent_and_a_dry_run_knows_how_much(
    endpoint: Endpoint, tmp_path: Path, options: DeployOptions
) -> None:
    one = bundle(tmp_path / "one", Program(weights=weights(1)))
    two = bundle(tmp_path / "two", Program(version="2.0.0", weights=retrained(weights(1))))
    first = deploy(endpoint, one, options)
    assert first.sent_as == "files"  # nothing to start from, and little to send
    plan = plan_deploy(endpoint, two, options)
    told: list[tuple[str, int, int]] = []
    second = deploy(endpoint, two, options, lambda *words: told.append(words))
    assert (second.sent_as, second.outcome) == ("parcels", "deployed")
    assert second.bytes_sent < 0.06 * len(weights(1))
    assert plan.bytes_on_link == second.bytes_sent
    assert list(second.seconds)[:4] == ["connect", "probe", "prepare", "send"]
    assert [t for t in told if t[0] == "send"][-1][1] <= second.bytes_sent
    third = deploy(endpoint, one, options)  # back to the older: the way back is as short
    assert third.bytes_sent < 0.06 * len(weights(1)) or third.files_sent == 0


def test_without_a_helper_whole_files_go_and_the_report_says_why(
    endpoint: Endpoint, tmp_path: Path, programs: tuple[Path, Path]
) -> None:
    def none() -> Path:
        raise ToolError("there is no compiler")

    not_runnable = tmp_path / "not-a-program"
    not_runnable.write_bytes(b"\x7fELF of another machine")
    deploy(endpoint, bundle(tmp_path / "1", Program(weights=weights(1, 200_000))))
    for number, helper in enumerate((none, lambda: not_runnable), 2):
        new = bundle(tmp_path / str(number), Program(f"{number}.0.0", weights=weights(number, 200_000)))
        done = deploy(endpoint, new, DeployOptions(tools=Tools(helper, lambda: programs[1])))
        assert done.outcome == "deployed"
        assert done.sent_as.startswith("files: ")
        assert done.bytes_sent > 190_000
    assert not list(Path(endpoint.root).glob("bin/*helper-*"))


class Cut(Exception):
    """The link, as far as the deployer is concerned."""


def test_a_cut_goes_on_from_the_last_whole_block(
    endpoint: Endpoint, tmp_path: Path, options: DeployOptions
) -> None:
    big = bundle(tmp_path / "big", Program(weights=weights(3, 12 * BLOCK)))

    def cut(stage: str, done: int, _total: int) -> None:
        if stage == "send" and done > 5.5 * BLOCK:
            raise Cut

    with pytest.raises(Cut):
        deploy(endpoint, big, options, cut)
    (part,) = Path(endpoint.root).glob("incoming/*.part")
    assert part.stat().st_size >= 4 * BLOCK
    done = deploy(endpoint, big, options)
    assert done.outcome == "deployed"
    assert done.bytes_sent < 8.1 * BLOCK
    assert not list(Path(endpoint.root).glob("incoming/*"))


@pytest.mark.parametrize("worn", ["base", "part"])
def test_what_is_worn_on_the_box_comes_whole(
    worn: str, endpoint: Endpoint, tmp_path: Path, options: DeployOptions
) -> None:
    one = bundle(tmp_path / "one", Program(weights=weights(1)))
    two = bundle(tmp_path / "two", Program(version="2.0.0", weights=retrained(weights(1))))
    deploy(endpoint, one, options)
    model = next(file for file in one.files if file.size == len(weights(1)))
    new = next(file for file in two.files if file.size == len(weights(1)))
    store = Path(endpoint.root) / "store"
    if worn == "base":
        content = bytearray(weights(1))
        content[77] ^= 1
        place = store / model.sha256
        place.chmod(0o644)
        place.write_bytes(content)
    else:
        (store.parent / "incoming" / f"{new.sha256}.part").write_bytes(bytes(BLOCK))
    done = deploy(endpoint, two, options)
    assert (done.outcome, done.sent_as) == ("deployed", "parcels")
    assert done.bytes_sent > len(weights(1))
    assert (store / new.sha256).read_bytes() == retrained(weights(1))


def test_a_base_that_this_host_does_not_have_is_no_base(
    endpoint: Endpoint, tmp_path: Path, options: DeployOptions
) -> None:
    deploy(endpoint, bundle(tmp_path / "one", Program(weights=weights(1))))  # by somebody else
    two = bundle(tmp_path / "two", Program(version="2.0.0", weights=retrained(weights(1))))
    done = deploy(endpoint, two, options)
    assert done.sent_as == "parcels"
    assert done.bytes_sent > len(weights(1))


def test_a_limit_is_kept(endpoint: Endpoint, tmp_path: Path, options: DeployOptions) -> None:
    small = bundle(tmp_path / "small", Program(weights=weights(5, 400_000)))
    done = deploy(endpoint, small, DeployOptions(limit=200_000, tools=options.tools))
    assert done.seconds["send"] > 1.0  # 400 kB that do not shrink


def test_parcels_are_made_once_and_old_ones_go(
    endpoint: Endpoint, tmp_path: Path, options: DeployOptions
) -> None:
    one = bundle(tmp_path / "one", Program(weights=weights(1)))
    two = bundle(tmp_path / "two", Program(version="2.0.0", weights=retrained(weights(1))))
    deploy(endpoint, one, options)
    plan_deploy(endpoint, two, options)
    made = {p: p.stat().st_ino for p in (tmp_path / "cache" / "parcels").iterdir()}
    deploy(endpoint, two, options)
    assert {p: p.stat().st_ino for p in (tmp_path / "cache" / "parcels").iterdir()} == made
    shipped = tmp_path / "cache" / "shipped"
    kept.prune(shipped, 4 * BLOCK)
    assert sum(p.stat().st_size for p in shipped.iterdir()) <= 4 * BLOCK


def test_a_killed_box_side_is_a_broken_connection_and_the_next_deploy_works(
    endpoint: Endpoint, tmp_path: Path, options: DeployOptions
) -> None:
    deploy(endpoint, bundle(tmp_path / "one", Program(weights=weights(1))), options)
    two = bundle(tmp_path / "two", Program(version="2.0.0", weights=weights(2)))
    struck: list[Any] = []

    def strike(stage: str, done: int, _total: int) -> None:
        if stage == "send" and done > BLOCK and not struck:
            struck.append(True)
            with Box(endpoint) as other:
                other.exec("pkill -KILL -f 'helper-.* receive' || true")

    try:
        done = deploy(endpoint, two, options, strike)
    except UnreachableError:
        done = deploy(endpoint, two, options)
    assert struck
    assert done.outcome == "deployed"
