"""fleet.yaml and what it includes: each box as it comes out, each mistake at its line."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgepack import document
from edgepack.errors import EdgepackError, InputError
from edgepack.manifest import fleet, inventory
from edgepack.manifest.fleet import Fleet

BASE = """\
defaults: {user: edge, runs: systemd, labels: {owner: ops}}
sites:
  berlin: {zone: Europe/Berlin, jump: ops@gate.berlin, labels: {country: de}}
groups:
  gates: {target: rk3588, site: berlin, limits: {memory_mb: 512}, labels: {camera: axis}}
nodes:
  gate-[08-10]: {group: gates, address: "10.0.{1:d}.1"}
  mill: {target: x86_64, address: "{name}.example", site: bern, runs: process}
  odd: {group: gates, address: odd, jump: null, labels: {camera: hik, country: null}}
"""


def load(folder: Path, text: str, **more: str | bytes) -> Fleet:
    (folder / "fleet.yaml").write_text(text)
    for name, content in more.items():
        file = folder / name.replace("__", ".")
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return fleet.load(folder)


def problems(error: EdgepackError) -> str:
    return "\n".join(f"{one.place()} {one.message} {one.hint or ''}" for one in error.problems)


def test_what_is_nearer_wins(tmp_path: Path) -> None:
    known = load(tmp_path, BASE)
    assert list(known.nodes) == ["gate-08", "gate-09", "gate-10", "mill", "odd"]
    gate, mill, odd = (known.nodes[name] for name in ("gate-08", "mill", "odd"))
    assert (gate.target, gate.address, gate.user, gate.runs) == ("rk3588", "10.0.8.1", "edge", "systemd")
    assert (gate.zone, gate.jump, gate.limits.memory_mb) == ("Europe/Berlin", "ops@gate.berlin", 512)
    assert gate.labels == {"owner": "ops", "country": "de", "camera": "axis"}
    assert (mill.address, mill.site, mill.zone, mill.runs) == ("mill.example", "bern", None, "process")
    assert (odd.jump, odd.labels) == (None, {"owner": "ops", "camera": "hik"})
    assert known.places["gate-09"] == "fleet.yaml:7"


def test_each_value_knows_where_it_stands(tmp_path: Path) -> None:
    load(tmp_path, BASE)
    origins = inventory.find(fleet.documents(tmp_path), "gate-09").origins()
    assert origins["address"] == "fleet.yaml:7"
    assert origins["jump"] == "fleet.yaml:3"
    assert (origins["labels.camera"], origins["labels.owner"]) == ("fleet.yaml:5", "fleet.yaml:1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nodes: {a: {address: b}}", "fleet.yaml:1 a: `target` is missing"),
        ("nodes:\n  a: {group: gate, address: b}\ngroups: {gates: {}}", "no group `gate` known: gates"),
        ("nodes:\n  a-[3-1]: {}", "fleet.yaml:2 [3-1] runs backwards"),
        (
            "nodes:\n  a-[1-2]: {target: x, address: b}\n  a-2: {target: x, address: b}",
            "`a-2` is there twice",
        ),
        ("nodes:\n  a: {target: x, address: 'b{1}'}", "{1}: the node's name has no range"),
        (
            "groups:\n  g:\n    adress: b\nnodes: {}",
            "fleet.yaml:3 unknown key `adress` did you mean `address`?",
        ),
        ("defaults: {port: 99999999}\nnodes: {}", "fleet.yaml:1"),
        ("nodes:\n  a[x]: {target: x, address: b}", "`a[x]` is no node's name"),
        ("nodes:\n  a: {target: x, address: '; rm {name}'}", "this must be a host name"),
        ("include: [{file: a.yaml, csv: b.csv}]", "says 2 of them"),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert said in problems(caught.value)


def test_a_mistake_in_a_group_is_told_once_and_not_for_each_node(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, "groups: {g: {target: x, runs: swarm}}\nnodes:\n  a-[1-300]: {group: g, address: b}")
    assert len(caught.value.problems) == 1


CSV = """\
name;target;address;port;labels.camera\r
berlin-1;x86_64;10.0.0.1;2222;axis\r
berlin-2;x86_64;10.0.0.2;;\r
"""


def test_rows_of_a_spreadsheet(tmp_path: Path) -> None:
    known = load(tmp_path, "include: [{csv: boxes.csv}]", boxes__csv=b"\xef\xbb\xbf" + CSV.encode())
    assert (known.nodes["berlin-1"].port, known.nodes["berlin-2"].port) == (2222, None)
    assert known.nodes["berlin-1"].labels == {"camera": "axis"}
    assert known.places["berlin-2"] == "boxes.csv:3"


def test_other_files(tmp_path: Path) -> None:
    known = load(
        tmp_path,
        "include: [{file: 'site-*.yaml'}]\ndefaults: {target: x86_64}\nnodes: {own: {address: o}}",
        site_b__yaml="",
        **{
            "site-a__yaml": "sites: {a: {zone: UTC}}\nnodes: {a-1: {address: x, site: a}}",
            "site-b__yaml": "",
        },
    )
    assert list(known.nodes) == ["own", "a-1"]
    assert known.nodes["a-1"].zone == "UTC"
    assert known.places["a-1"] == "site-a.yaml:2"


# As Ansible's developer guide on inventory sources has it: groups, `children`, `_meta.hostvars`.
ANSIBLE = {
    "_meta": {
        "hostvars": {
            "a.example": {"ansible_host": "10.1.1.1", "ansible_port": 2200, "edgepack_target": "rk3588"},
            "b.example": {"edgepack_target": "x86_64", "edgepack_labels": {"camera": "axis"}, "other": 1},
        }
    },
    "all": {"children": ["ungrouped", "germany"]},
    "germany": {"children": ["berlin"]},
    "berlin": {"hosts": ["a.example"]},
    "ungrouped": {"hosts": ["b.example"]},
}


@pytest.mark.parametrize("printed", [ANSIBLE, {"nodes": {"a.example": {"target": "x86_64", "address": "x"}}}])
def test_what_a_program_prints(tmp_path: Path, printed: dict[str, Any]) -> None:
    program = tmp_path / "inventory"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(printed)}\nEND\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    known = load(tmp_path, "include: [{program: [./inventory]}]")
    if "_meta" in printed:
        a, b = known.nodes["a.example"], known.nodes["b.example"]
        assert (a.address, a.port, a.target) == ("10.1.1.1", 2200, "rk3588")
        assert a.labels == {"berlin": "yes", "germany": "yes"}
        assert (b.address, b.labels) == ("b.example", {"camera": "axis"})
    else:
        assert known.nodes["a.example"].target == "x86_64"


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ("{program: [./absent]}", "fleet.yaml:2"),
        ("{program: [sh, -c, 'echo so >&2; exit 3']}", "sh ended with 3: so"),
        ("{program: [echo, nodes]}", "is not JSON"),
        ("{program: [echo, '[]']}", "is not an object with `nodes`"),
        ("{program: [sleep, '9'], timeout_s: 0.2}", "took longer than 0.2 s"),
        ("{csv: absent.csv}", "absent.csv: No such file"),
        ("{csv: bad.csv}", "bad.csv:3: a has more cells than keys"),
        ("{csv: twice.csv}", "twice.csv:3: a is there twice"),
        ("{csv: nameless.csv}", "none is `name`"),
        ("{file: outer.yaml}", "`policy` belongs into fleet.yaml"),
        ("{file: again.yaml}", "`s` stands in fleet.yaml, too"),
    ],
)
def test_what_cannot_be_included_is_told(tmp_path: Path, include: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load(
            tmp_path,
            f"sites: {{s: {{}}}}\ninclude: [{include}]",
            bad__csv="name,target\n\na,x,y\n",
            twice__csv="name,target\na,x\na,x\n",
            nameless__csv="host,target\n",
            outer__yaml="policy: {max_unavailable: 2}\n",
            again__yaml="sites: {s: {}}\n",
        )
    assert said in f"{caught.value.where} {problems(caught.value)}"


VALUES = st.fixed_dictionaries(
    {}, optional={"user": st.sampled_from("abc"), "port": st.integers(1, 9), "zone": st.none()}
)


@given(VALUES, VALUES, VALUES, VALUES)
def test_putting_layers_together_is_taking_the_nearest_that_says_something(
    defaults: dict[str, Any], site: dict[str, Any], group: dict[str, Any], own: dict[str, Any]
) -> None:
    data = {
        "defaults": {"target": "x86_64", **defaults},
        "sites": {"s": site},
        "groups": {"g": {"site": "s", **group}},
        "nodes": {"n": {"address": "a", "group": "g", **own}},
    }
    text = yaml.safe_dump(data).encode()
    known = inventory.put_together([document.parse(text, Path("fleet.yaml"), "fleet.yaml")])
    expected = {**defaults, **site, **group, **own}
    node = known.nodes["n"]
    assert {key: getattr(node, key) for key in ("user", "port", "zone")} == {
        key: expected.get(key) for key in ("user", "port", "zone")
    }
