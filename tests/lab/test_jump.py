"""A box that is reached through a jump host: each of the two is known by its own key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import HostKeyError, UnreachableError
from edgepack.box.session import Box as Session

from . import rootfs
from .boxes import Box, Kind


@pytest.mark.parametrize("userland", [rootfs.DEBIAN, rootfs.BUSYBOX], ids=lambda userland: userland.name)
def test_through_a_jump_host(
    make_box: Callable[[Kind], Box],
    userland: rootfs.Userland,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The box is its own jump host here: what it shows on the second connection is pinned."""
    monkeypatch.setenv("HOME", str(tmp_path))
    at = make_box(Kind(userland)).endpoint()
    known = tmp_path / ".ssh" / "known_hosts"
    known.parent.mkdir()
    far = Endpoint(
        "box-01",
        at.host,
        at.port,
        at.user,
        at.identity,
        at.host_key,
        jump=f"{at.user}@{at.host}:{at.port}",
    )
    with pytest.raises(HostKeyError, match="nobody has vouched") as caught:
        Session(far)
    assert "jump host" in caught.value.where
    known.write_text(f"[{at.host}]:{at.port} {at.host_key}\n")
    with Session(far) as box:
        assert box.exec("id -un").stdout == b"edge\n"
        assert any(line.startswith("arch ") for line in box.call("probe", "digits"))
    with pytest.raises(UnreachableError, match=r"jump host .* does not get through"):
        Session(replace(far, port=1))
