"""Manifests for a cluster's nodes, in a kustomize layout: decisions in docs/design/compose-plan.md."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgepack.containers import brokers, checks, pod, room, text
from edgepack.containers import devices as devices_of
from edgepack.containers.app import LOCAL, App, Peer, is_any, is_loopback
from edgepack.containers.compose import Rendered
from edgepack.containers.pod import SETTINGS, SITE_LABEL, TARGET_LABEL, Part
from edgepack.manifest.fleet import Node

Object = dict[str, Any]
BASE, SITES, OVERLAYS = "base", "sites", "overlays"
KUSTOMIZATION = "kustomization.yaml"
_NAME = "app.kubernetes.io/name"


@dataclass(frozen=True)
class Cluster:
    """An app, and the fleet's boxes that it is for, by name."""

    apps: Mapping[str, App]  # by target
    nodes: Mapping[str, Node]
    registry: str = LOCAL
    max_unavailable: int | str = 1  # of the pods of one workload while they are exchanged: 2, or 25%

    @property
    def app(self) -> App:
        return next(iter(self.apps.values()))


@dataclass(frozen=True)
class Made:
    """What every form of the manifests is made of: the objects by file name, checked."""

    parts: Sequence[Part]
    objects: Mapping[str, Object]
    warnings: tuple[str, ...]
    first: tuple[str, ...]  # commands that a person types once


def made(cluster: Cluster) -> Made:
    """For all sites together. Raises InputError for what no pod can do, or a wrong object."""
    parts = [_part(cluster, app) for app in cluster.apps.values()]
    objects = _objects(cluster, parts)
    checks.refuse(objects, pod.names(parts))
    return Made(parts, objects, tuple(_warnings(cluster.app, parts)), _todo(cluster, parts))


def render(cluster: Cluster) -> Rendered:
    """Everything for one cluster. Raises InputError for what no pod can do, or a wrong object."""
    of = made(cluster)
    parts, objects = of.parts, of.objects
    header = _header(cluster.app)
    given = {f"{BASE}/{name}.yaml": one for name, one in objects.items()}
    given[f"{BASE}/{KUSTOMIZATION}"] = _kustomization(resources=[f"{name}.yaml" for name in objects])
    once = {}
    zones = sites(cluster.nodes)
    for site, zone in zones.items():
        patches = _site(cluster, parts, site, zone)
        given |= {f"{SITES}/{site}/{name}": patch for name, patch in patches.items()}
        given[f"{SITES}/{site}/{KUSTOMIZATION}"] = _kustomization(
            namespace=namespace(cluster.app, site),
            resources=[f"../../{BASE}"],
            patches=[{"path": name} for name in patches],
        )
        once[f"{OVERLAYS}/{site}/{KUSTOMIZATION}"] = _overlay(f"../../{SITES}/{site}")
    if not zones:
        once[f"{OVERLAYS}/all/{KUSTOMIZATION}"] = _overlay(f"../../{BASE}")
    files = {name: text.document(one, header) for name, one in given.items()}
    return Rendered(files, once, tuple(objects), of.warnings, of.first)


def _warnings(app: App, parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        yield from (f"{part.app.target.id}: {remark}" for remark in part.needs.remarks)
        if part.privileged:
            yield f"{part.app.target.id}: no plugin is known; only privileged containers have devices then"
    for name in app.missing:
        yield f"{app.name} reads secrets/{name}, and fleet.yaml names no such secret"
    for one in app.listeners:
        if not is_any(one.address):
            yield f"{app.name} listens at {one.address}:{one.port} ({one.what}), which is its pod alone"
    if app.licensed:
        yield (
            f"{app.name} asks for a licence, and a pod sees nothing that tells its node from others: "
            "bring /etc/machine-id and the file `licence` of its data folder by an overlay"
        )
    if app.starts:
        yield f"{app.name} starts {app.starts}, which its image has only where its base has"


def _part(cluster: Cluster, app: App) -> Part:
    pod.checked(app)
    beside = brokers.of([app])
    mine = [node for node in cluster.nodes.values() if node.target == app.target.id]
    rooms = [room.of(app.target, node, 1, len(beside) * brokers.MEMORY_MB) for node in mine]
    least = min(rooms, key=lambda one: (one.memory_mb or 1 << 30, one.cpus or 1 << 30))
    return Part(app, devices_of.of(app), least, tuple(beside), f"{cluster.registry}/{app.image}")


def _objects(cluster: Cluster, parts: Sequence[Part]) -> dict[str, Object]:
    app = cluster.app
    same = {_NAME: app.name}
    made = {
        "namespace": _namespace(app, parts),
        "serviceaccount": _object("v1", "ServiceAccount", app, app.name)
        | {"automountServiceAccountToken": False},
        "settings": _object("v1", "ConfigMap", app, SETTINGS) | {"data": {"TZ": "UTC"}},
        "networkpolicy": _object("networking.k8s.io/v1", "NetworkPolicy", app, app.name)
        | {"spec": _policy(app, same)},
    }
    mosquitto = {f"{b.name}.conf": brokers.mosquitto_conf(b) for b in parts[0].brokers if b.kind == "mqtt"}
    if mosquitto:
        made["brokers"] = _object("v1", "ConfigMap", app, "brokers") | {"data": mosquitto}
    ports = [one for one in app.listeners if is_any(one.address)]
    if ports:
        listed = [
            {"name": one.what, "port": one.port, "targetPort": one.what, "protocol": "TCP"} for one in ports
        ]
        made["service"] = _object("v1", "Service", app, app.name) | {
            "spec": {"selector": same, "ports": listed}
        }
    for part in parts:
        made[_file(part)] = _workload(cluster, part)
    if cluster.app.form == "service":
        budget = {"maxUnavailable": cluster.max_unavailable, "selector": {"matchLabels": same}}
        made["poddisruptionbudget"] = _object("policy/v1", "PodDisruptionBudget", app, app.name) | {
            "spec": budget
        }
    return made


def _workload(cluster: Cluster, part: Part) -> Object:
    """What has a pod on each box of one kind."""
    app = part.app
    labels = {_NAME: app.name, TARGET_LABEL: app.target.id}
    spec: Object = {"selector": {"matchLabels": labels}}
    at_once = {"maxUnavailable": cluster.max_unavailable}
    # A box has no room for two of them.
    if cluster.app.form == "service":
        spec["replicas"] = replicas(cluster, part)
        spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": at_once | {"maxSurge": 0}}
        spec["progressDeadlineSeconds"] = app.start_s + 600  # an image comes over a thin link first
    else:
        spec["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": at_once}
    spec["template"] = pod.template(
        part, labels | {"app.kubernetes.io/version": app.version.replace("+", "_")}
    )
    if cluster.app.form == "service":
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
        selector = {"labelSelector": {"matchLabels": labels}}
        spec["template"]["spec"]["topologySpreadConstraints"] = [spread | selector]
    return _object("apps/v1", _kind(app), app, workload_name(app)) | {"spec": spec}


def replicas(cluster: Cluster, part: Part, site: str | None = None) -> int:
    """Boxes of that kind, at one site or at all."""
    mine = [node for node in cluster.nodes.values() if node.target == part.app.target.id]
    return len(mine) if site is None else sum(node.site == site for node in mine)


def _kind(app: App) -> str:
    """An app is bound to its box; a service is asked over the network."""
    return "Deployment" if app.form == "service" else "DaemonSet"


def _file(part: Part) -> str:
    return f"{_kind(part.app).lower()}-{part.app.target.id}"


def workload_name(app: App) -> str:
    """The app's and the target's names; pods' names have hashes behind it, and are 63 long at most."""
    return _short(f"{app.name}-{app.target.id.replace('_', '-').replace('.', '-')}".rstrip("-"), 52)


def _object(version: str, kind: str, app: App, name: str) -> Object:
    metadata = {"name": name, "namespace": app.name, "labels": {_NAME: app.name}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _namespace(app: App, parts: Sequence[Part]) -> Object:
    level = "privileged" if any(part.privileged or part.of_host for part in parts) else "restricted"
    made = _object("v1", "Namespace", app, app.name)
    del made["metadata"]["namespace"]
    made["metadata"]["labels"] |= {
        f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn")
    }
    return made


def _policy(app: App, same: dict[str, str]) -> Object:
    """What comes in and goes out: what the manifest names, and no more."""
    ports = [{"protocol": "TCP", "port": one.port} for one in app.listeners if is_any(one.address)]
    outside = [peer for peer in app.peers if not is_loopback(peer.host)]
    out: list[Object] = [{}] if app.own_source else _egress(outside)
    return {
        "podSelector": {"matchLabels": same},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": ports}] if ports else [],
        "egress": out,
    }


def _egress(peers: Sequence[Peer]) -> list[Object]:
    rules: list[Object] = []
    named = False
    for peer in peers:
        rule: Object = {}
        try:
            address = ipaddress.ip_address(peer.host)
            rule["to"] = [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}]
        except ValueError:
            named = True
        if peer.port:
            rule["ports"] = [{"protocol": "TCP", "port": peer.port}]
        if rule not in rules:
            rules.append(rule)
    if named:
        rules.append({"ports": [{"protocol": word, "port": 53} for word in ("UDP", "TCP")]})
    return rules


def _kustomization(**more: Any) -> Object:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **more}


def sites(nodes: Mapping[str, Node]) -> dict[str, str]:
    """Each site, with its time zone where its boxes agree on one."""
    zones: dict[str, set[str]] = {}
    for node in nodes.values():
        if node.site:
            zones.setdefault(node.site, set()).add(node.zone or "")
    return {site: next(iter(known)) if len(known) == 1 else "" for site, known in sorted(zones.items())}


def _site(cluster: Cluster, parts: Sequence[Part], site: str, zone: str) -> dict[str, Object]:
    """The patches of one site, by file name: its boxes alone, its time zone."""
    app = cluster.app
    made: dict[str, Object] = {}
    for part in parts:
        one = _workload(cluster, part)
        patch = {key: one[key] for key in ("apiVersion", "kind")}
        patch["metadata"] = {"name": one["metadata"]["name"], "namespace": app.name}
        patch["spec"] = {"template": {"spec": {"nodeSelector": {SITE_LABEL: site}}}}
        if cluster.app.form == "service":
            patch["spec"]["replicas"] = replicas(cluster, part, site)
        made[f"{_file(part)}.yaml"] = patch
    settings = _object("v1", "ConfigMap", app, SETTINGS)
    del settings["metadata"]["labels"]
    return made | {"settings.yaml": settings | {"data": {"TZ": zone or "UTC"}}}


def _overlay(below: str) -> str:
    return (
        "# Yours: edgepack made it once and never writes it again. An example, for another registry:\n"
        "#\n"
        "# images:\n"
        f"#   - name: {LOCAL}/NAME\n"
        "#     newName: registry.example/acme/NAME\n"
        "apiVersion: kustomize.config.k8s.io/v1beta1\n"
        "kind: Kustomization\n"
        "resources:\n"
        f"  - {below}\n"
    )


def _header(app: App) -> list[str]:
    return [
        f"from edgepack.yaml ({app.name} {app.version}) and fleet.yaml.",
        f"It is written anew by `edgepack export kubernetes`; your own changes go to {OVERLAYS}/.",
    ]


def namespace(app: App, site: str) -> str:
    """Of one site: several may be in one cluster."""
    return _short(f"{app.name}-{site}", 63) if site else app.name


def _short(whole: str, most: int) -> str:
    """A name, or what there is room for and a digest."""
    if len(whole) <= most:
        return whole
    return f"{whole[: most - 9].rstrip('-')}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _todo(cluster: Cluster, parts: Sequence[Part]) -> tuple[str, ...]:
    """What a person does first: labels for the nodes, secrets."""
    app, found = cluster.app, []
    for name, node in cluster.nodes.items():
        site = f" {SITE_LABEL}={node.site}" if node.site else ""
        found.append(f"kubectl label node {name.lower()} {TARGET_LABEL}={node.target}{site}")
    for site in sites(cluster.nodes) or [""]:
        for name in pod.names(parts):
            users = [broker.users_file for broker in parts[0].brokers if broker.users]
            words = [f"--from-file={one}=FILE" for one in (app.secrets if name == app.name else users)]
            found.append(f"kubectl -n {namespace(app, site)} create secret generic {name} {' '.join(words)}")
    return tuple(found)
