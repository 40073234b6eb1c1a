from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgepack.errors import Exit
from edgepack.sandbox import box
from edgepack.tools.qemu import host_arch
from tests import digits
from tests.cli.test_mistakes import closed_port
from tests.cli.told import Cli

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA7U4UjXXTIJlhcFMEeFn90SMFHDF6Djb1JThkSXASab"


def test_a_box_with_another_key_does_not_hide_the_others(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = digits.copy(tmp_path / "digits", tmp_path / "cache")
    monkeypatch.setenv("HOME", str(project.home))
    try:
        state = box.up(project.folder, "box-1", host_arch(), host_arch(), lambda *_: None, "builtin")
        there = f"target: {host_arch()}, address: 127.0.0.1"
        (project.folder / "fleet.yaml").write_text(
            "nodes:\n"
            f'  other: {{{there}, port: {state.port}, host_key: "{OTHER_KEY}"}}\n'
            f"  off: {{{there}, port: {closed_port()}}}\n"
            f"  down: {{target: {host_arch()}, address: sandbox}}\n"
            f"  pod: {{{there}, runs: k8s}}\n"
        )
        said = cli("-C", str(project.folder), "status")
        told = cli("-C", str(project.folder), "status", "--json")
        some = cli("-C", str(project.folder), "status", "off", "box-1")
        clusters = cli("-C", str(project.folder), "status", "pod")
    finally:
        box.down(project.folder, "box-1")
    assert (said.code, told.code, some.code) == (Exit.HOST_KEY, Exit.HOST_KEY, Exit.UNREACHABLE)
    states = {row["node"]: row["state"] for row in json.loads(told.out)}
    assert states == {
        "other": "not trusted",
        "off": "unreachable",
        "down": "unreachable",
        "box-1": "no release",
        "pod": "in a cluster",
    }
    assert (clusters.code, "kubectl shows what runs there" in clusters.out) == (Exit.OK, True)
    assert "other: the host key of [127.0.0.1]" in said.out
    assert "  do: find out which of the two first" in said.out
    assert "  do: edgepack sandbox up down" in said.out
    assert "error:" not in said.err
