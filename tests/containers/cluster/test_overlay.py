"""An overlay's objects without kustomize, where it adds nothing; what it makes otherwise is checked."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.cli.main import main
from edgepack.containers.cluster import overlay
from edgepack.errors import EdgepackError
from tests.containers.samples import write
from tests.containers.test_kubernetes import at_sites, exported
from tests.containers.test_schema import NODES

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_kustomize(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing on the path but what a test puts there."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_ours_are_put_together_here(tmp_path: Path) -> None:
    place = exported(tmp_path, nodes=at_sites(NODES))
    found = overlay.objects(place / "overlays" / "bern")
    assert overlay.held(found, place) == found
    for one in found:
        assert one["metadata"]["name" if one["kind"] == "Namespace" else "namespace"] == "doors-bern"
        if one["kind"] == "DaemonSet":
            pod = one["spec"]["template"]["spec"]
            assert pod["nodeSelector"] == {"edgepack.dev/site": "bern"}
            assert pod["containers"][0]["name"] == "doors"
    (settings,) = [one for one in found if one["metadata"]["name"] == "settings"]
    assert settings["data"] == {"TZ": "Europe/Zurich"}


@pytest.mark.parametrize("key", ["images", "patches", "components", "resources"])
def test_what_a_user_added_is_kustomizes_affair(tmp_path: Path, key: str) -> None:
    place = exported(tmp_path)
    mine = place / "overlays" / "all" / "kustomization.yaml"
    known = yaml.safe_load(mine.read_text())
    known[key] = [*known.get(key, []), "mine.yaml"]
    mine.write_text(yaml.safe_dump(known))
    with pytest.raises(EdgepackError, match="neither kustomize nor kubectl is here") as caught:
        overlay.objects(mine.parent)
    assert caught.value.fix == "install kubectl or kustomize, and try again"
    assert caught.value.exit_code == 5


def kustomize(programs: Path, says: Any, *, code: int = 0, name: str = "kustomize") -> None:
    """A program of that name, which says so."""
    text = says if isinstance(says, str) else yaml.safe_dump_all(says)
    (programs / "said").write_text(text)
    file = programs / name
    file.write_text(f"#!/bin/sh\n/bin/cat '{programs}/said' >&{2 if code else 1}\nexit {code}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


OBJECT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "x", "namespace": "y"},
}
SET = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "x", "namespace": "y"}}
WRONG: list[tuple[Any, int, str]] = [
    ("", 0, "the overlay makes no object"),
    ("a: [", 0, "this is not YAML"),
    ("Error: no such file", 1, "kustomize build does not take the overlay"),
    ([7], 0, "makes something that is no object"),
    ([{"kind": "ConfigMap", "metadata": {"name": "x"}}], 0, "makes something that is no object"),
    ([OBJECT | {"metadata": {"name": 7}}], 0, "makes something that is no object"),
    (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {since: 2026-01-01}\n",
        0,
        "that is no object",
    ),
    ([OBJECT, OBJECT], 0, "ConfigMap x is there twice"),
    ([SET | {"spec": []}], 0, "has not the form that Kubernetes gives it"),
    ([OBJECT | {"data": {"a/b": "c"}}], 0, "'a/b' is no key"),
]


@pytest.mark.parametrize(("says", "code", "said"), WRONG, ids=[row[2] for row in WRONG])
def test_what_is_no_object_goes_nowhere(
    tmp_path: Path, no_kustomize: Path, capsys: Out, says: Any, code: int, said: str
) -> None:
    project = write(tmp_path, nodes=NODES)
    assert main(["export", "kubernetes", "-C", str(project)]) == 0
    kustomize(no_kustomize, says, code=code)
    capsys.readouterr()
    assert main(["apply", "-C", str(project), "--kubeconfig", str(tmp_path / "nowhere")]) == 3
    assert said in capsys.readouterr().err


def test_kubectl_does_where_there_is_no_kustomize(no_kustomize: Path, tmp_path: Path) -> None:
    kustomize(no_kustomize, [OBJECT], name="kubectl")
    assert overlay.objects(tmp_path) == [OBJECT]


def test_secrets_that_nobody_makes_are_named() -> None:
    volumes = [
        {"name": n, "secret": {"secretName": n, "optional": n == "may"}} for n in ("must", "may", "made")
    ]
    workload = SET | {"spec": {"template": {"spec": {"volumes": volumes}}}}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made", "namespace": "y"}}
    assert overlay.secrets([workload, made]) == [("y", "must")]


def test_which_overlay_is_meant(tmp_path: Path, capsys: Out) -> None:
    project = write(tmp_path, nodes=at_sites(NODES))
    assert main(["apply", "-C", str(project)]) == 3
    assert "edgepack export kubernetes" in capsys.readouterr().err
    assert main(["export", "kubernetes", "-C", str(project)]) == 0
    capsys.readouterr()
    assert main(["apply", "-C", str(project)]) == 2
    assert "which site? There are bern, geneva" in capsys.readouterr().err
    assert main(["apply", "basel", "-C", str(project)]) == 3
    assert "there is no overlay 'basel'" in capsys.readouterr().err
    assert main(["apply", "bern", "-C", str(project), "--timeout", "nan"]) == 2
    assert "--timeout takes seconds" in capsys.readouterr().err
