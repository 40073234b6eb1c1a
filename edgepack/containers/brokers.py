"""Redis and MQTT beside the apps, where a sink's host is the box itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgepack.containers.app import App, Peer, is_loopback
from edgepack.errors import InputError

# The projects' own images: what they are called, and the account that owns their data folder, from the
# `adduser` of their Dockerfiles (github.com/redis/docker-library-redis, alpine;
# github.com/eclipse-mosquitto/mosquitto, docker/2.0). Redis 7.2 is the last under the BSD licence.
IMAGES = {"redis": "redis:7.2-alpine", "mqtt": "eclipse-mosquitto:2.0"}
ACCOUNTS = {"redis": "999:1000", "mqtt": "1883:1883"}
DATA = {"redis": "/data", "mqtt": "/mosquitto/data"}
CONFIG = "/mosquitto/config/mosquitto.conf"
MEMORY_MB = 96  # a container's; Redis itself stops at _REDIS_MB, and the sink's spool holds what comes then
_REDIS_MB = 64


@dataclass(frozen=True)
class Broker:
    """One of them. ``users``: somebody logs in, so a file of the user's says who may."""

    kind: str
    port: int
    name: str
    hosts: tuple[str, ...]
    users: bool

    @property
    def users_file(self) -> str:
        """The name of the secret that holds its users."""
        return f"{self.name}-users"

    def how_users(self) -> str:
        """How that file is made, in one line."""
        owner = f"for user {ACCOUNTS[self.kind].partition(':')[0]}"
        if self.kind == "mqtt":
            return f"mosquitto_passwd -c secrets/{self.users_file} NAME, {owner}."
        named = "default where the sink says no name"
        line = "`user NAME on >PASSWORD ~* &* +@all`"
        return f"secrets/{self.users_file}, {owner}, with {line} ({named})."


def of(apps: Sequence[App]) -> list[Broker]:
    """One for each port that apps of one box send to on the box itself. Raises InputError where two clash."""
    found: dict[int, list[Peer]] = {}
    for app in apps:
        for peer in app.peers:
            if peer.kind in IMAGES and is_loopback(peer.host):
                found.setdefault(peer.port, []).append(peer)
    taken = {app.name for app in apps}
    brokers = []
    for port, peers in sorted(found.items()):
        kind = peers[0].kind
        if any(peer.kind != kind for peer in peers):
            raise InputError(
                f"two sinks take port {port} of the box for different things",
                where="edgepack.yaml: sink",
                why="one says redis, another mqtt",
                fix="give one of them another port",
            )
        name = kind if kind not in taken else f"{kind}-{port}"
        while name in taken:
            name += "_"
        taken.add(name)
        hosts = tuple(sorted({peer.host for peer in peers}))
        brokers.append(Broker(kind, port, name, hosts, any(p.user or p.password for p in peers)))
    return brokers


def service(broker: Broker) -> dict[str, Any]:
    """What of its service is its own."""
    made: dict[str, Any] = {"image": IMAGES[broker.kind], "user": ACCOUNTS[broker.kind]}
    if broker.kind == "redis":
        made["command"] = _redis(broker)
        made["healthcheck"] = _health(["redis-cli", "-p", str(broker.port), "ping"])
    elif not broker.users:
        host = broker.hosts[0]
        asked = ["mosquitto_sub", "-h", host, "-p", str(broker.port), "-t", "$SYS/broker/version"]
        made["healthcheck"] = _health([*asked, "-C", "1", "-W", "5"])
    made["volumes"] = [f"{broker.name}-data:{DATA[broker.kind]}"]
    if broker.kind == "mqtt":
        made["volumes"].append(f"./{broker.name}.conf:{CONFIG}:ro")
    if broker.users:
        made["secrets"] = [broker.users_file]
    return made


def mosquitto_conf(broker: Broker) -> str:
    """Its configuration, which no command line can say."""
    hosts = ["localhost"] if any(not host[0].isdigit() and ":" not in host for host in broker.hosts) else []
    lines = [f"listener {broker.port} {host}" for host in hosts or broker.hosts]
    lines.append(f"allow_anonymous {'false' if broker.users else 'true'}")
    if broker.users:
        lines.append(f"password_file /run/secrets/{broker.users_file}")
    lines += ["persistence true", f"persistence_location {DATA['mqtt']}/"]
    return "\n".join(lines) + "\n"


def _redis(broker: Broker) -> list[str]:
    addresses = sorted({host for host in broker.hosts if host[0].isdigit()} | {"127.0.0.1"})
    # With the minus, an address that the box does not have is left out.
    words = ["redis-server", "--bind", *addresses, "-::1", "--port", str(broker.port)]
    words += ["--dir", DATA["redis"], "--appendonly", "yes"]
    words += ["--maxmemory", f"{_REDIS_MB}mb", "--maxmemory-policy", "noeviction"]
    return [*words, "--aclfile", f"/run/secrets/{broker.users_file}"] if broker.users else words


def _health(command: list[str]) -> dict[str, Any]:
    return {"test": ["CMD", *command], "interval": "10s", "timeout": "10s", "retries": 3}
