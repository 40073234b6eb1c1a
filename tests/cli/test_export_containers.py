"""`edgepack export compose`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgepack.cli.main import main
from tests.containers.samples import HTTP, MQTT, write

Out = pytest.CaptureFixture[str]
NODES = {
    "box-07": {"target": "raspberry-pi-4", "address": "192.0.2.7", "secrets": {"mqtt": {"env": "MQTT"}}},
    "box-08": {"target": "aarch64", "address": "192.0.2.8"},
}

NO_IMAGE = "there is no image doors:1.0.0-aarch64 yet: edgepack build aarch64; edgepack image aarch64"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_box_gets_its_folder_and_a_second_run_changes_nothing(tmp_path: Path, capsys: Out) -> None:
    doors = write(tmp_path, nodes=NODES, sink=MQTT)
    assert main(["export", "compose", "-C", str(doors)]) == 0
    said = capsys.readouterr().out
    assert "box-07/compose.yaml" in said
    assert "put there before it starts: box-07/secrets/doors/mqtt" in said
    first = contents(doors / "compose")
    assert sorted(first) == [
        "box-07/compose.override.yaml",
        "box-07/compose.yaml",
        "box-07/mqtt.conf",
        "box-07/secrets/.gitignore",
        "box-08/compose.override.yaml",
        "box-08/compose.yaml",
        "box-08/mqtt.conf",
    ]
    assert main(["export", "compose", "-C", str(doors)]) == 0
    assert contents(doors / "compose") == first
    write(tmp_path / "elsewhere", nodes=NODES, sink=MQTT)
    assert main(["export", "compose", "-C", str(tmp_path / "elsewhere" / "doors")]) == 0
    assert contents(tmp_path / "elsewhere" / "doors" / "compose") == first


def test_json_says_what_became_of_each_file(tmp_path: Path, capsys: Out) -> None:
    doors = write(tmp_path, nodes=NODES)
    words = [
        "export",
        "compose",
        "box-08",
        "-C",
        str(doors),
        "--json",
        "--dry-run",
        "--registry",
        "r.example:5/a",
    ]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["nodes"] == {
        "box-08": {
            "files": {"compose.yaml": "new", "compose.override.yaml": "new"},
            "services": ["doors"],
            "secrets": [],
            "warnings": [NO_IMAGE],
        }
    }
    assert not (doors / "compose").exists()


def test_two_projects_share_a_box(tmp_path: Path) -> None:
    doors = write(tmp_path, nodes=NODES, source=HTTP, sink=[])
    gates = write(tmp_path, name="gates", nodes=NODES)
    into = tmp_path / "into"
    words = ["export", "compose", "box-07", "-C", str(doors), "--with", str(gates), "-o", str(into)]
    assert main(words) == 0
    written = (into / "box-07" / "compose.yaml").read_text()
    assert "doors 1.0.0, gates 1.0.0" in written
    assert "./secrets/gates/mqtt" in written


WRONG: list[tuple[list[str], int, str]] = [
    (["compose", "box-09"], 3, "there is no node `box-09`"),
    (["compose", "--registry", "Nobody/../x"], 2, "--registry is a host and names"),
    (["compose", "--since", "abc"], 2, "--since go with `stick`"),
    (["triton", "--dry-run"], 2, "goes with `compose`, `kubernetes`, `helm` and `dockerfile`"),
    (["kubernetes", "--with", "."], 2, "--with goes with `compose`"),
    (["compose", "--with", "nowhere"], 3, "there is no edgepack.yaml"),
]


@pytest.mark.parametrize(("words", "code", "said"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_what_cannot_be_is_told(tmp_path: Path, capsys: Out, words: list[str], code: int, said: str) -> None:
    doors = write(tmp_path, nodes=NODES)
    assert main(["export", words[0], *words[1:], "-C", str(doors)]) == code
    assert said in capsys.readouterr().err
    assert not (doors / "compose").exists()


def test_a_box_of_another_kind_is_left_out_or_refused(tmp_path: Path, capsys: Out) -> None:
    doors = write(tmp_path, nodes=NODES, targets=("aarch64",))
    assert main(["export", "compose", "-C", str(doors)]) == 0
    assert "box-07 is left out" in capsys.readouterr().err
    assert [p.name for p in (doors / "compose").iterdir()] == ["box-08"]
    assert main(["export", "compose", "box-07", "-C", str(doors)]) == 3
    assert "doors is not built for raspberry-pi-4" in capsys.readouterr().err


def test_a_file_that_somebody_wrote_by_hand_stays(tmp_path: Path, capsys: Out) -> None:
    doors = write(tmp_path, nodes=NODES)
    mine = doors / "compose" / "box-07" / "compose.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("services: {}\n")
    assert main(["export", "compose", "-C", str(doors)]) == 3
    assert "edgepack did not make it" in capsys.readouterr().err
    assert mine.read_text() == "services: {}\n"


def test_boxes_of_a_cluster_get_no_compose_file_and_the_others_no_manifests(
    tmp_path: Path, capsys: Out
) -> None:
    nodes = {**NODES, "box-09": {"target": "aarch64", "address": "192.0.2.9", "runs": "k8s", "site": "bern"}}
    doors = write(tmp_path, nodes=nodes)
    assert main(["export", "compose", "-C", str(doors)]) == 0
    assert sorted(folder.name for folder in (doors / "compose").iterdir()) == ["box-07", "box-08"]
    assert main(["export", "kubernetes", "-C", str(doors)]) == 0
    sets = sorted(file.name for file in (doors / "kubernetes" / "base").glob("daemonset*"))
    assert sets == ["daemonset-aarch64.yaml"]
    capsys.readouterr()
    assert main(["deploy", "box-09", "-C", str(doors)]) == 3
    said = capsys.readouterr().err
    assert "box-09 is a node of a cluster" in said
    assert "edgepack export kubernetes, then edgepack apply bern" in said
