"""A box to test with: edgepack's own sandbox, one for a folder of tests, with a root for each test."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import LockedError
from edgepack.box.session import Box
from edgepack.sandbox import box as sandbox
from edgepack.sandbox.state import SandboxState
from edgepack.tools.qemu import host_arch
from tests.releases import APP

NODE = "box-07"


@pytest.fixture(scope="package")
def box_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxState]:
    project = tmp_path_factory.mktemp("project")
    try:
        yield sandbox.up(project, NODE, host_arch(), host_arch(), lambda *_: None, "builtin")
    finally:
        sandbox.down(project, NODE)


@pytest.fixture
def endpoint(box_state: SandboxState, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """The sandbox with an empty root; what a test starts there ends with it. Its parameter: the transport."""
    where = Endpoint(
        node=NODE,
        host="127.0.0.1",
        port=box_state.port,
        user=box_state.user,
        identity=Path(box_state.identity),
        host_key=box_state.host_key,
        root=str(tmp_path / "root"),
        transport=getattr(request, "param", "paramiko"),
    )
    yield where
    if (tmp_path / "root" / "apps").is_dir():
        with Box(where) as box, contextlib.suppress(LockedError):
            box.call("lock", "end", "test", box_lock(box))
            box.call("stop", "end", APP)


def box_lock(box: Box) -> str:
    """The token of the lock that is held, whoever holds it."""
    lines = box.call("probe", APP)
    return next((line.split()[1] for line in lines if line.startswith("lock ")), "none")


@pytest.fixture(autouse=True)
def no_user_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, so that whoever runs the tests may have any SSH configuration."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ssh").mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


def threads_left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
