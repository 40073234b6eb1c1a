"""What a container needs of the box's accelerator, from the target's facts alone, each with its source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from edgepack.catalog.targets import Target
from edgepack.containers.app import App
from edgepack.errors import InputError

# Compose reads `HOST:CONTAINER:rights` in a device, so nothing else may stand in one.
_NODE = re.compile(r"/dev/[A-Za-z0-9._/*-]{1,128}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_FOLDER = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}){1,16}", re.ASCII)
_RESOURCE = re.compile(r"[a-z0-9.-]{1,120}/[A-Za-z0-9._-]{1,63}", re.ASCII)


@dataclass(frozen=True)
class Devices:
    """Device nodes and folders of such, numbers of groups, the container runtime, the resource that a plugin
    of Kubernetes announces, folders of the box that hold the driver's own libraries."""

    nodes: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    runtime: str = ""
    resource: str = ""
    mounts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def of(app: App) -> Devices:
    """Of what the app's target has. Raises InputError for a fact that is not in the form of one."""
    if not app.has_device:
        return Devices()
    target = app.target
    runtime = _text(target, "container_runtime", _WORD)
    resource = _text(target, "device_plugin", _RESOURCE)
    nodes, remarks = _nodes(target)
    if not (runtime or nodes):
        remarks.append(f"targets/{target.file.name} names no device: add what {app.runtime} needs")
    return Devices(
        nodes=() if runtime else tuple(nodes),
        groups=_groups(target),
        runtime=runtime,
        resource=resource,
        mounts=tuple(_mounts(target)),
        remarks=tuple(remarks),
    )


def is_node(path: str) -> bool:
    """Whether a path is one of a device, and can stand in a file as such."""
    return bool(_NODE.fullmatch(path)) and ".." not in PurePosixPath(path).parts and "*" not in path


def _nodes(target: Target) -> tuple[list[str], list[str]]:
    nodes: dict[str, None] = {}
    remarks = []
    for path in _leaves(_fact(target, "devices")):
        if not isinstance(path, str) or not is_node(path.replace("*", "x")):
            raise _wrong(target, "devices", path, "a device is a path like /dev/galcore or /dev/dri/card*")
        folder = str(PurePosixPath(path).parent)
        if "*" not in path:
            nodes[path] = None
        elif folder != "/dev" and "*" not in folder:
            nodes[folder] = None  # neither Compose nor Kubernetes knows patterns; a folder is given whole
        else:
            remarks.append(f"{path} is a pattern: add the device that the box has")
    whole = [node for node in nodes if not any(node.startswith(f"{other}/") for other in nodes)]
    return whole, remarks


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    for item in value if isinstance(value, list) else [] if value is None else [value]:
        if isinstance(item, list):
            yield from item
        else:
            yield item


def _groups(target: Target) -> tuple[int, ...]:
    value = _fact(target, "device_groups")
    numbers = value if isinstance(value, list) else [] if value is None else [value]
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 31:
            raise _wrong(target, "device_groups", number, "a group is a number: names differ in the image")
    return tuple(numbers)


def _mounts(target: Target) -> Iterator[str]:
    for path in _leaves(_fact(target, "container_mounts")):
        if (
            not isinstance(path, str)
            or not _FOLDER.fullmatch(path)
            or f"{path}/".startswith(("/data/", "/proc/"))
        ):
            raise _wrong(
                target, "container_mounts", path, "this must be a folder of the box by its whole path"
            )
        yield path


def _text(target: Target, name: str, form: re.Pattern[str]) -> str:
    value = _fact(target, name)
    if value is None:
        return ""
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _wrong(target, name, value, "this must be a name, like nvidia or nvidia.com/gpu")
    return value


def _fact(target: Target, name: str) -> Any:
    known = target.about.facts.known().get(name)
    return known.value if known else None


def _wrong(target: Target, name: str, value: Any, why: str) -> InputError:
    return InputError(
        f"the fact `{name}` cannot be used: {value!r}",
        where=f"targets/{target.file.name}",
        why=why,
        fix="correct it there, with its source",
    )
