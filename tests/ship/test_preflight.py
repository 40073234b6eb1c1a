from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.errors import PreflightError
from edgepack.box.facts import NEEDED, Facts
from edgepack.bundle import Bundle
from edgepack.ship import preflight
from tests.releases import Program, bundle

GOOD = Facts(
    arch="aarch64",
    machine="aarch64",
    kernel="Linux 6.1",
    emulator="",
    libc="glibc 2.31",
    root="/home/pi/edgepack",
    folder="/home/pi",
    writable=True,
    user="pi",
    filesystem="ext4",
    mount_options=("rw",),
    disk_free=1 << 30,
    inodes_free=100_000,
    memory_total=1 << 30,
    memory_available=1 << 29,
    clock=1,
    tools=frozenset({*NEEDED, "gzip", "sha256sum"}),
)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """For aarch64, a model of 1 MiB."""
    return bundle(tmp_path_factory.mktemp("bundle") / "b", Program(arch="aarch64", weights=bytes(1 << 20)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"arch": "x86_64", "machine": "x86_64"}, ["for aarch64, the box runs x86_64 (uname -m: x86_64)"]),
        ({"arch": "armhf", "emulator": "/q/qemu-arm"}, ["runs armhf (through /q/qemu-arm)"]),
        ({"writable": False}, ["pi may not write in /home/pi"]),
        ({"mount_options": ("rw", "noexec")}, ["mounted noexec"]),
        ({"mount_options": ("rw", "noexec"), "emulator": "/q/qemu-aarch64"}, []),
        ({"tools": frozenset(NEEDED)}, ["the box lacks sha256sum"]),
        ({"tools": frozenset({"busybox", *NEEDED} - {"mv-T", "tar"})}, ["the box lacks tar, mv with -T"]),
        ({"disk_free": 5 << 20}, ["5.0 MiB are needed in /home/pi, 5.0 MiB are free"]),
        ({"disk_free": 0}, ["5.0 MiB are needed in /home/pi, 0.0 KiB are free"]),
        ({"disk_free": 5_600_000, "filesystem": "vfat"}, ["6.0 MiB are needed"]),
        ({"disk_free": 5_600_000}, []),
        ({"disk_free": None, "inodes_free": None, "memory_available": None}, []),
        ({"inodes_free": 10}, ["files are needed in /home/pi, there is room for 10"]),
        ({"inodes_free": 0}, []),  # btrfs and others count none
        ({"memory_available": 1 << 19}, ["1.0 MiB of memory, 512.0 KiB are free"]),
        ({"arch": "riscv64", "writable": False, "disk_free": 1}, ["riscv64", "may not write", "are needed"]),
    ],
)
def test_reasons(release: Bundle, changes: dict[str, Any], words: list[str]) -> None:
    facts = dataclasses.replace(GOOD, **changes)
    found = preflight.refusals(release, facts)
    assert [word for word, reason in zip(words, found, strict=True) if word not in reason.what] == []
    assert all(reason.fix for reason in found)
    if words:
        with pytest.raises(PreflightError) as caught:
            preflight.check(release, facts, "box-07")
        assert all(word in caught.value.what + caught.value.detail for word in words)
    else:
        preflight.check(release, facts, "box-07")


@pytest.mark.parametrize(
    ("needs", "has", "refused"),
    [
        ("static", "glibc 2.19", False),
        ("glibc 2.31", "glibc 2.31", False),
        ("glibc 2.31", "glibc 2.9", True),
        ("glibc 2.34", "glibc 2.31", True),
        ("glibc 2.31", "musl 1.2.3", True),
        ("glibc 2.31", "none", True),
        ("glibc 2.31", "unknown", False),
        (None, "unknown", False),
    ],
)
def test_libc(release: Bundle, needs: str | None, has: str, refused: bool) -> None:
    wanted = dataclasses.replace(release, release={**release.release, "libc": needs})
    found = preflight.refusals(wanted, dataclasses.replace(GOOD, libc=has))
    assert [reason.what for reason in found] == (
        [f"the program needs {needs}, the box has {has}"] if refused else []
    )


def test_a_box_with_too_old_a_libc_is_told_which_library_asks_for_more(release: Bundle) -> None:
    needs = {"libc": "glibc 2.28", "libc_for": "libonnxruntime.so.1 (fcntl64)"}
    wanted = dataclasses.replace(release, release={**release.release, **needs})
    (reason,) = preflight.refusals(wanted, dataclasses.replace(GOOD, libc="glibc 2.27"))
    assert reason.what == (
        "the program needs glibc 2.28, the box has glibc 2.27: libonnxruntime.so.1 (fcntl64) asks for it"
    )
    assert "`runtime: ncnn`" in reason.fix


def test_what_is_missing_is_sent_once_and_the_smallest_first(tmp_path: Path) -> None:
    release = bundle(tmp_path / "b", Program(weights=b"7767517\n"))  # the same bytes as model.param
    found = preflight.missing(release, GOOD)
    assert len(found) == len(release.files) - 1
    assert [file.size for file in found] == sorted(file.size for file in found)
    there = frozenset(file.sha256 for file in found[1:])
    assert preflight.missing(release, dataclasses.replace(GOOD, have=there)) == found[:1]
