"""The Compose file of one box, from its apps: decisions and their reasons in docs/design/compose-plan.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgepack.containers import brokers, devices, room, text
from edgepack.containers.app import DATA, LOCAL, USER, App, is_any, is_loopback
from edgepack.containers.brokers import Broker
from edgepack.containers.room import Room
from edgepack.errors import InputError
from edgepack.manifest.fleet import Node
from edgepack.oci import PLATFORMS

FILE = "compose.yaml"
OVERRIDE = "compose.override.yaml"
SECRETS = "secrets"
MACHINE_ID = "/etc/machine-id"  # what tells the box from others, where a container sees no serial number


@dataclass(frozen=True)
class Box:
    """One box, and what is to run on it."""

    name: str
    node: Node
    apps: tuple[App, ...]
    registry: str = LOCAL


@dataclass(frozen=True)
class Rendered:
    """Files by name: those written anew each time, those made once; services; what a person should know."""

    files: Mapping[str, str]
    once: Mapping[str, str]
    services: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=())


def render(box: Box) -> Rendered:
    """Everything for one box. Raises InputError where its apps do not go together."""
    beside = brokers.of(box.apps)
    _check(box, beside)
    warnings: list[str] = []
    share = room.of(box.apps[0].target, box.node, len(box.apps), len(beside) * brokers.MEMORY_MB)
    services: dict[str, Any] = {app.name: service(box, app, share, beside, warnings) for app in box.apps}
    services |= {broker.name: _broker(broker) for broker in beside}
    volumes = [f"{name}-data" for name in services]
    known = _secrets(box.apps, beside)
    data: dict[str, Any] = {"services": services, "volumes": {name: {} for name in volumes}}
    if known:
        data["secrets"] = {name: {"file": f"./{file}"} for name, file in known.items()}
    header = _header(box, share, beside, tuple(known.values()))
    files = {FILE: text.document(text.without_interpolation(data), header)}
    for broker in beside:
        if broker.kind == "mqtt":
            files[f"{broker.name}.conf"] = text.comment(header[:1]) + brokers.mosquitto_conf(broker)
    if known:
        files[f"{SECRETS}/.gitignore"] = text.comment(header[:1]) + "*\n!.gitignore\n"
    files = {name: _made(content) for name, content in files.items()}
    return Rendered(
        files, {OVERRIDE: _override(box)}, tuple(services), tuple(warnings), tuple(known.values())
    )


def _made(content: str) -> str:
    return content if content.startswith(text.MADE) else content.replace("# ", f"{text.MADE} ", 1)


def service(box: Box, app: App, share: Room, beside: Sequence[Broker], warnings: list[str]) -> dict[str, Any]:
    """The app's own service; what a person should know is added to ``warnings``."""
    network = _network(app)
    needs = devices.of(app)
    for name in app.missing:
        warnings.append(f"{app.name} reads secrets/{name}, and fleet.yaml names no such secret of {box.name}")
    if app.starts:
        warnings.append(f"{app.name} starts {app.starts}, which its image has only where its base has")
    warnings += [f"{app.name}: {remark}" for remark in needs.remarks]
    made: dict[str, Any] = {
        "image": f"{box.registry}/{app.image}",
        "platform": _platform(app),
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
        **network,
    }
    if "network_mode" not in network or network["network_mode"] == "none":
        made["hostname"] = box.name.replace("_", "-")  # topics may have it in them: `{host}`
    mine = [broker.name for broker in beside if _sends_to(app, broker)]
    if mine:
        made["depends_on"] = mine
    made |= _device_part(needs, [path for path in app.files if devices.is_node(path)], box.node)
    device = [MACHINE_ID] if app.licensed else []
    made["volumes"] = [f"{app.name}-data:{DATA}", *_bound([*app.files, *needs.mounts, *device])]
    mounted = {f"{app.name}-{name}": f"secrets/{name}" for name in app.secrets}
    if app.licensed:
        mounted[f"{app.name}.licence"] = "licence"
    if mounted:
        made["secrets"] = [{"source": name, "target": f"{DATA}/{path}"} for name, path in mounted.items()]
    made["healthcheck"] = {
        "test": ["CMD", *app.health],
        "interval": "10s",
        "timeout": "10s",
        "retries": 3,
        "start_period": f"{app.start_s}s",
    }
    if share.memory_mb:
        made["mem_limit"] = f"{share.memory_mb}m"
    if share.cpus:
        made["cpus"] = share.cpus
    return made | _hardening(256)


def _platform(app: App) -> str:
    known = PLATFORMS[app.target.arch]
    words = [known["os"], known["architecture"]]
    # Every 64-bit Arm is v8, and engines leave that out.
    return "/".join([*words, known["variant"]] if known.get("variant") == "v7" else words)


def _network(app: App) -> dict[str, Any]:
    """The least that the app can do with."""
    addresses = [listener.address for listener in app.listeners]
    beyond = [address for address in addresses if not is_any(address)]
    if beyond or any(is_loopback(peer.host) for peer in app.peers):
        # An address of the box, 127.0.0.1 too, is one of the host's network and no other.
        return {"network_mode": "host"}
    if app.listeners:
        return {"ports": [f"{listener.port}:{listener.port}" for listener in app.listeners]}
    return {} if app.peers or app.own_source else {"network_mode": "none"}


def _device_part(needs: devices.Devices, inputs: Sequence[str], node: Node) -> dict[str, Any]:
    made: dict[str, Any] = {}
    environment = {"TZ": node.zone} if node.zone else {}
    if needs.runtime:
        made["runtime"] = needs.runtime
        if needs.runtime == "nvidia":
            environment |= {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    if environment:
        made["environment"] = environment
    if nodes := [*needs.nodes, *inputs]:
        made["devices"] = [f"{path}:{path}" for path in dict.fromkeys(nodes)]
    if needs.groups:
        made["group_add"] = [str(group) for group in needs.groups]
    return made


def _bound(paths: Sequence[str]) -> list[Any]:
    """Files of the box by their whole paths. Written long: there a `:` in a path is no separator."""
    return [
        {"type": "bind", "source": path, "target": path, "read_only": True}
        for path in paths
        if not devices.is_node(path) and not path.startswith(f"{DATA}/")
    ]


def _broker(broker: Broker) -> dict[str, Any]:
    own = brokers.service(broker)
    made = {"image": own.pop("image"), "restart": "unless-stopped", "network_mode": "host", **own}
    return made | {"mem_limit": f"{brokers.MEMORY_MB}m"} | _hardening(64)


def _hardening(processes: int) -> dict[str, Any]:
    return {
        "pids_limit": processes,
        "read_only": True,
        "tmpfs": ["/tmp:size=16m,mode=1777,noexec,nosuid,nodev"],  # noqa: S108 - inside the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }


def _sends_to(app: App, broker: Broker) -> bool:
    return any(
        peer.kind == broker.kind and peer.port == broker.port and is_loopback(peer.host) for peer in app.peers
    )


def _secrets(apps: Sequence[App], beside: Sequence[Broker]) -> dict[str, str]:
    """Names in the Compose file → files beside it."""
    known = {f"{app.name}-{name}": f"{SECRETS}/{app.name}/{name}" for app in apps for name in app.secrets}
    known |= {f"{app.name}.licence": f"{SECRETS}/{app.name}.licence" for app in apps if app.licensed}
    return known | {b.users_file: f"{SECRETS}/{b.users_file}" for b in beside if b.users}


def _check(box: Box, beside: Sequence[Broker]) -> None:
    """Raises InputError for two of a name, or at one port."""
    names = [app.name for app in box.apps]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"two projects for {box.name} are named {name}",
                where="edgepack.yaml: name",
                why="a box has one app of a name",
                fix="rename one of them",
            )
    taken: dict[int, str] = {broker.port: broker.name for broker in beside}
    for app in box.apps:
        for listener in app.listeners:
            who = f"{app.name}'s {listener.what}"
            if other := taken.get(listener.port):
                raise InputError(
                    f"{who} and {other} both want port {listener.port} of {box.name}",
                    where="edgepack.yaml",
                    why="a port of a box has one owner",
                    fix="give one of them another port",
                )
            taken[listener.port] = who


def _header(box: Box, share: Room, beside: Sequence[Broker], files: Sequence[str]) -> list[str]:
    apps = ", ".join(f"{app.name} {app.version}" for app in box.apps)
    lines = [
        f"from edgepack.yaml ({apps}) and fleet.yaml ({box.name}, {box.node.target}).",
        f"It is written anew by `edgepack export compose {box.name}`; your own changes go to {OVERRIDE}.",
        "",
        f"Room: {share.why}.",
    ]
    if files:
        lines += [
            "",
            f"Secrets are files beside this one, which edgepack never writes; the app's for user {USER}:",
        ]
        lines += [f"  {file}" for file in files]
        lines += [f"Who may use {broker.name}: {broker.how_users()}" for broker in beside if broker.users]
    return lines


def _override(box: Box) -> str:
    app = box.apps[0]
    return (
        f"# Yours: edgepack made it once and never writes it again. Compose lays it over {FILE}.\n"
        "# An example, for a camera and for pictures that are put into a folder of the box:\n"
        "#\n"
        "# services:\n"
        f"#   {app.name}:\n"
        "#     devices:\n"
        '#       - "/dev/video0:/dev/video0"\n'
        "#     group_add:\n"
        '#       - "44"\n'
        "#     volumes:\n"
        f'#       - "/srv/{app.name}:{DATA}"\n'
        "services:\n"
        f"  {app.name}: {{}}\n"  # 1.29 takes a file without any service for one of the first version
    )
