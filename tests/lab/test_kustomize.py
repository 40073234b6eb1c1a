"""`edgepack export kubernetes`, put together by the kustomize that users have."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.containers import checks
from edgepack.containers.cluster import overlay
from tests.containers.samples import write
from tests.containers.test_kubernetes import BROKERS, SERVICE, at_sites, exported
from tests.containers.test_schema import NODES, checker

from . import newer

KUBERNETES = "1.32.0"


def put_together(overlay: Path) -> list[dict[str, Any]]:
    argv = [newer.kubectl(), "kustomize", overlay]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("more", [{}, BROKERS, SERVICE], ids=["app", "brokers", "service"])
def test_a_sites_overlay_is_the_base_for_its_boxes(tmp_path: Path, more: dict[str, Any]) -> None:
    place = exported(tmp_path, nodes=at_sites(NODES), **more)
    for site in ("bern", "geneva"):
        objects = put_together(place / "overlays" / site)
        assert list(checks.wrong(objects, ["doors", "broker-users"])) == []
        for one in objects:
            where = one["metadata"]["name" if one["kind"] == "Namespace" else "namespace"]
            assert where == f"doors-{site}"
            if one["kind"] in ("DaemonSet", "Deployment"):
                assert one["spec"]["template"]["spec"]["nodeSelector"] == {"edgepack.dev/site": site}
        (settings,) = [one for one in objects if one["metadata"]["name"] == "settings"]
        assert settings["data"] == {"TZ": "Europe/Zurich"}
        file = tmp_path / f"{site}.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        done = checker("kubernetes-validate", "--strict", "--quiet", "-k", KUBERNETES, file)
        assert done.ok, done.text()


@pytest.mark.parametrize("more", [{}, BROKERS, SERVICE], ids=["app", "brokers", "service"])
def test_without_kustomize_the_same_objects_come_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    sites = exported(tmp_path / "sites", nodes=at_sites(NODES), **more) / "overlays"
    plain = exported(tmp_path / "plain", **more) / "overlays"
    overlays = [sites / "bern", sites / "geneva", plain / "all"]
    theirs = [put_together(place) for place in overlays]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert overlay.kustomize() == ()
    for place, expected in zip(overlays, theirs, strict=True):
        assert _by_name(overlay.objects(place)) == _by_name(expected)


def _by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def test_what_a_user_adds_to_an_overlay_holds_and_stays(tmp_path: Path) -> None:
    place = exported(tmp_path, nodes=at_sites(NODES))
    mine = place / "overlays" / "bern" / "kustomization.yaml"
    mine.write_text(
        mine.read_text() + "images:\n  - name: localhost/doors\n    newName: registry.example/acme/doors\n"
        "patches:\n  - path: data.yaml\n    target: {kind: DaemonSet}\n"
    )
    volume = {"name": "data", "emptyDir": None, "hostPath": {"path": "/srv/doors", "type": "Directory"}}
    patch = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "any"}}
    patch["spec"] = {"template": {"spec": {"volumes": [volume]}}}  # type: ignore[assignment]
    (mine.parent / "data.yaml").write_text(yaml.safe_dump(patch))
    write(tmp_path, nodes=at_sites(NODES), version="2.0.0")
    exported(tmp_path, nodes=at_sites(NODES), version="2.0.0")
    pods = [
        one["spec"]["template"]["spec"] for one in put_together(mine.parent) if one["kind"] == "DaemonSet"
    ]
    assert len(pods) == 5
    for pod in pods:
        assert pod["containers"][0]["image"].startswith("registry.example/acme/doors:2.0.0-")
        (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
        assert data == {"name": "data", "hostPath": {"path": "/srv/doors", "type": "Directory"}}
