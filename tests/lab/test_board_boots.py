"""The board is what it says: an arm64 machine, reached by its key alone, whose plug can be pulled."""

from __future__ import annotations

from dataclasses import replace

from . import rootfs
from .board import Board
from .endpoint import new_key, public


def test_is_a_whole_arm64_machine(board: Board) -> None:
    assert board.endpoint().ssh("ls -l /bin/cat | grep -q busybox").ok is (board.userland is rootfs.BUSYBOX)
    facts = board.endpoint().said("uname -m; grep -c 'CPU part.*0xd08' /proc/cpuinfo; id -u")
    assert facts.split() == ["aarch64", "2", "1000"]
    assert board.endpoint("root").said("id -u") == "0"


def test_lets_in_nobody_else_and_is_known_by_its_key(board: Board) -> None:
    stranger = replace(board.endpoint(), identity=new_key(board.folder / f"stranger.{board.port}"))
    assert "Permission denied" in stranger.ssh("true").text()
    impostor = replace(board.endpoint(), host_key=public(stranger.identity))
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in impostor.ssh("true").text()


def test_pulled_power_keeps_what_was_synced(board: Board) -> None:
    board.endpoint().said("echo written > kept; sync; echo cached > lost")
    board.pull_power()
    board.boot()
    assert board.endpoint().said("cat kept; ls lost 2>/dev/null || echo gone").split() == ["written", "gone"]


def test_powers_off_when_asked(board: Board) -> None:
    board.power_off()
    assert not board.is_on()
    assert "Power down" in board.console.read_text(errors="replace")
    board.boot()
