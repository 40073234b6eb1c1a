"""What was applied here before: so what an overlay makes no more is removed, and nothing of anybody else's.

A ConfigMap of the namespace names it. Who may write ConfigMaps there may name anything, so it is no more than
a hint: removed is only what lies in a namespace of the new set, holds no data, and was applied by edgepack
alone, as the server itself has noted of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from edgepack.containers.cluster.errors import ServerRefusedError
from edgepack.containers.cluster.server import MANAGER, Object, Server, clean, who

# What may hold data, or what others use: it stays, also where nothing names it any more.
STAYS = ("Namespace", "PersistentVolumeClaim", "PersistentVolume", "Secret", "CustomResourceDefinition")
_KEY, _LABEL = "objects.json", "edgepack.dev/inventory"
_LIMIT, _WORD = 900_000, 300
Identity = tuple[str, str, str, str]  # group, kind, namespace, name: the same thing in another version


@dataclass
class Gone:
    """What the new set does not make any more: with its uid what is removed, and why others stay."""

    removed: list[tuple[Object, str]] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)


def identity(one: Object) -> Identity:
    """Which object of the cluster it is."""
    group = one["apiVersion"].rpartition("/")[0]
    return group, one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def read(server: Server, namespace: str, name: str) -> list[Object]:
    """What was applied under that name, no more of each than where it lies."""
    return list(_listed(server.get(server.path(_place(namespace, name)))))


def write(server: Server, namespace: str, name: str, objects: Sequence[Object]) -> None:
    """From now on these."""
    rows = sorted({(o["apiVersion"], *identity(o)[1:]) for o in objects})
    lines = ",\n".join(json.dumps(row) for row in rows)
    content = f"[\n{lines}\n]\n"
    if len(content) > _LIMIT:  # nothing of it would be removed
        content = "[]\n"
    one = _place(namespace, name) | {"data": {_KEY: content}}
    there = server.get(server.path(one))
    if there is None or there.get("data") != one["data"]:
        server.apply(one, dry=False, force=True)


def gone(server: Server, namespace: str, name: str, wanted: Sequence[Object]) -> Gone:
    """What is there, was applied by edgepack, and is not wanted any more."""
    made = {identity(one) for one in wanted}
    spaces = {one["metadata"]["namespace"] for one in wanted if "namespace" in one["metadata"]}
    left = [one for one in read(server, namespace, name) if identity(one) not in made]
    found = Gone()
    if not left:
        return found
    try:
        others = {identity(one) for one in _of_others(server, namespace, name)}
    except ServerRefusedError as error:
        found.stays += [f"{who(one)}: it cannot be seen whose it is, {error.why}" for one in left]
        return found
    for one in left:
        there = _there(server, one) if one["metadata"].get("namespace") in spaces else None
        if there is None or identity(one) in others:
            continue
        if why := _not_ours(one, there):
            found.stays.append(f"{who(one)}: {why}")
        else:
            found.removed.append((one, clean(there["metadata"].get("uid"), 64)))
    return found


def ours(server: Server, one: Object) -> bool:
    """Whether such an object is there, and edgepack alone applied it."""
    there = _there(server, one)
    return there is not None and not _not_ours(one, there)


def _there(server: Server, one: Object) -> Object | None:
    try:
        if not server.kind(one["apiVersion"], one["kind"])[1]:  # the whole cluster's, whatever is said of it
            return None
        return server.get(server.path(one), meta=True)
    except ServerRefusedError as error:
        if error.code in (403, 404):  # it cannot be seen, or its kind is gone from the cluster
            return None
        raise


def _not_ours(one: Object, there: Object) -> str:
    if one["kind"] in STAYS:
        return "it may hold what somebody needs"
    metadata = there.get("metadata") or {}
    if metadata.get("ownerReferences"):
        return "another object has it for its own"
    listed = [entry for entry in metadata.get("managedFields") or () if isinstance(entry, dict)]
    managers = {clean(entry.get("manager"), 60) for entry in listed if entry.get("operation") == "Apply"}
    if MANAGER not in managers:
        return "it is another one of that name, which edgepack did not apply"
    if managers != {MANAGER}:
        return f"{', '.join(sorted(managers - {MANAGER}))} applies it, too"
    return ""


def _of_others(server: Server, namespace: str, name: str) -> Iterator[Object]:
    """What other apps of this namespace have applied."""
    place = f"/api/v1/namespaces/{quote(namespace, safe='')}/configmaps"
    listed = server.get(place, labelSelector=_LABEL, limit="500") or {}
    mine = _place(namespace, name)["metadata"]["name"]
    for there in listed.get("items") or ():
        if isinstance(there, dict) and (there.get("metadata") or {}).get("name") != mine:
            yield from _listed(there)


def _listed(there: Object | None) -> Iterator[Object]:
    """What a ConfigMap names; of one that somebody else wrote, nothing."""
    try:
        rows = json.loads(str(((there or {}).get("data") or {}).get(_KEY, "[]")))
    except (ValueError, RecursionError, AttributeError):
        return
    for row in rows if isinstance(rows, list) else ():
        if (
            isinstance(row, list)
            and len(row) == 4
            and all(isinstance(w, str) and len(w) < _WORD for w in row)
        ):
            version, kind, namespace, name = row
            metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
            yield {"apiVersion": version, "kind": kind, "metadata": metadata}


def _place(namespace: str, name: str) -> Object:
    labels = {_LABEL: "true"}
    metadata = {"name": f"edgepack-applied-{name}", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
