"""The pod of one app on one kind of box: containers, volumes, and what it may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgepack.catalog.architectures import architecture
from edgepack.containers import brokers, devices
from edgepack.containers.app import DATA, USER, App, is_any, is_loopback
from edgepack.containers.brokers import Broker
from edgepack.containers.room import Room
from edgepack.errors import InputError

TARGET_LABEL = "edgepack.dev/target"
SITE_LABEL = "edgepack.dev/site"
SETTINGS = "settings"
# What the program surely takes; asking for more would keep other pods from the box.
_ASKED = {"cpu": "100m", "memory": "64Mi"}
_TMP = {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}


@dataclass(frozen=True)
class Part:
    """An app on one of its targets."""

    app: App
    needs: devices.Devices
    room: Room
    brokers: tuple[Broker, ...]
    image: str

    @property
    def privileged(self) -> bool:
        """Whether Kubernetes gives it a device's nodes in no other way: no plugin announces them."""
        camera = any(devices.is_node(path) for path in self.app.files)
        return camera or (self.app.has_device and not self.needs.resource)

    @property
    def of_host(self) -> list[tuple[str, str]]:
        """Paths of the box that it is given, each with what Kubernetes calls it."""
        files = [(path, "File") for path in self.app.files if not devices.is_node(path)]
        return [(path, "Directory") for path in self.needs.mounts] + files


def checked(app: App) -> None:
    """Raises InputError for an address that no pod has."""
    for listener in app.listeners:
        if not is_any(listener.address) and not is_loopback(listener.address):
            raise InputError(
                f"{app.name} listens at {listener.address} ({listener.what}), which no pod has",
                where="edgepack.yaml",
                why="a pod has an address of its own, drawn when it starts",
                fix="let it listen at 0.0.0.0; who may connect is the NetworkPolicy's affair",
            )


def template(part: Part, labels: dict[str, str]) -> dict[str, Any]:
    """The pod template. Brokers are in the pod, whose loopback they share."""
    spec: dict[str, Any] = {
        "serviceAccountName": part.app.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {"nodeAffinity": _affinity(part.app)},
        "containers": [_program(part), *(_broker(broker, part.app) for broker in part.brokers)],
        "volumes": _volumes(part),
    }
    if part.needs.groups:
        spec["securityContext"]["supplementalGroups"] = list(part.needs.groups)
    return {"metadata": {"labels": labels}, "spec": spec}


def _affinity(app: App) -> dict[str, Any]:
    # Go's words, as the kubelet reports them: kubernetes.io/docs/reference/labels-annotations-taints
    debian = architecture(app.target.arch).debian
    wanted = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm" if debian == "armhf" else debian}
    wanted[TARGET_LABEL] = app.target.id
    terms = [{"key": key, "operator": "In", "values": [value]} for key, value in wanted.items()]
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": terms}]}
    }


def _program(part: Part) -> dict[str, Any]:
    app = part.app
    health = {"exec": {"command": app.health}, "periodSeconds": 10, "timeoutSeconds": 10}
    starts = {**health, "periodSeconds": 5, "failureThreshold": max(3, -(-app.start_s // 5))}
    made: dict[str, Any] = {
        "name": app.name,
        "image": part.image,
        "imagePullPolicy": "IfNotPresent",
        "envFrom": [{"configMapRef": {"name": SETTINGS}}],
    }
    if part.needs.runtime == "nvidia":
        # Which device, its plugin says; what of the driver, only this does.
        made["env"] = [{"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "compute,utility"}]
    ports = [listener for listener in app.listeners if is_any(listener.address)]
    if ports:
        made["ports"] = [{"name": one.what, "containerPort": one.port, "protocol": "TCP"} for one in ports]
    made |= {
        "startupProbe": starts,
        "livenessProbe": {**health, "failureThreshold": 3},
        "readinessProbe": {**health, "failureThreshold": 3},
        "resources": _resources(part),
        "securityContext": _privileged() if part.privileged else _restricted(),
        "volumeMounts": [
            {"name": "data", "mountPath": DATA},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
        ],
    }
    mounts: list[dict[str, Any]] = made["volumeMounts"]
    if app.secrets:
        mounts.append({"name": "secrets", "mountPath": f"{DATA}/secrets", "readOnly": True})
    mounts += [
        {"name": f"host-{number}", "mountPath": path, "readOnly": True}
        for number, (path, _) in enumerate(part.of_host)
    ]
    return made


def _broker(broker: Broker, app: App) -> dict[str, Any]:
    own = brokers.service(broker)
    account = int(str(own["user"]).partition(":")[0])
    made: dict[str, Any] = {"name": broker.name, "image": own["image"]}
    if "command" in own:
        made["args"] = own["command"]
    if "healthcheck" in own:
        command = own["healthcheck"]["test"][1:]
        made["livenessProbe"] = {"exec": {"command": command}, "periodSeconds": 10, "timeoutSeconds": 10}
    made["resources"] = {
        "requests": {"cpu": "50m", "memory": "32Mi"},
        "limits": {"memory": f"{brokers.MEMORY_MB}Mi"},
    }
    made["securityContext"] = {**_restricted(), "runAsUser": account}
    made["volumeMounts"] = [{"name": f"{broker.name}-data", "mountPath": brokers.DATA[broker.kind]}]
    if broker.kind == "mqtt":
        file = {"mountPath": brokers.CONFIG, "subPath": f"{broker.name}.conf", "readOnly": True}
        made["volumeMounts"].append({"name": "brokers", **file})
    if broker.users:
        users = {"mountPath": f"/run/secrets/{broker.users_file}", "subPath": broker.users_file}
        made["volumeMounts"].append({"name": "broker-users", **users, "readOnly": True})
    return made


def _volumes(part: Part) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"name": "data", "emptyDir": {}}, _TMP]
    if part.app.secrets:
        # Read by the group of the pod, as the files belong to root.
        made.append({"name": "secrets", "secret": _secret(part.app.name)})
    made += [
        {"name": f"host-{number}", "hostPath": {"path": path, "type": kind}}
        for number, (path, kind) in enumerate(part.of_host)
    ]
    made += [{"name": f"{broker.name}-data", "emptyDir": {}} for broker in part.brokers]
    if any(broker.kind == "mqtt" for broker in part.brokers):
        made.append({"name": "brokers", "configMap": {"name": "brokers"}})
    if any(broker.users for broker in part.brokers):
        made.append({"name": "broker-users", "secret": _secret("broker-users")})
    return made


def _secret(name: str) -> dict[str, Any]:
    # Said though it is so anyway: podman 4.3 ends in a panic where it is not.
    return {"secretName": name, "defaultMode": 0o440, "optional": False}


def _resources(part: Part) -> dict[str, Any]:
    limits: dict[str, str] = {}
    if part.room.cpus:
        limits["cpu"] = f"{round(part.room.cpus * 1000)}m"
    if part.room.memory_mb:
        limits["memory"] = f"{part.room.memory_mb}Mi"
    if part.needs.resource:
        limits[part.needs.resource] = "1"
    asked = dict(_ASKED)
    if part.room.memory_mb and part.room.memory_mb < 64:
        asked["memory"] = limits["memory"]
    return {"requests": asked, "limits": limits} if limits else {"requests": asked}


def _restricted() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _privileged() -> dict[str, Any]:
    return {"privileged": True, "readOnlyRootFilesystem": True}


def names(parts: Sequence[Part]) -> list[str]:
    """The secrets that somebody has to make: `doors`, and that of the brokers' users."""
    found = [part.app.name for part in parts if part.app.secrets]
    found += ["broker-users" for part in parts if any(broker.users for broker in part.brokers)]
    return list(dict.fromkeys(found))
