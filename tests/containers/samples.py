"""Projects and boxes to render files for, as a user writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edgepack.catalog import targets
from edgepack.containers import app
from edgepack.containers.app import App
from edgepack.manifest import fleet
from edgepack.manifest import project as manifests
from edgepack.manifest.fleet import Node

HTTP = {"kind": "http", "port": 8080, "address": "0.0.0.0"}
MQTT = {"kind": "mqtt", "host": "127.0.0.1", "topic": "site/{host}/answers"}
REDIS = {"kind": "redis", "host": "localhost", "key": "answers"}


def write(
    folder: Path,
    name: str = "doors",
    nodes: dict[str, Any] | None = None,
    targets: tuple[str, ...] = (),
    **more: Any,
) -> Path:
    """A project's folder, with a fleet."""
    boxes = nodes or {"box-07": {"target": "raspberry-pi-4", "address": "192.0.2.7"}}
    wanted = targets or tuple({box["target"] for box in boxes.values()})
    project = folder / name
    project.mkdir(parents=True, exist_ok=True)
    (project / "m.onnx").write_bytes(b"not looked into")
    manifest = {"name": name, "version": "1.0.0", "model": {"file": "m.onnx"}}
    manifest |= {"targets": {target: {} for target in wanted}, **more}
    (project / "edgepack.yaml").write_text(yaml.safe_dump(manifest))
    (project / "fleet.yaml").write_text(yaml.safe_dump({"nodes": boxes}))
    return project


def made(folder: Path, **more: Any) -> tuple[App, str, Node]:
    """The app of such a project on its first box."""
    place = write(folder, **more)
    project = manifests.load(place)
    name, node = next(iter(fleet.load(place).nodes.items()))
    return app.of(project, targets.load(node.target, place), node), name, node
