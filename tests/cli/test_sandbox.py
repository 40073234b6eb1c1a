from __future__ import annotations

from pathlib import Path

from edgepack.sandbox import box
from edgepack.tools.qemu import host_arch
from tests.cli.told import Cli


def test_a_box_that_is_there_need_not_be_described_again(tmp_path: Path, cli: Cli) -> None:
    try:
        box.up(tmp_path, "box-1", host_arch(), host_arch(), lambda *_: None, "builtin")
        again = cli("-C", str(tmp_path), "sandbox", "up", "box-1")
        assert (again.code, again.out.split(";")[0]) == (0, "box-1 is up")
        assert cli("-C", str(tmp_path), "sandbox", "up", "box-2").code == 2
    finally:
        box.down(tmp_path, "box-1")
