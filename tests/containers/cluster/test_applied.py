"""What an overlay makes no more is removed, and nothing of anybody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgepack.containers.cluster import applied, server

from .api import Api, served

SPACE = "/api/v1/namespaces/doors/configmaps"
PLACE = f"{SPACE}/edgepack-applied-doors"
OURS = {"manager": "edgepack", "operation": "Apply"}
EDITED = {"manager": "kubectl-edit", "operation": "Update"}
ARGO = {"manager": "argocd", "operation": "Apply"}


def one(kind: str, name: str, namespace: str = "doors", version: str = "v1") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


WANTED = [one("ConfigMap", "settings")]


@pytest.fixture
def api() -> Iterator[Api]:
    with served() as made:
        made.answers[f"GET {SPACE}"] = (200, {"items": []})
        yield made


def knows(api: Api, *rows: Any, raw: str | None = None) -> None:
    """The inventory, as it lies in the cluster."""
    content = raw if raw is not None else json.dumps([list(row) for row in rows])
    api.answers[f"GET {PLACE}"] = (200, {"data": {"objects.json": content}})


def lies(api: Api, name: str, *managers: dict[str, str], **more: Any) -> None:
    """A ConfigMap that is there."""
    metadata = {"name": name, "uid": f"u-{name}", "managedFields": list(managers), **more}
    api.answers[f"GET {SPACE}/{name}"] = (200, {"metadata": metadata})


def gone(api: Api, folder: Path) -> applied.Gone:
    return applied.gone(server.connect(api.kubeconfig(folder), None), "doors", "doors", WANTED)


OLD = ("v1", "ConfigMap", "doors", "old")
WHOSE: list[tuple[str, list[dict[str, str]], dict[str, Any], str | None]] = [
    ("ours alone", [OURS], {}, None),
    ("ours, and somebody edited it", [OURS, EDITED], {}, None),
    ("made anew by somebody", [EDITED], {}, "another one of that name"),
    ("of nobody that the server knows", [], {}, "another one of that name"),
    ("applied by two", [OURS, ARGO], {}, "argocd applies it, too"),
    ("a controller's", [OURS], {"ownerReferences": [{"uid": "x"}]}, "another object has it for its own"),
]


@pytest.mark.parametrize(("managers", "more", "why"), [r[1:] for r in WHOSE], ids=[r[0] for r in WHOSE])
def test_only_what_edgepack_alone_applied_goes(
    api: Api, tmp_path: Path, managers: list[dict[str, str]], more: dict[str, Any], why: str | None
) -> None:
    knows(api, OLD, ("v1", "ConfigMap", "doors", "settings"), ("v1", "ConfigMap", "doors", "long-gone"))
    lies(api, "old", *managers, **more)
    lies(api, "settings", OURS)
    found = gone(api, tmp_path)
    assert [(who["metadata"]["name"], uid) for who, uid in found.removed] == (
        [] if why else [("old", "u-old")]
    )
    assert [(why or "-") in words for words in found.stays] == ([True] if why else [])
    asked = [path for method, path, _ in api.asked if method != "GET"]
    assert asked == [], "nothing is changed by looking"


NAMED: dict[str, Any] = {
    "another namespace": ["v1", "ConfigMap", "kube-system", "old"],
    "the whole cluster's": ["v1", "Namespace", "doors", "old"],
    "of no namespace": ["v1", "ConfigMap", "", "old"],
    "a kind that is unknown": ["v1", "Widget", "doors", "old"],
    "a group that is none": ["../v1", "ConfigMap", "doors", "old"],
    "a path": ["v1", "ConfigMap", "doors", "../../secrets/old"],
    "too long": ["v1", "ConfigMap", "doors", "o" * 400],
    "no row": 7,
}


@pytest.mark.parametrize("row", NAMED.values(), ids=NAMED.keys())
def test_what_somebody_wrote_into_the_list_is_only_a_hint(api: Api, tmp_path: Path, row: Any) -> None:
    knows(api, raw=json.dumps([row]))
    lies(api, "old", OURS)
    for path in ("/api/v1/namespaces/kube-system/configmaps/old", "/api/v1/namespaces/old"):
        api.answers[f"GET {path}"] = api.answers[f"GET {SPACE}/old"]
    assert gone(api, tmp_path) == applied.Gone()


@pytest.mark.parametrize("raw", ["", "[", "{}", "null", "[[]]", '["v1"]', "[" * 100_000])
def test_a_list_that_is_none_names_nothing(api: Api, tmp_path: Path, raw: str) -> None:
    knows(api, raw=raw)
    assert gone(api, tmp_path) == applied.Gone()


def test_what_another_app_of_the_namespace_has_stays(api: Api, tmp_path: Path) -> None:
    knows(api, OLD)
    lies(api, "old", OURS)
    other = {"metadata": {"name": "edgepack-applied-gates"}, "data": {"objects.json": json.dumps([OLD])}}
    api.answers[f"GET {SPACE}"] = (200, {"items": [other]})
    assert gone(api, tmp_path) == applied.Gone()


def test_without_the_right_to_look_nothing_goes(api: Api, tmp_path: Path) -> None:
    knows(api, OLD)
    lies(api, "old", OURS)
    api.answers[f"GET {SPACE}"] = (403, {"message": "cannot list configmaps"})
    found = gone(api, tmp_path)
    assert found.removed == []
    assert found.stays == ["ConfigMap old: it cannot be seen whose it is, cannot list configmaps"]


def test_another_version_of_an_object_is_the_same_object(api: Api, tmp_path: Path) -> None:
    knows(api, ("apps/v1beta1", "DaemonSet", "doors", "d"))
    there = server.connect(api.kubeconfig(tmp_path), None)
    wanted = [*WANTED, one("DaemonSet", "d", version="apps/v1")]
    assert applied.gone(there, "doors", "doors", wanted) == applied.Gone()


def test_what_is_written_is_read_and_not_written_twice(api: Api, tmp_path: Path) -> None:
    there = server.connect(api.kubeconfig(tmp_path), None)
    api.answers[f"PATCH {PLACE}"] = (201, {})
    applied.write(there, "doors", "doors", [*WANTED, one("DaemonSet", "d", version="apps/v1"), *WANTED])
    body = api.asked[-1][2]
    api.answers[f"GET {PLACE}"] = (200, body)
    assert [found["metadata"]["name"] for found in applied.read(there, "doors", "doors")] == ["d", "settings"]
    before = len(api.asked)
    applied.write(there, "doors", "doors", [one("DaemonSet", "d", version="apps/v1"), *WANTED])
    assert [method for method, _, _ in api.asked[before:]] == ["GET"]
