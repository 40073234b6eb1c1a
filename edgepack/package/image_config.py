"""How a container of an image runs: OCI's image configuration, and docker's health check in it.

Fields after https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md; ``Healthcheck``, which that
only reserves, as docker writes it: https://docs.docker.com/reference/dockerfile/#healthcheck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgepack.bundle import Bundle
from edgepack.manifest.project import Manifest
from edgepack.manifest.sources import ANSWERS
from edgepack.oci import PLATFORMS
from edgepack.package.image_base import Base
from edgepack.package.image_layers import DATA, USER, ImageLayer

_SECOND = 1_000_000_000  # nanoseconds
_LOOPBACK = ("127.", "::1")


@dataclass(frozen=True)
class Listens:
    """A port of the program's own: ``what`` it is for, in words of the manifest."""

    what: str
    address: str
    port: int

    @property
    def outside(self) -> bool:
        """Whether somebody outside of the container can reach it."""
        return not self.address.startswith(_LOOPBACK)


@dataclass(frozen=True)
class Runs:
    """What of the manifest matters to a container."""

    listens: tuple[Listens, ...] = ()
    start_s: int = 30  # until it must be healthy


def runs(manifest: Manifest) -> Runs:
    """What a container of this project listens at, and how long it may take to start."""
    found = []
    if manifest.form == "service":
        service = manifest.service
        ports = {"service.http": service.http, "service.grpc": service.grpc}
        found += [Listens(name, service.address, port) for name, port in ports.items() if port]
    elif isinstance(manifest.source, ANSWERS):
        found.append(Listens("source", manifest.source.address, manifest.source.port))
    if manifest.metrics:
        found.append(Listens("metrics", manifest.metrics.address, manifest.metrics.port))
    return Runs(tuple(found), manifest.health.timeout)


def image_config(
    bundle: Bundle, base: Base, layers: Sequence[ImageLayer], how: Runs, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The configuration of one target's image; no time in it."""
    root = f"/opt/{bundle.name}" if base.foreign else ""
    program = f"{root}/bin/{bundle.name}"
    health = {
        "Test": ["CMD", program, "health", "--data", f"/{DATA}"],
        "Interval": 10 * _SECOND,
        "Timeout": 10 * _SECOND,
        "StartPeriod": how.start_s * _SECOND,
        "Retries": 3,
    }
    settings: dict[str, Any] = {
        "User": f"{USER}:{USER}",
        "Env": _with_path(base.env, f"{root}/bin"),
        "Entrypoint": [program],
        "Cmd": ["run", "--data", f"/{DATA}"],
        "WorkingDir": f"/{DATA}",
        "Volumes": {f"/{DATA}": {}},
        "StopSignal": "SIGTERM",
        "Labels": dict(labels),
        "Healthcheck": health,
    }
    ports: dict[str, dict[str, str]] = {f"{one.port}/tcp": {} for one in how.listens if one.outside}
    if ports:
        settings["ExposedPorts"] = ports
    return {
        **PLATFORMS[bundle.arch],
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created_by": f"edgepack image: {layer.kind}"} for layer in layers],
    }


def _with_path(env: Sequence[str], folder: str) -> list[str]:
    """A base's environment, in which the program is found by its name: Compose and Kubernetes ask it so."""
    path = next((word.removeprefix("PATH=") for word in env if word.startswith("PATH=")), "")
    others = [word for word in env if not word.startswith("PATH=")]
    folders = [folder, *(other for other in path.split(":") if other not in ("", folder))]
    return [f"PATH={':'.join(folders)}", *others]
