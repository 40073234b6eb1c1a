"""Boxes that are enrolled, by the command line: OpenSSH with Debian's userland, dropbear with busybox's.

Also what the same user says of them in fleet.yaml: another transport, and secrets.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgepack.errors import Exit

from . import rootfs
from .boxes import Box, Kind
from .project import HOST_TARGET, Releases
from .site import NEW, OLD, Site

SECRET = "a b'c$d"


@pytest.mark.parametrize("userland", [rootfs.DEBIAN, rootfs.BUSYBOX], ids=lambda userland: userland.name)
def test_only_what_is_signed_gets_there(
    make_box: Callable[[Kind], Box],
    releases: Releases,
    tmp_path: Path,
    userland: rootfs.Userland,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site(make_box(Kind(userland)).endpoint(), releases, HOST_TARGET)
    monkeypatch.setenv("LAB_SECRET", SECRET)
    site.enter_fleet(more={"transport": "ssh", "secrets": {"mqtt": {"env": "LAB_SECRET"}}})
    key = tmp_path / "ops"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops@lab", "-f", key], check=True)
    bundle = tmp_path / "bundle"
    shutil.copytree(releases.bundle(OLD), bundle)
    site.project.said("sign", "--bundle", bundle, "--key", key)

    enrolled = site.said("enrol", "--key", f"{key}.pub")
    assert list(enrolled["keys"].values()) == ["ops@lab"]
    code, error = site.refused(NEW)
    assert (code, error["what"]) == (
        Exit.PREFLIGHT,
        "the bundle is not signed, and the box takes signed ones only",
    )
    done = site.said("deploy", "--bundle", str(bundle))
    assert (done["outcome"], done["signed_by"]) == ("deployed", "ops@lab")
    site.answers(OLD)
    data = "edgepack/apps/digits/data"
    assert site.endpoint.said(f"cat {data}/secrets/mqtt") == SECRET
    assert site.endpoint.said(f"find -L {data}/secrets -type f -perm 600") == f"{data}/secrets/mqtt"
    assert site.said("enrol", "--end", "--signer", str(key))["serial"] is None
    site.deploy(NEW)
    site.answers(NEW)
