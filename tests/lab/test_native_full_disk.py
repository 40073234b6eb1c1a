"""A disk that is full while a parcel comes in: one sentence, and what came gives its room back."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.catalog.native_build import HelperSpec
from edgepack.compile.native import build_helper
from edgepack.tools.qemu import host_arch


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "small", disk], check=True)
    try:
        for name in ("store", "incoming"):
            (disk / name).mkdir()
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_part_that_fills_the_disk_goes(small_disk: Path, tmp_path: Path) -> None:
    helper, encoder = (build_helper(HelperSpec(host_arch(), kind)) for kind in ("helper", "encoder"))
    (tmp_path / "new").write_bytes(random.Random(1).randbytes(5 << 20))
    parcel = tmp_path / "parcel"
    subprocess.run([encoder, tmp_path / "new", "644", "3", "1", parcel], check=True, capture_output=True)
    sent = parcel.read_bytes() + b"EKE1"
    done = subprocess.run(
        [helper, "receive", small_disk], input=sent, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 20
    assert done.stderr.startswith(b"edgepack-error disk-full no space left for ")
    assert list(small_disk.glob("*/*")) == []
