"""`edgepack export helm`, rendered by Helm 3 and 4: the kustomize objects, and what a user changes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.cli.main import main
from edgepack.containers.cluster import overlay
from tests.containers.samples import write
from tests.containers.test_kubernetes import BROKERS, SERVICE, at_sites, exported
from tests.containers.test_schema import NODES, checker

from . import helm

Objects = dict[tuple[str, str], dict[str, Any]]
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "app": (NODES, {}),
    "brokers at sites": (at_sites(NODES), BROKERS),
    "service at sites": (at_sites(NODES), SERVICE),
}


@pytest.fixture(params=helm.PROGRAMS)
def program(request: pytest.FixtureRequest) -> Path:
    return helm.program(request.param)


def ran(program: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=300, check=False)


def chart(folder: Path, nodes: dict[str, Any], **more: Any) -> Path:
    """Where both layouts of one project lie."""
    place = exported(folder, nodes=nodes, **more).parent
    assert main(["export", "helm", "-C", str(place)]) == 0
    return place


def rendered(program: Path, place: Path, site: str, *more: str) -> Objects:
    ours = place / "helm" / "sites" / f"{site}.yaml"
    files = [
        f"--values={file}" for file in (ours, place / "helm" / "values" / f"{site}.yaml") if file.exists()
    ]
    done = ran(program, "template", "release", place / "helm" / "chart", *files, *more)
    assert done.returncode == 0, done.stderr
    return by_name([one for one in yaml.safe_load_all(done.stdout) if one])


def by_name(objects: list[dict[str, Any]]) -> Objects:
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


@pytest.mark.parametrize("case", CASES)
def test_the_chart_makes_the_objects_of_the_kustomize_layout(
    tmp_path: Path, program: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes, more = CASES[case]
    place = chart(tmp_path, nodes, **more)
    done = ran(program, "lint", "--strict", place / "helm" / "chart")
    assert done.returncode == 0, done.stdout
    monkeypatch.setenv("PATH", str(tmp_path))  # put together without kubectl: test_kustomize.py has it agree
    sites = sorted(p.name for p in (place / "kubernetes" / "overlays").iterdir())
    for site in sites:
        found = rendered(program, place, site)
        (namespace,) = [one for (kind, _), one in found.items() if kind == "Namespace"]
        assert namespace["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert found == by_name(overlay.objects(place / "kubernetes" / "overlays" / site))


def test_what_it_makes_is_known_to_kubernetes(tmp_path: Path, program: Path) -> None:
    place = chart(tmp_path, at_sites(NODES), **SERVICE)
    (place / "helm" / "values" / "bern.yaml").write_text(
        yaml.safe_dump({"tolerations": [{"key": "edge", "operator": "Exists"}], "nodeSelector": {"a": "b"}})
    )
    file = tmp_path / "made.yaml"
    file.write_text(yaml.safe_dump_all(rendered(program, place, "bern").values()))
    done = checker("kubernetes-validate", "--strict", "--quiet", "-k", "1.32.0", file)
    assert done.ok, done.text()


MINE: dict[str, Any] = {
    "namespace": {"name": "", "create": False},
    "image": {"registry": "registry.example/acme", "pullPolicy": "Always", "pullSecrets": [{"name": "key"}]},
    "env": {"LEVEL": "3", "BRACES": "{{ .Values }}"},
    "nodeSelector": {"room": "b"},
    "tolerations": [{"key": "edge", "operator": "Exists"}],
    "podDisruptionBudget": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "targets": {
        "aarch64": {
            "replicas": 7,
            "maxUnavailable": "25%",
            "nodeSelector": {"room": "c"},
            "resources": {"limits": {"memory": "1Gi"}},
        },
        "rk3588": {"enabled": False},
        "atlas-300i": None,
    },
}


def test_a_users_values_hold_and_stay(tmp_path: Path, program: Path) -> None:
    place = chart(tmp_path, NODES, **SERVICE)
    mine = place / "helm" / "values" / "all.yaml"
    mine.write_text(yaml.safe_dump(MINE))
    write(tmp_path, nodes=NODES, version="2.0.0", **SERVICE)
    assert main(["export", "helm", "-C", str(place)]) == 0
    found = rendered(program, place, "all", "--namespace=elsewhere")
    kinds = {kind for kind, _ in found}
    assert not kinds & {"Namespace", "NetworkPolicy", "PodDisruptionBudget"}
    assert {one["metadata"]["namespace"] for one in found.values()} == {"elsewhere"}
    names = {name for kind, name in found if kind == "Deployment"}
    assert names == {"doors-aarch64", "doors-raspberry-pi-4", "doors-jetson-orin-nano"}
    assert found["ConfigMap", "settings"]["data"] == {"TZ": "UTC", **MINE["env"]}
    spec = found["Deployment", "doors-aarch64"]["spec"]
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]["maxUnavailable"]) == (7, "25%")
    pod = spec["template"]["spec"]
    assert pod["nodeSelector"] == {"room": "c"}
    assert pod["tolerations"] == MINE["tolerations"]
    assert pod["imagePullSecrets"] == [{"name": "key"}]
    (own,) = pod["containers"]
    assert own["image"] == "registry.example/acme/doors:2.0.0-aarch64"
    assert own["imagePullPolicy"] == "Always"
    assert own["resources"]["limits"] == {"memory": "1Gi"}
    other = found["Deployment", "doors-raspberry-pi-4"]["spec"]["template"]["spec"]
    assert other["nodeSelector"] == {"room": "b"}


WRONG: list[tuple[str, str]] = [
    ("targets.aarch64.replica=3", "replica"),
    ("targets.aarch65.enabled=true", "aarch65"),
    ("targets.aarch64.replicas=many", "replicas"),
    ("targets.aarch64.maxUnavailable=lots", "maxUnavailable"),
    ("env.LEVEL=3", "LEVEL"),
    ("image.pullPolicy=Sometimes", "pullPolicy"),
    ("imagee.registry=x", "imagee"),
]


def test_a_slip_of_the_pen_is_told(tmp_path: Path, program: Path) -> None:
    place = chart(tmp_path, NODES, **SERVICE)
    for words, said in WRONG:
        done = ran(program, "template", "release", place / "helm" / "chart", f"--set={words}")
        assert done.returncode != 0, words
        assert said in done.stderr
