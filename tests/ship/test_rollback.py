from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.observe.status import status
from edgepack.ship.deploy import deploy
from edgepack.ship.errors import DeployError, NotProvenError, UnhealthyError
from edgepack.ship.rollback import rollback
from tests.releases import APP, Program, bundle


def test_back_and_forth_and_to_a_named_one(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="no release of digits is on this box"):
        rollback(endpoint, APP)
    assert not Path(endpoint.root).exists()
    releases = [
        deploy(endpoint, bundle(tmp_path / "1", Program(version="1"))).release,
    ]
    with pytest.raises(DeployError, match="no release of digits to go back to"):
        rollback(endpoint, APP)
    releases += [deploy(endpoint, bundle(tmp_path / v, Program(version=v))).release for v in "23"]
    back = rollback(endpoint, APP)
    assert (back.version, back.release, back.previous) == ("2", releases[1], releases[2])
    assert "4 golden vectors" in back.proof_summary
    assert rollback(endpoint, APP).version == "3"
    assert rollback(endpoint, APP, to="sha256:" + releases[0][:9]).version == "1"
    assert status(endpoint, APP).previous == releases[2]
    for to, words in [("f" * 64, "fits 0 releases"), (releases[0], "is running already"), ("", "fits 0")]:
        with pytest.raises(DeployError, match="cannot go back to") as caught:
            rollback(endpoint, APP, to=to)
        assert words in caught.value.why
        assert releases[1][:12] in caught.value.why


def test_a_release_that_is_not_what_it_was_is_not_gone_back_to(endpoint: Endpoint, tmp_path: Path) -> None:
    once = f"test ! -e {tmp_path}/broken"  # the box around it changed: a library, a driver
    old = Program(
        version="1", before_report=f"{once} || kill -SEGV $$", each_round=f"{once} || exit 4; sleep 1"
    )
    first = deploy(endpoint, bundle(tmp_path / "1", old)).release
    deploy(endpoint, bundle(tmp_path / "2", Program(version="2")))
    (tmp_path / "broken").touch()
    with pytest.raises(NotProvenError, match="did not report"):
        rollback(endpoint, APP)
    release = Path(endpoint.root, "apps", APP, "releases", first)
    weights = release / "model" / "model.bin"
    weights.unlink()
    weights.write_bytes(b"other")
    with pytest.raises(DeployError, match=r"is damaged on the box: model/model\.bin"):
        rollback(endpoint, APP)
    assert status(endpoint, APP).version == "2"
    assert release.is_dir()


def test_a_release_that_is_unhealthy_by_now_is_undone_and_stays(endpoint: Endpoint, tmp_path: Path) -> None:
    old = Program(version="1", each_round=f"test ! -e {tmp_path}/broken || exit 4; sleep 1")
    first = deploy(endpoint, bundle(tmp_path / "1", old)).release
    deploy(endpoint, bundle(tmp_path / "2", dataclasses.replace(Program(), version="2")))
    (tmp_path / "broken").touch()
    with pytest.raises(UnhealthyError, match="ended by itself with 4"):
        rollback(endpoint, APP)
    now = status(endpoint, APP)
    assert (now.version, now.previous) == ("2", first)
