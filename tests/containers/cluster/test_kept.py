"""The last set that became ready: without Secrets, and no way to more than this set could do."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgepack.containers.cluster import kept, server
from edgepack.containers.cluster.errors import ServerRefusedError

from .api import Api, served


def one(kind: str, namespace: str | None = "doors", name: str = "x", **more: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


NOW = [one("Namespace", None, "doors"), one("ConfigMap"), one("Secret"), one("DaemonSet")]
PLACE = "/api/v1/namespaces/doors/configmaps/edgepack-last-doors"


@pytest.fixture
def api() -> Iterator[Api]:
    with served() as made:
        yield made


def lies(api: Api, raw: Any) -> None:
    packed = (
        raw if isinstance(raw, str) else base64.b64encode(gzip.compress(json.dumps(raw).encode())).decode()
    )
    api.answers[f"GET {PLACE}"] = (200, {"binaryData": {"objects.json.gz": packed}})


def test_what_is_kept_comes_back_without_secrets(api: Api, tmp_path: Path) -> None:
    there = server.connect(api.kubeconfig(tmp_path), None)
    api.answers[f"PATCH {PLACE}"] = (201, {})
    assert kept.read(there, "doors", "doors", NOW) == []
    kept.write(there, "doors", "doors", NOW)
    body = api.asked[-1][2]
    assert body["data"]["sha256"] == kept.digest(NOW) == kept.digest(NOW[::-1])
    api.answers[f"GET {PLACE}"] = (200, body)
    back = kept.read(there, "doors", "doors", NOW)
    assert sorted(o["kind"] for o in back) == ["ConfigMap", "DaemonSet", "Namespace"]
    before = len(api.asked)
    kept.write(there, "doors", "doors", NOW)
    assert [method for method, _, _ in api.asked[before:]] == ["GET"], "the same set is not written again"


def test_what_is_not_made_any_more_is_not_brought_back(api: Api, tmp_path: Path) -> None:
    """It is there still while a way back is needed; and no kind comes in that the new set has not."""
    lies(api, [*NOW, one("RoleBinding"), one("Service"), one("Deployment"), one("ConfigMap", "kube-system")])
    back = kept.read(server.connect(api.kubeconfig(tmp_path), None), "doors", "doors", NOW)
    assert [o["kind"] for o in back] == ["Namespace", "ConfigMap", "Secret", "DaemonSet", "Deployment"]


def test_what_has_no_room_is_not_kept(api: Api, tmp_path: Path) -> None:
    import random

    words = random.Random(7).randbytes(1 << 20).hex()
    large = [*NOW, one("ConfigMap", name="large", data={"x": words})]
    assert not kept.fits(large)
    api.answers[f"PATCH {PLACE}"] = (201, {})
    kept.write(server.connect(api.kubeconfig(tmp_path), None), "doors", "doors", large)
    assert api.asked[-1][2]["binaryData"] == {}


HOSTILE: dict[str, Any] = {
    "another namespace": [one("DaemonSet", "kube-system")],
    "another kind": [one("RoleBinding")],
    "of the whole cluster": [one("ClusterRoleBinding", None)],
    "another Namespace": [one("Namespace", None, "kube-system")],
    "nothing": [],
    "no object": [7],
    "a name of nothing": {"kind": "x"},
    "not base64": "%%%",
    "not gzip": base64.b64encode(b"hello").decode(),
    "cut off": base64.b64encode(gzip.compress(b"[]")[:-9]).decode(),
    "no JSON": base64.b64encode(gzip.compress(b"[")).decode(),
    "a bomb": base64.b64encode(gzip.compress(b" " * (40 << 20))).decode(),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_somebody_else_put_there_is_not_applied(api: Api, tmp_path: Path, raw: Any) -> None:
    lies(api, raw)
    with pytest.raises(ServerRefusedError, match="does not hold what edgepack writes there"):
        kept.read(server.connect(api.kubeconfig(tmp_path), None), "doors", "doors", NOW)
