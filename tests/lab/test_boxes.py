"""The boxes are what they say: own disk, own accounts, known by their key, as poor or full as asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from . import rootfs
from .boxes import Box, Kind
from .endpoint import public

MakeBox = Callable[[Kind], Box]


@pytest.mark.parametrize(
    ("userland", "sftp"), [(rootfs.DEBIAN, True), (rootfs.BUSYBOX, False)], ids=["debian", "busybox"]
)
def test_has_the_userland_it_says(make_box: MakeBox, userland: rootfs.Userland, sftp: bool) -> None:
    edge = make_box(Kind(userland)).endpoint()
    assert edge.said("id -un; pwd; hostname").split() == ["edge", "/home/edge", "box"]
    assert edge.said("command -v bash python3 scp rsync || echo none") == "none"
    assert edge.said("ls -l /bin/ls | grep -c busybox || true") == ("0" if sftp else "1")
    assert edge.ssh("ls /usr/lib/openssh/sftp-server").ok is sftp


def test_processes_and_files_are_its_own(make_box: MakeBox) -> None:
    box = make_box(Kind(rootfs.BUSYBOX))
    edge = box.endpoint()
    assert edge.said("echo here > mine; cat mine") == "here"
    assert int(edge.said("ls -d /proc/[0-9]* | wc -l")) < 12
    box.stop()
    box.start()
    assert edge.said("ls") == ""


def test_disk_is_as_small_as_asked(make_box: MakeBox) -> None:
    edge = make_box(Kind(disk_mb=3)).endpoint()
    assert int(edge.said("df -Pk . | tail -1 | awk '{print $2}'")) == 3 * 1024
    full = edge.ssh("head -c 4000000 /dev/zero > big")
    assert not full.ok
    assert "No space left on device" in full.text()


def test_read_only_box_takes_nothing(make_box: MakeBox) -> None:
    done = make_box(Kind(rootfs.BUSYBOX, read_only=True)).endpoint().ssh("mkdir edgepack")
    assert "Read-only file system" in done.text()


def test_other_keys_other_box(make_box: MakeBox) -> None:
    box = make_box(Kind(rootfs.BUSYBOX))
    before = box.endpoint()
    assert before.ssh("true").ok
    box.stop()
    box.change_keys()
    box.start()
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in before.ssh("true").text()
    locked_out = replace(before, host_key=public(box.keys.host))
    assert "Permission denied" in locked_out.ssh("true").text()
    assert box.endpoint().ssh("true").ok


def test_boxes_have_addresses_of_their_own(make_box: MakeBox) -> None:
    boxes = [make_box(Kind(rootfs.BUSYBOX, address=f"127.0.7.{n}")) for n in (1, 2, 3)]
    for box in boxes:
        box.endpoint().said(f"echo {box.kind.address} > name")
    assert [box.endpoint().said("cat name") for box in boxes] == [box.kind.address for box in boxes]
