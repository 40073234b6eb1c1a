from __future__ import annotations

from pathlib import Path

from edgepack.sandbox import box
from edgepack.tools.qemu import host_arch
from tests.cli.told import Cli
from tests.releases import Program, bundle


def test_a_box_that_is_there_need_not_be_described_again(tmp_path: Path, cli: Cli) -> None:
    try:
        box.up(tmp_path, "box-1", host_arch(), host_arch(), lambda *_: None, "builtin")
        again = cli("-C", str(tmp_path), "sandbox", "up", "box-1")
        assert (again.code, again.out.split(";")[0]) == (0, "box-1 is up")
        assert cli("-C", str(tmp_path), "sandbox", "up", "box-2").code == 2
    finally:
        box.down(tmp_path, "box-1")


def test_what_a_sandbox_does_not_try_is_told(tmp_path: Path, cli: Cli) -> None:
    folder = str(tmp_path)
    (tmp_path / "fleet.yaml").write_text(
        f"nodes: {{box-1: {{target: {host_arch()}, address: sandbox, runs: compose}}}}\n"
    )
    made = bundle(tmp_path / "bundle", Program())
    try:
        assert cli("-C", folder, "sandbox", "up", "box-1").code == 0
        said = cli("-C", folder, "deploy", "box-1", "--dry-run", "--bundle", str(made.folder))
    finally:
        box.down(tmp_path, "box-1")
    assert said.code == 0, said.err
    assert "`runs: compose` of fleet.yaml is not tried there" in said.out + said.err
