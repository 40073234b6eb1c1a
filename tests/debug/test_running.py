from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import BoxError
from edgepack.box.session import Box
from edgepack.debug import on_box, running, symbols
from edgepack.debug.errors import DebugError, NotDebuggableError, SymbolsError
from edgepack.ship.deploy import deploy
from edgepack.tools.qemu import host_arch
from tests.releases import APP, bundle

FREE = {"uid": "1000", "owner": "1000", "yama": "0", "tracer": "0"}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"yama": "1"}, "ptrace_scope is 1, and uid 1000 is not root"),
        ({"yama": "2"}, "ptrace_scope is 2"),
        ({"yama": "3", "uid": "0", "owner": "0"}, "ptrace_scope is 3"),
        ({"tracer": "77"}, "process 77 on the box"),
        ({"owner": "0"}, "it is uid 0's, and we are uid 1000"),
    ],
)
def test_what_keeps_a_debugger_out_is_told_beforehand(facts: dict[str, str], words: str) -> None:
    with pytest.raises(NotDebuggableError) as refused:
        running.may_trace({**FREE, **facts}, "digits", "12", "box-07")
    assert words in refused.value.why
    assert refused.value.fix


@pytest.mark.parametrize("facts", [{}, {"uid": "0", "yama": "2"}, {"uid": "0", "owner": "33"}])
def test_what_does_not(facts: dict[str, str]) -> None:
    running.may_trace({**FREE, **facts}, "digits", "12", "box-07")


def test_gdbservers_own_words_are_kept() -> None:
    refused = on_box.failure(
        "! Cannot attach to process 12: Operation not permitted (1)\n! Exiting\n", "box-07"
    )
    assert isinstance(refused, DebugError)
    assert "cannot attach" in refused.what
    assert refused.detail.startswith("Cannot attach to process 12")
    assert on_box.failure("sh: gdbserver: not found\n", "box-07").detail == "sh: gdbserver: not found"


def test_the_box_is_asked_and_left_as_it_was(endpoint: Endpoint, tmp_path: Path) -> None:
    with Box(endpoint) as box, pytest.raises(NotDebuggableError, match="does not run on this box"):
        running.look(box, APP)
    deploy(endpoint, bundle(tmp_path / "one"))
    with Box(endpoint) as box:
        found = running.look(box, APP)  # its program is a shell
        assert found.arch == host_arch()
        with pytest.raises(SymbolsError, match="build-id"):
            symbols.needed(found.build_id, APP, endpoint.where)
    assert not (Path(endpoint.root) / "debug").exists()


def test_a_gdbserver_that_comes_damaged_or_cut_is_not_kept(endpoint: Endpoint) -> None:
    root = Path(endpoint.root)
    root.mkdir()
    with Box(endpoint) as box:
        for sha, size, kind in (("0" * 64, "4", "bad-digest"), ("0" * 64, "5", "cut-off")):
            done = box.exec(on_box.line(endpoint.root, "s-1", "push", sha, size, "once"), [b"data"])
            assert done.rc == 20
            error = on_box.failure(done.stderr.decode(), endpoint.where)
            assert isinstance(error, BoxError)
            assert error.kind == kind
            assert not (root / "debug" / "s-1").exists()


def test_the_script_fits_a_dropbears_command_line() -> None:
    assert (
        len(on_box.line("/a/rather/long/root/folder", "s-0123456789ab", "attach", "pushed", "1", "60")) < 9000
    )
