"""The values of a Helm chart: what a site changes, and a schema that tells a slip of the pen."""

from __future__ import annotations

import json
from typing import Any

from edgepack.containers import text
from edgepack.containers.kubernetes import Cluster, Made
from edgepack.containers.pod import SETTINGS

# What stands above them. A variable reaches a pod that runs already only when it starts anew.
WORDS = (
    "namespace: where the objects lie; left empty, the release's own. create: its Namespace is one of them.",
    "image: the registry before each image's name; image.pullSecrets: as in a pod, - name: NAME",
    "env: variables of the program; pods that run have them once they start anew.",
    "nodeSelector: labels that a node must have beside its target's; tolerations: as in a pod.",
    "targets: one workload for each kind of box; left out with `enabled: false`.",
)


def of(cluster: Cluster, made: Made) -> dict[str, Any]:
    """With these the chart makes the very objects of the kustomize layout."""
    app, service = cluster.app, cluster.app.form == "service"
    workloads = {
        one["spec"]["selector"]["matchLabels"]["edgepack.dev/target"]: one
        for one in made.objects.values()
        if one["kind"] in ("DaemonSet", "Deployment")
    }
    targets: dict[str, Any] = {}
    brokers: dict[str, Any] = {}
    for target, one in workloads.items():
        pod = one["spec"]["template"]["spec"]
        own = next(container for container in pod["containers"] if container["name"] == app.name)
        replicas = {"replicas": one["spec"]["replicas"]} if service else {}
        targets[target] = {
            "enabled": True,
            "image": own["image"].removeprefix(f"{cluster.registry}/"),
            **replicas,
            "maxUnavailable": cluster.max_unavailable,
            "nodeSelector": {},
            "resources": own["resources"],
        }
        brokers |= {
            container["name"]: {key: container[key] for key in ("image", "resources")}
            for container in pod["containers"]
            if container is not own
        }
    (settings,) = (one for one in made.objects.values() if one["metadata"]["name"] == SETTINGS)
    values: dict[str, Any] = {
        "namespace": {"name": app.name, "create": True},
        "image": {"registry": cluster.registry, "pullPolicy": "IfNotPresent", "pullSecrets": []},
        "env": settings["data"],
        "nodeSelector": {},
        "tolerations": [],
        "targets": targets,
        "networkPolicy": {"enabled": True},
    }
    if brokers:
        values["brokers"] = brokers
    if service:
        values["podDisruptionBudget"] = {"enabled": True, "maxUnavailable": cluster.max_unavailable}
    return values


def schema(cluster: Cluster, made_from: str) -> str:
    """JSON Schema, as both Helm 3 and 4 read it: a key that is none is refused, and not left unread."""
    words, yes, labels = {"type": "string"}, {"type": "boolean"}, _map({"type": "string"})
    part = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+%$"}]}
    amounts = _map({"type": ["string", "number"]})
    resources = _of(requests=amounts, limits=amounts)
    target = {"enabled": yes, "image": words, "maxUnavailable": part, "nodeSelector": labels}
    target["resources"] = resources
    service = cluster.app.form == "service"
    if service:
        target["replicas"] = {"type": "integer", "minimum": 0}
    listed = {"type": "array", "items": {"type": "object"}}
    known = {
        "global": {"type": "object"},  # Helm's own, of a chart that has this one below it
        "namespace": _of(name=words, create=yes),
        "image": _of(
            registry=words,
            pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
            pullSecrets={"type": "array", "items": _of(name=words)},
        ),
        "env": _map(words) | {"propertyNames": {"pattern": "^[A-Za-z0-9._-]+$"}},
        "nodeSelector": labels,
        "tolerations": listed,
        "targets": _of(**{name: _of(**target) for name in cluster.apps}),
        "networkPolicy": _of(enabled=yes),
        "brokers": _map(_of(image=words, resources=resources)),
    }
    if service:
        known["podDisruptionBudget"] = _of(enabled=yes, maxUnavailable=part)
    whole = {"$comment": f"{text.MADE.removeprefix('# ')} {made_from}"}
    whole |= {"$schema": "http://json-schema.org/draft-07/schema#", **_of(**known)}
    return json.dumps(whole, indent=2) + "\n"


def _of(**known: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": known}


def _map(value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": value}
