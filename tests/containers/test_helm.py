"""The chart as it lies there: whole, the same every run, and a user's own left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from edgepack.cli.main import main
from edgepack.containers import helm, text

from .samples import write
from .test_kubernetes import BROKERS, SERVICE, at_sites, exported
from .test_schema import NODES

Out = pytest.CaptureFixture[str]


def test_it_is_written_whole_with_a_header_and_the_same_every_time(tmp_path: Path, capsys: Out) -> None:
    place = exported(tmp_path, nodes=at_sites(NODES), **BROKERS).parent
    capsys.readouterr()
    assert main(["export", "helm", "-C", str(place)]) == 0
    said = capsys.readouterr().out
    where = place / "helm"
    assert f"helm upgrade --install doors-bern {where}/chart -f {where}/sites/bern.yaml -f " in said
    files = {file: file.read_bytes() for file in where.rglob("*") if file.is_file()}
    templates = {file.name for file in files if file.parent.name == "templates"}
    base = {file.name for file in (place / "kubernetes" / "base").iterdir()} - {"kustomization.yaml"}
    assert templates == base, "one for each object of the other layout"
    for file, content in files.items():
        if file.suffix == ".json":
            assert json.loads(content)["$comment"].startswith("Made by edgepack from edgepack.yaml (doors")
        elif file.parent.name != "values":
            assert content.decode().startswith(text.MADE), file
    assert main(["export", "helm", "-C", str(place), "--json"]) == 0
    states = json.loads(capsys.readouterr().out)["files"]
    assert set(states.values()) == {"same", "kept"}
    assert {file: file.read_bytes() for file in files} == files


def test_a_users_values_stay_and_what_is_gone_goes(tmp_path: Path, capsys: Out) -> None:
    project = write(tmp_path, nodes=at_sites(NODES))
    assert main(["export", "helm", "-C", str(project)]) == 0
    mine = project / "helm" / "values" / "bern.yaml"
    mine.write_text("env: {A: b}\n")
    write(tmp_path, nodes={"box-07": NODES["box-07"] | {"site": "bern"}}, version="2.0.0")
    capsys.readouterr()
    assert main(["export", "helm", "-C", str(project), "--json"]) == 0
    states = json.loads(capsys.readouterr().out)["files"]
    assert states["values/bern.yaml"] == "kept"
    assert states["sites/geneva.yaml"] == states["chart/templates/daemonset-rk3588.yaml"] == "removed"
    assert states["chart/values.schema.json"] == "changed"
    assert mine.read_text() == "env: {A: b}\n"
    assert (project / "helm" / "values" / "geneva.yaml").exists(), "the user's, though its site is gone"


@pytest.mark.parametrize("name", ["chart/values.yaml", "chart/values.schema.json"])
def test_what_somebody_else_wrote_is_refused(tmp_path: Path, capsys: Out, name: str) -> None:
    project = write(tmp_path)
    file = project / "helm" / name
    file.parent.mkdir(parents=True)
    file.write_text("{}\n")
    assert main(["export", "helm", "-C", str(project)]) == 3
    assert "edgepack did not make it" in capsys.readouterr().err
    assert file.read_text() == "{}\n"


def test_values_are_what_the_layout_says(tmp_path: Path) -> None:
    project = write(tmp_path, nodes=NODES, **SERVICE)
    words = ["--registry", "registry.example:5000/acme"]
    assert main(["export", "helm", "-C", str(project), *words]) == 0
    values = yaml.safe_load((project / "helm" / "chart" / "values.yaml").read_text())
    assert values["image"]["registry"] == "registry.example:5000/acme"
    assert values["targets"]["aarch64"]["image"] == "doors:1.0.0-aarch64"
    assert values["targets"]["atlas-300i"]["resources"]["limits"]["huawei.com/Ascend310"] == "1"
    assert values["podDisruptionBudget"] == {"enabled": True, "maxUnavailable": 1}
    assert not (project / "helm" / "sites").exists()


VERSIONS = [
    ("1.2.3", "1.2.3"),
    ("1.2.3-rc.1+b7", "1.2.3-rc.1+b7"),
    ("1", "1.0.0"),
    ("1.2", "1.2.0"),
    ("2026.01.05", "0.0.0+2026.01.05"),
    ("1.2.3-rc.01", "0.0.0+1.2.3-rc.01"),
    ("1.2.3-04", "0.0.0+1.2.3-04"),
    ("2026-11-22", "0.0.0+2026-11-22"),
    ("v3..x+y", "0.0.0+v3.x-y"),
]


@pytest.mark.parametrize(("of", "charts"), VERSIONS)
def test_a_charts_version_is_a_semantic_one(of: str, charts: str) -> None:
    assert helm.version(of) == charts


def test_braces_of_a_value_are_no_template_and_no_value_is_a_mark() -> None:
    one = {"a": "{{ .Values }}", "b": "SLOT-0-", "c": ""}
    slots = helm._Slots(one)
    one["c"] = slots.text("{{ .own }}")
    assert slots.filled(text.document(one, ["x"])).splitlines()[1:] == [
        'a: "{{ "{{" }} .Values }}"',
        "b: SLOT-0-",
        "c: {{ .own }}",
    ]
