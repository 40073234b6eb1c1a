"""`edgepack deploy` to real SSH servers and poor userlands, and what it refuses there.

After each refusal the old release still answers, and nothing of the new one lies on the box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgepack.errors import Exit

from . import rootfs
from .boxes import PLAIN, Box, Kind
from .endpoint import Endpoint, new_key, public
from .project import HOST_TARGET, Releases
from .site import NEW, OLD, Site

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(make_box: Callable[[Kind], Box], releases: Releases) -> MakeSite:
    def make(kind: Kind = PLAIN, **node: Any) -> Site:
        site = Site(make_box(kind).endpoint(), releases, HOST_TARGET)
        site.enter_fleet(**node)
        return site

    return make


@pytest.mark.parametrize("userland", [rootfs.DEBIAN, rootfs.BUSYBOX], ids=lambda userland: userland.name)
def test_whole_way(make_site: MakeSite, userland: rootfs.Userland) -> None:
    """OpenSSH with Debian's userland, and dropbear without SFTP with busybox alone."""
    site = make_site(Kind(userland))
    first = site.deploy(OLD)
    assert (first["outcome"], first["previous"]) == ("deployed", None)
    site.answers(OLD)
    assert site.deploy(OLD)["outcome"] == "nothing to do"
    second = site.deploy(NEW)
    assert second["previous"] == site.releases.digest(OLD)
    assert second["bytes_sent"] < first["bytes_sent"]
    site.answers(NEW)
    assert site.said("rollback")["release"] == site.releases.digest(OLD)
    site.answers(OLD)
    scored = site.said("ask")
    assert (scored["of"], scored["same"]) == (360, 360)
    assert len(site.said("logs", "--journal")) >= 3


def test_full_disk(make_site: MakeSite) -> None:
    site = make_site(Kind(disk_mb=32))
    site.deploy(OLD)
    before = site.left()
    for free_kb in (4096, 1024, 64, 0):
        _leave_free(site.endpoint, free_kb)
        code, error = site.refused(NEW)
        assert code == Exit.PREFLIGHT, (free_kb, error)
        assert "are needed" in str(error["what"]) or "space" in str(error["what"]), free_kb
        assert "free" in str(error["fix"]), free_kb
        assert site.left() == before, free_kb
        if free_kb:  # on a box with not one byte left the program cannot write its answers either
            site.answers(OLD)
        site.endpoint.said("rm filler")
    site.deploy(NEW)
    site.answers(NEW)


def test_full_disk_without_any_release_leaves_nothing(make_site: MakeSite) -> None:
    site = make_site(Kind(disk_mb=2))
    before = site.endpoint.said("find . | sort")
    code, _ = site.refused(NEW)
    assert code == Exit.PREFLIGHT
    assert site.endpoint.said("find . | sort") == before


def test_disk_that_fills_up_while_bytes_come_in(make_site: MakeSite) -> None:
    """Preflight saw room; then somebody else's log took it."""
    site = make_site(Kind(disk_mb=32))
    site.deploy(OLD)
    before = site.left()
    site.endpoint.said(
        "nohup sh -c 'until ls -d edgepack/incoming/*/; do sleep 0.01; done; cat /dev/zero >filler' "
        ">/dev/null 2>&1 </dev/null &"
    )
    code, error = site.refused(NEW, "--whole-files")  # as parcels they would be there before the log is
    assert code in (Exit.PREFLIGHT, Exit.DEPLOY), error
    site.endpoint.said("rm filler")
    site.answers(OLD)
    site.deploy(NEW)
    site.answers(NEW)
    assert "incoming/" not in site.left().replace(before, "")


@pytest.mark.parametrize(
    ("kind", "root"),
    [(Kind(), "/opt/edgepack"), (Kind(rootfs.BUSYBOX), "/opt/edgepack"), (Kind(read_only=True), "edgepack")],
    ids=["debian", "busybox", "read-only"],
)
def test_no_permission(make_site: MakeSite, kind: Kind, root: str) -> None:
    site = make_site(kind, root=root)
    code, error = site.refused(NEW)
    assert code == Exit.PREFLIGHT
    assert "may not write" in str(error["what"])
    assert "root:" in str(error["fix"])
    assert not site.endpoint.ssh(f"test -e {root}").ok


@pytest.mark.parametrize("userland", [rootfs.DEBIAN, rootfs.BUSYBOX], ids=lambda userland: userland.name)
def test_changed_host_key(make_site: MakeSite, userland: rootfs.Userland, tmp_path: Path) -> None:
    site = make_site(Kind(userland))
    another = new_key(tmp_path / "another")
    site.enter_fleet(host_key=public(another))
    code, error = site.refused(OLD)
    assert code == Exit.HOST_KEY
    assert "box-01" in str(error["where"])
    assert site.left() == ""


def test_host_key_that_nobody_vouched_for(make_site: MakeSite) -> None:
    site = make_site(pinned=False)
    code, error = site.refused(OLD)
    assert code == Exit.HOST_KEY
    assert site.endpoint.host_key.split()[1] in str(error["fix"]) + str(error["detail"]) + str(error["why"])


def test_box_that_lets_somebody_else_in(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site()
    replace(site, endpoint=replace(site.endpoint, identity=new_key(tmp_path / "stranger"))).enter_fleet()
    code, error = site.refused(OLD)
    assert code == Exit.UNREACHABLE
    assert "edge" in str(error["where"])


def test_box_that_is_off(make_box: Callable[[Kind], Box], releases: Releases) -> None:
    box = make_box(PLAIN)
    site = Site(box.endpoint(), releases, HOST_TARGET)
    site.enter_fleet()
    box.stop()
    code, error = site.refused(OLD)
    assert code == Exit.UNREACHABLE
    assert str(box.port) in str(error["where"])


def test_program_for_another_architecture(make_site: MakeSite) -> None:
    site = make_site()
    site.deploy(OLD)
    before = site.left()
    code, error = replace(site, target="aarch64").refused(NEW)
    assert code == Exit.PREFLIGHT
    assert "aarch64" in str(error["what"])
    assert "x86_64" in str(error["what"])
    assert site.left() == before
    site.answers(OLD)


def _leave_free(edge: Endpoint, free_kb: int) -> None:
    """Fill the box's disk but for so many KiB."""
    free = int(edge.said("df -Pk . | awk 'NR == 2 {print $4}'"))
    edge.ssh(f"dd if=/dev/zero of=filler bs=1024 count={free - free_kb}")
