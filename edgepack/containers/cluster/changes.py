"""Objects → the cluster, each after what it needs; what became of each, and whose fields are whose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgepack.box.errors import PreflightError
from edgepack.containers.cluster.errors import OwnerConflictError, ServerRefusedError
from edgepack.containers.cluster.server import Object, Server, clean, who

State = Literal["created", "changed", "unchanged", "removed"]
_FIRST = ("Namespace", "CustomResourceDefinition", "ResourceQuota", "LimitRange", "ServiceAccount", "Secret")
_NEXT = ("ConfigMap", "PersistentVolumeClaim", "NetworkPolicy", "Service")
_LAST = ("PodDisruptionBudget", "Deployment", "DaemonSet", "StatefulSet", "Job", "CronJob")
# What the server keeps of an object beside what somebody wants of it.
_OWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
_CONFLICT = re.compile(r'conflict with "(.*)"')


@dataclass(frozen=True)
class Change:
    """What became of one object."""

    one: Object
    state: State
    uid: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        metadata = self.one["metadata"]
        told = {"kind": self.one["kind"], "name": metadata["name"], "state": self.state}
        return told | ({"namespace": metadata["namespace"]} if metadata.get("namespace") else {})


def ordered(objects: Sequence[Object]) -> list[Object]:
    """Namespaces before what is in them, workloads after what they name."""
    rank = {kind: number for number, kind in enumerate(_FIRST + _NEXT)}
    rank |= {kind: 100 + number for number, kind in enumerate(_LAST)}
    return sorted(objects, key=lambda one: rank.get(one["kind"], 50))


def known(server: Server, objects: Sequence[Object]) -> None:
    """Raises PreflightError with every kind that this cluster is too old for, or has not."""
    missing = []
    for one in objects:
        try:
            server.path(one)
        except ServerRefusedError as error:
            if error.code != 404:
                raise
            missing.append(f"{one['apiVersion']} {who(one)}")
    if missing:
        raise PreflightError(
            f"the cluster, {server.version()}, does not know everything that is to be applied",
            where=server.where,
            detail="\n".join(missing),
            why="it is too old for it, or lacks an extension",
            fix="leave it out in the overlay, by a patch with `$patch: delete`; nothing was changed",
        )


def plan(server: Server, objects: Sequence[Object], *, force: bool) -> list[Change]:
    """What would become of each, as the server itself says: nothing is changed. Raises OwnerConflictError
    with all conflicts, and what else the server refuses."""
    made, conflicts, absent = [], [], set()
    for one in ordered(objects):
        if one["metadata"].get("namespace") in absent:
            made.append(Change(one, "created"))  # not asked: the server would miss the namespace
            continue
        try:
            change = send(server, one, dry=True, force=force)
        except ServerRefusedError as error:
            if not error.causes:
                raise
            conflicts += list(_told(server, one, error))
            continue
        made.append(change)
        if one["kind"] == "Namespace" and change.state == "created":
            absent.add(one["metadata"]["name"])
    if conflicts:
        raise OwnerConflictError(
            "somebody else has set fields that these objects set otherwise",
            where=server.where,
            detail="\n".join(conflicts),
            why="each field has one owner; edgepack takes none from another unasked",
            fix="leave the field out in the overlay, where it stays theirs; or take it: --force-conflicts. "
            "Nothing was changed",
        )
    return made


def send(server: Server, one: Object, *, dry: bool = False, force: bool = False) -> Change:
    """One object, and whether that changed anything."""
    before = server.get(server.path(one))
    after = server.apply(one, dry=dry, force=force)
    uid = clean(after.get("metadata", {}).get("uid"), 64)
    if before is None:
        return Change(one, "created", uid)
    return Change(one, "unchanged" if _wanted(before) == _wanted(after) else "changed", uid)


def _wanted(one: Object) -> Object:
    """What somebody asked for: without what the server and its controllers write."""
    metadata = {key: value for key, value in one.get("metadata", {}).items() if key not in _OWN}
    notes = metadata.pop("annotations", None) or {}
    metadata["annotations"] = {
        k: v for k, v in notes.items() if not k.startswith("deployment.kubernetes.io/")
    }
    return {key: value for key, value in one.items() if key != "status"} | {"metadata": metadata}


# ---- conflicts


def _told(server: Server, one: Object, error: ServerRefusedError) -> Iterator[str]:
    there = server.get(server.path(one)) or {}
    for field, words in error.causes:
        owner = _CONFLICT.search(words)
        yield (f"{who(one)}: {field} belongs to {owner[1] if owner else words}{_value(one, there, field)}")


def _value(one: Object, there: Object, field: str) -> str:
    if one["kind"] == "Secret":
        return ""
    theirs, ours = (list(_at(value, field)) for value in (there, one))
    told = f", who has it at {clean(json.dumps(theirs[0]), 80)}" if theirs else ""
    return told + (f"; the overlay says {clean(json.dumps(ours[0]), 80)}" if ours else "")


def _at(value: Any, field: str) -> Iterator[Any]:
    """The value at ``.spec.containers[name="doors"].image``, as the server writes such places."""
    if not field:
        yield value
    elif field.startswith(".") and isinstance(value, dict):
        rest = field[1:]
        # A key may have dots of its own: the longest that fits is meant.
        for key in sorted((k for k in value if rest.startswith(k)), key=len, reverse=True):
            if rest[len(key) :][:1] in ("", ".", "["):
                yield from _at(value[key], rest[len(key) :])
                return
    elif field.startswith("[") and isinstance(value, list):
        inside, _, rest = field[1:].partition("]")
        pairs = dict(re.findall(r"([A-Za-z0-9_]+)=(\"[^\"]*\"|[^,]+)", inside))
        for item in value:
            if isinstance(item, dict) and all(json.dumps(item.get(k)) == v for k, v in pairs.items()):
                yield from _at(item, rest)
                return
