"""``edgepack fleet``, as a user sees it, and the same words to choose nodes by elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_mistakes import closed_port
from tests.cli.told import Cli

FLEET = """\
groups:
  gates: {target: rk3588, labels: {camera: axis}}
nodes:
  gate-[1-3]: {group: gates, address: "127.0.0.1", port: PORT, site: berlin}
  mill: {target: x86_64, address: "127.0.0.1", runs: k8s}
"""
MANIFEST = """\
name: digits
version: 1.0.0
model: {file: m.onnx, golden: g.npz}
targets: {x86_64: {}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "fleet.yaml").write_text(FLEET.replace("PORT", str(closed_port())))
    (tmp_path / "edgepack.yaml").write_text(MANIFEST)
    for name in ("m.onnx", "g.npz"):
        (tmp_path / name).touch()
    return str(tmp_path)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", "gate-1 gate-2 gate-3 mill"),
        ("camera=axis --exclude gate-2", "gate-1 gate-3"),
        ("runs=k8s gate-[12]", "gate-1 gate-2 mill"),
    ],
)
def test_those_that_are_meant_are_listed(cli: Cli, folder: str, words: str, names: str) -> None:
    said = cli("-C", folder, "fleet", "list", *words.split())
    told = cli("-C", folder, "fleet", "list", "--json", *words.split())
    assert (said.code, told.code) == (0, 0)
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == names.split()
    assert [row["name"] for row in json.loads(told.out)] == names.split()


def test_status_asks_those_and_no_others(cli: Cli, folder: str) -> None:
    told = cli("-C", folder, "status", "--json", "site=berlin", "--exclude", "gate-3")
    assert [row["node"] for row in json.loads(told.out)] == ["gate-1", "gate-2"]
    nobody = cli("-C", folder, "status", "site=bern")
    assert (nobody.code, "no node is meant by site=bern" in nobody.err) == (3, True)
    assert "`site` is: berlin" in nobody.err


def test_a_program_that_prints_the_fleet_is_started_once(cli: Cli, folder: str) -> None:
    node = {"target": "rk3588", "address": "127.0.0.1", "port": closed_port()}
    script = f"#!/bin/sh\necho once >>started\necho '{json.dumps({'nodes': dict.fromkeys('abc', node)})}'\n"
    (Path(folder) / "inventory").write_text(script)
    (Path(folder) / "inventory").chmod(0o755)
    (Path(folder) / "fleet.yaml").write_text("include: [{program: [./inventory]}]\n")
    for command in ("status", "logs"):
        (Path(folder) / "started").unlink(missing_ok=True)
        assert cli("-C", folder, command).code == 9
        assert (Path(folder) / "started").read_text() == "once\n", command


def test_logs_of_those_that_are_silent_are_told_and_no_end_of_the_others(cli: Cli, folder: str) -> None:
    told = cli("-C", folder, "logs", "site=berlin", "--exclude", "gate-3")
    assert (told.code, told.out) == (9, "")
    assert [line.split(":")[0] for line in told.err.splitlines()] == ["gate-1", "gate-2"]
    (one, _) = json.loads(cli("-C", folder, "logs", "--json", "gate-[12]").out)
    assert (one["node"], "error" in one) == ("gate-1", True)


def test_each_value_is_shown_with_its_place(cli: Cli, folder: str) -> None:
    said = cli("-C", folder, "fleet", "show", "gate-2")
    lines = {line.split()[0]: line.split()[-1] for line in said.out.splitlines()}
    assert (lines["target"], lines["address"]) == ("fleet.yaml:2", "fleet.yaml:4")
    assert (lines["labels.camera"], lines["runs"]) == ("fleet.yaml:2", "default")
    unknown = cli("-C", folder, "fleet", "show", "gate")
    assert (unknown.code, "there is no node `gate`" in unknown.err) == (3, True)
