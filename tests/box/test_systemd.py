"""`runs: systemd`, by contract only: the unit in `systemd-analyze`'s eyes, and run by a stand-in."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from edgepack.tools.runner import command, run
from tests.box.boxsh import SHELLS, BoxSh, Failed, shells, until
from tests.releases import APP, Program

NONE = "0" * 64  # of no release: a unit is the same for each

# Of systemctl(1): start runs what ExecStart= says and starts it again (Restart=always), stop asks it to end.
SYSTEMCTL = """#!/bin/sh
at=$EDGEPACK_UNITS/$2
echo "$@" >>"$EDGEPACK_UNITS/calls"
case $1 in
start)
	[ -f "$at" ] || exit 5
	: >"$at.wanted"
	(
		while [ -e "$at.wanted" ]; do
			$(sed -n 's/^ExecStart=//p' "$at") &
			echo $! >"$at.pid"
			wait
			sleep 0.2
		done
	) </dev/null >/dev/null 2>&1 & ;;
stop)
	rm -f "$at.wanted"
	kill -TERM "$(cat "$at.pid")" 2>/dev/null
	while kill -0 "$(cat "$at.pid")" 2>/dev/null; do sleep 0.1; done ;;
esac
"""
NOTIFY = """#!/bin/sh
echo "$@" >>"$EDGEPACK_UNITS/notified"
"""


@pytest.fixture(params=[name for name in shells() if name != "bash"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> BoxSh:
    (tmp_path / "bin").mkdir()
    (tmp_path / "units").mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("systemd-notify", NOTIFY)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    seen = (f"PATH={tmp_path}/bin:{os.environ['PATH']}", f"EDGEPACK_UNITS={tmp_path}/units")
    return BoxSh(tmp_path / "root", SHELLS[request.param], ("env", *seen))


def unit(box: BoxSh) -> Path:
    (found,) = (box.root.parent / "units").glob("edgepack-*-digits.service")
    return found


def told(box: BoxSh) -> list[str]:
    file = box.root.parent / "units" / "notified"
    return file.read_text().splitlines() if file.exists() else []


def test_systemd_looks_after_it_and_gives_it_back(box: BoxSh) -> None:
    token = box.lock()
    release = box.install(token, Program().script().decode())
    box("runs", token, APP, "systemd", "512", "150", "512-150", release)
    assert box.facts("probe", APP)["runs"] == [f"{APP} systemd 512-150"]
    try:
        box("switch", token, APP, release, "60")
        assert until(lambda: box.program_pid() is not None, 60)
        assert until(lambda: {"--ready", "WATCHDOG=1"} <= set(told(box)), 60)
        box("confirm", token, APP, release)
        first = box.program_pid()
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert until(lambda: box.program_pid() not in (None, first), 60)
        words = box.facts("status", APP)["program"][0].split()
        assert (words[2], words[4:]) == (release, ["1", "137"])
        # From now on our own again: its unit goes, and nothing starts it twice.
        box("runs", token, APP, "process", "0", "0", "-", release)
        box("switch", token, APP, release, "60")
        assert until(lambda: box.program_pid() is not None, 60)
        assert list((box.root.parent / "units").glob("*.service")) == []
        box("confirm", token, APP, release)
    finally:
        box("stop", token, APP)
    assert box.program_pid() is None


def test_the_unit_is_one_that_systemd_reads(box: BoxSh) -> None:
    token = box.lock()
    box("runs", token, APP, "systemd", "512", "150", "512-150", NONE)
    text = unit(box).read_text()
    for line in (
        "MemoryMax=512M",
        "CPUQuota=150%",
        "NoNewPrivileges=yes",
        "WatchdogSec=90",
        "Restart=always",
    ):
        assert line in text.splitlines()
    box("runs", token, APP, "systemd", "0", "0", "0-0", NONE)
    assert "MemoryMax" not in unit(box).read_text()
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    done = run(command("systemd-analyze", "verify", "--man=no", unit(box)))
    assert (done.returncode, "digits" in done.text()) == (0, False), done.text()


def test_where_there_is_none_it_says_so_and_changes_nothing(tmp_path: Path) -> None:
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs here")
    box = BoxSh(tmp_path / "root")
    token = box.lock()
    with pytest.raises(Failed, match="systemd does not run on this box"):
        box("runs", token, APP, "systemd", "0", "0", "0-0", NONE)
    assert not (tmp_path / "root/apps" / APP / "runs").exists()
