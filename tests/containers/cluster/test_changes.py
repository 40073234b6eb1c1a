"""The order of objects, and the places of fields as a server writes them."""

from __future__ import annotations

from typing import Any

import pytest

from edgepack.containers.cluster import changes


def named(kind: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": kind.lower()}}


def test_each_comes_after_what_it_needs() -> None:
    mixed = [
        "DaemonSet",
        "Ingress",
        "ConfigMap",
        "Deployment",
        "Secret",
        "ServiceAccount",
        "Namespace",
        "Service",
    ]
    assert [one["kind"] for one in changes.ordered([named(kind) for kind in mixed])] == [
        "Namespace",
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "Service",
        "Ingress",
        "Deployment",
        "DaemonSet",
    ]


ONE = {
    "metadata": {"labels": {"app.kubernetes.io/version": "1.0.0", "app": "x"}},
    "spec": {
        "replicas": 3,
        "containers": [
            {"name": "doors", "image": "a:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
        ],
    },
}
PLACES = [
    (".spec.replicas", [3]),
    (".metadata.labels.app.kubernetes.io/version", ["1.0.0"]),
    (".metadata.labels.app", ["x"]),
    ('.spec.containers[name="doors"].image', ["a:1"]),
    ('.spec.containers[name="gates"].image', []),
    ('.spec.containers[name="doors"].ports[containerPort=80,protocol="TCP"].containerPort', [80]),
    (".spec.nowhere", []),
    ("spec", []),
    ('.spec.containers[name="doors"', [ONE["spec"]["containers"][0]]),  # type: ignore[index]
]


@pytest.mark.parametrize(("field", "found"), PLACES, ids=[place for place, _ in PLACES])
def test_a_fields_value_is_found(field: str, found: list[Any]) -> None:
    assert list(changes._at(ONE, field)) == found
