"""The box's script where something was killed, cut or full in the middle of it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from tests.box.boxsh import BoxSh, Failed, until
from tests.box.test_script import RUNS, box, one
from tests.digits import processes
from tests.releases import APP

__all__ = ["box", "one"]


def test_a_switch_that_a_power_cut_left_empty_changes_nothing(box: BoxSh) -> None:
    """A file's new name may be on the disk before its content is: then nothing was switched yet."""
    token = box.lock()
    first = box.install(token, RUNS)
    box("switch", token, APP, first, "60")
    box("confirm", token, APP, first)
    (box.root / "apps" / APP / "unconfirmed").touch()
    assert f"undone {APP}" in box("lock", "next", "tester@here:next", token)
    assert (box.current(), box.facts("status", APP)["current"]) == (first, [first])
    assert until(lambda: box.program_pid() is not None)


def test_a_supervisor_that_cannot_say_that_it_is_there_starts_nothing(box: BoxSh) -> None:
    """As on a full disk: the program would run on, and nobody could stop it."""
    token = box.lock()
    release = box.install(token, RUNS)
    app = box.root / "apps" / APP
    (app / "current").symlink_to(f"releases/{release}")
    (app / "run").symlink_to("/nonexistent/folder")
    with pytest.raises(Failed, match="did not start"):
        box("start", token, APP)
    (app / "run").unlink()
    assert processes(f"{box.root}/apps") == {}


HALFWAY = """#!/bin/sh
for path; do
    [ ! -d "$path" ] || case $path in
    */releases/*) find "$path" -type f | head -n 1 | xargs /bin/rm; kill -KILL $PPID; exit ;;
    esac
done
exec /bin/rm "$@"
"""


@pytest.mark.parametrize("noun", ["discard", "collect"])
def test_a_release_that_was_half_removed_is_not_there_any_more(one: BoxSh, tmp_path: Path, noun: str) -> None:
    """The box's side is killed in the middle of `rm`."""
    token = one.lock()
    kept, gone = (one.install(token, RUNS, version) for version in "21")
    app = one.root / "apps" / APP
    (app / "current").symlink_to(f"releases/{kept}")
    (app / "releases" / f"{gone}.list").touch()
    os.utime(app / "releases" / f"{gone}.list", (0, 0))  # the older one
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "rm").write_text(HALFWAY)
    (tools / "rm").chmod(0o755)
    killed = dataclasses.replace(one, before=("env", f"PATH={tools}:{os.environ['PATH']}"))
    killed.raw(noun, token, APP, gone if noun == "discard" else "0")
    assert (app / "releases" / f"{gone}.tmp").is_dir(), "nothing was struck"
    one("lock", "next", "tester@here:next", token)
    assert [p.name for p in (app / "releases").iterdir() if p.is_dir()] == [kept]
    one("collect", "next", APP, "0")
    assert sorted(p.name for p in (app / "releases").iterdir()) == sorted([kept, f"{kept}.list"])
