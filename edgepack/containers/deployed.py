"""The Compose file of one app that `edgepack deploy` brings to a node with `runs: compose`.

The release is mounted over an image of nothing, or of a libc; the box's script (box/sh/compose.sh) says where
it lies, where its data are, and as whom it runs: three variables that Compose fills in.
"""

from __future__ import annotations

from typing import Any

from edgepack.containers import compose, room, text
from edgepack.containers.app import DATA, App
from edgepack.containers.brokers import IMAGES
from edgepack.containers.compose import Box
from edgepack.errors import InputError
from edgepack.manifest.sinks import is_loopback

NO_BASE = "localhost/edgepack/none:1"  # the box makes it: an image without a file
RELEASES = "/releases"  # below it the release has its digest for a name, by which the program calls itself


def render(box: Box, release: str, libc: str) -> tuple[str, tuple[str, ...]]:
    """The file, and what a person should know. ``release``: 64 hexadecimal digits.

    ``libc``: what the program needs, "static" or "glibc 2.31".

    Raises InputError where the program needs a libc and the node names no `base`.
    """
    (app,) = box.apps
    if libc != "static" and box.node.base is None:
        raise InputError(
            f"{app.name} needs {libc}, and a container of {box.name} has none",
            where=f"fleet.yaml: nodes.{box.name}",
            why="the release is mounted over `base`, and without one over an image without a file",
            fix=f"name an image of that box's with {libc} or newer, like `base: debian:12-slim`",
        )
    warnings: list[str] = []
    share = room.of(app.target, box.node, 1, 0)
    service: dict[str, Any] = compose.service(box, app, share, (), warnings)
    bound = [volume for volume in service["volumes"] if isinstance(volume, dict)]
    for name in ("platform", "secrets", "volumes", "image", "restart"):
        service.pop(name, None)
    service = text.without_interpolation(service)
    place = f"{RELEASES}/{release}"
    program = f"{place}/bin/{app.name}"
    service["healthcheck"]["test"] = ["CMD", program, "health", "--data", DATA]
    own = {
        "image": box.node.base or NO_BASE,
        "entrypoint": [program],
        "command": ["run", "--data", DATA],
        "user": "${EDGEPACK_USER}",
        "restart": "no",  # box/sh/program.sh starts it again; after a power cut not before `repair`
        "volumes": [
            {"type": "bind", "source": "${EDGEPACK_RELEASE}", "target": place, "read_only": True},
            {"type": "bind", "source": "${EDGEPACK_DATA}", "target": DATA},
            *text.without_interpolation(bound),
        ],
    }
    header = [
        f"by `edgepack deploy {box.name}` for {app.name} {app.version}; it is written anew each time.",
        f"Room: {share.why}.",
    ]
    return text.document({"services": {app.name: own | service}}, header), (*warnings, *_brokers(app))


def _brokers(app: App) -> list[str]:
    return [
        f"it sends to {peer.kind} at {peer.host}:{peer.port}, and a deploy starts no broker: "
        "edgepack export compose writes one"
        for peer in app.peers
        if peer.kind in IMAGES and is_loopback(peer.host)
    ]
