"""What schemas miss in Kubernetes objects: what has to agree, and what has to be of a form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgepack.errors import InputError

Object = Mapping[str, Any]
# kubernetes.io/docs/concepts/overview/working-with-objects, names and labels; apimachinery's Quantity.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_PORT = re.compile(r"(?=[a-z0-9-]*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?", re.ASCII)
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|[KMGTPE]i?|[eE][-+]?\d+)?", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)
_LABEL_NAMED = {"Namespace", "Service"}
_WORKLOADS = {"DaemonSet", "Deployment"}


def refuse(objects: Mapping[str, Object], secrets: Sequence[str]) -> None:
    """Raises InputError with everything that is wrong."""
    found = list(wrong(list(objects.values()), secrets))
    if found:
        raise InputError(
            "Kubernetes would not take these objects, or they would do nothing",
            where="edgepack.yaml, fleet.yaml",
            detail="\n".join(found),
            fix="shorter or plainer names of project, targets and sites",
        )


def wrong(objects: Sequence[Object], secrets: Sequence[str]) -> Iterator[str]:
    """A sentence for each thing. ``secrets``: names of those that somebody makes by hand."""
    seen: set[tuple[str, str]] = set()
    for one in objects:
        who = _who(one)
        if (one["kind"], _name(one)) in seen:
            yield f"{who} is there twice"
        seen.add((one["kind"], _name(one)))
        yield from _names(one, who)
        if one["kind"] in _WORKLOADS:
            yield from _workload(one, who, objects, secrets)
        elif one["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            yield from _selects(one, who, objects)
        elif one["kind"] == "ConfigMap":
            yield from (
                f"{who}: {key!r} is no key" for key in one.get("data") or () if not _KEY.fullmatch(key)
            )


def _who(one: Object) -> str:
    return f"{one['kind']} {_name(one)}"


def _name(one: Object) -> str:
    return str(one["metadata"]["name"])


def _names(one: Object, who: str) -> Iterator[str]:
    form = _LABEL if one["kind"] in _LABEL_NAMED else _SUBDOMAIN
    if not form.fullmatch(_name(one)) or len(_name(one)) > (63 if form is _LABEL else 253):
        yield f"{who}: this is no name for it"
    yield from _labels(one["metadata"].get("labels", {}), who)


def _labels(labels: Mapping[str, str], who: str) -> Iterator[str]:
    for key, value in labels.items():
        prefix, _, name = key.rpartition("/")
        if not _WORD.fullmatch(name) or (prefix and not _SUBDOMAIN.fullmatch(prefix)):
            yield f"{who}: {key!r} is no label"
        if value and not _WORD.fullmatch(value):
            yield f"{who}: {value!r} is no value of the label {key}"


def _workload(one: Object, who: str, objects: Sequence[Object], secrets: Sequence[str]) -> Iterator[str]:
    spec, template = one["spec"], one["spec"]["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    yield from _labels(labels, who)
    if not _within(spec["selector"].get("matchLabels") or {}, labels):
        yield f"{who}: its selector does not match its own pods"
    pod = template["spec"]
    there = {
        kind: {_name(o) for o in objects if o["kind"] == kind} for kind in ("ConfigMap", "ServiceAccount")
    }
    account = pod.get("serviceAccountName", "default")
    if account != "default" and account not in there["ServiceAccount"]:
        yield f"{who}: there is no ServiceAccount {account}"
    volumes = [volume["name"] for volume in pod.get("volumes") or ()]
    names = [container["name"] for container in pod["containers"]]
    yield from (f"{who}: two are named {name}" for name in _twice(volumes) | _twice(names))
    for volume in pod.get("volumes") or ():
        yield from _volume(volume, who, there["ConfigMap"], secrets)
    for container in pod["containers"]:
        yield from _container(container, who, set(volumes), there["ConfigMap"])
    ports = [port["containerPort"] for container in pod["containers"] for port in container.get("ports", ())]
    yield from (f"{who}: two containers of a pod want port {port}" for port in _twice(ports))
    nodes = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    for term in nodes.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", ()):
        for wanted in term.get("matchExpressions", ()):
            for value in wanted.get("values", ()):
                yield from _labels({wanted["key"]: value}, who)


def _volume(volume: Object, who: str, maps: set[str], secrets: Sequence[str]) -> Iterator[str]:
    if not _LABEL.fullmatch(volume["name"]):
        yield f"{who}: {volume['name']!r} is no name of a volume"
    if "configMap" in volume and volume["configMap"]["name"] not in maps:
        yield f"{who}: there is no ConfigMap {volume['configMap']['name']}"
    if "secret" in volume and volume["secret"]["secretName"] not in secrets:
        yield f"{who}: nobody makes the Secret {volume['secret']['secretName']}"


def _container(container: Object, who: str, volumes: set[str], maps: set[str]) -> Iterator[str]:
    name = container["name"]
    if not _LABEL.fullmatch(name):
        yield f"{who}: {name!r} is no name of a container"
    mounts = container.get("volumeMounts") or ()
    for mount in mounts:
        if mount["name"] not in volumes:
            yield f"{who}: {name} mounts {mount['name']}, which is no volume"
    paths = [mount["mountPath"] for mount in mounts]
    yield from (f"{who}: {name} has two mounts at {path}" for path in _twice(paths))
    for source in container.get("envFrom", ()):
        name_of = source.get("configMapRef", {}).get("name")
        if name_of and name_of not in maps:
            yield f"{who}: there is no ConfigMap {name_of}"
    for port in container.get("ports", ()):
        if not _PORT.fullmatch(port.get("name", "unnamed")) or not 0 < port["containerPort"] < 1 << 16:
            yield f"{who}: {port.get('name', '')} {port['containerPort']} is no port"
    resources = container.get("resources") or {}
    asked, most = (
        {name: str(amount) for name, amount in (resources.get(key) or {}).items()}
        for key in ("requests", "limits")
    )
    for resource, quantity in [*asked.items(), *most.items()]:
        if not _QUANTITY.fullmatch(quantity):
            yield f"{who}: {quantity!r} is no quantity of {resource}"
        elif resource in asked and resource in most and _amount(asked[resource]) > _amount(most[resource]):
            yield f"{who}: {name} asks for more {resource} than it may have"


_UNITS = {"m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def _amount(quantity: str) -> float:
    match = re.fullmatch(r"([\d.]+)(\D*)", quantity)
    return float(match[1]) * _UNITS.get(match[2], 1) if match else 0.0


def _selects(one: Object, who: str, objects: Sequence[Object]) -> Iterator[str]:
    spec = one["spec"]
    wanted = spec.get("selector", spec.get("podSelector"))
    if wanted is None:
        return  # a Service whose addresses somebody else gives
    wanted = wanted.get("matchLabels", wanted)
    pods = [o["spec"]["template"] for o in objects if o["kind"] in _WORKLOADS]
    mine = [pod["spec"] for pod in pods if _within(wanted, pod["metadata"].get("labels") or {})]
    if not mine:
        yield f"{who}: its selector matches no pod"
    if one["kind"] != "Service":
        return
    for pod in mine:
        ports = [port for container in pod["containers"] for port in container.get("ports", ())]
        there = {port.get("name") for port in ports} | {port["containerPort"] for port in ports}
        for port in spec["ports"]:
            wanted_port = port.get("targetPort", port["port"])
            if wanted_port not in there:
                yield f"{who}: no container has a port {wanted_port}"


def _within(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return wanted.items() <= labels.items()


def _twice(items: Sequence[Any]) -> set[Any]:
    return {item for item in items if items.count(item) > 1}
