"""The last set that became ready, in a ConfigMap of its namespace: what a stalled rollout goes back to."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Sequence
from typing import Any

from edgepack.containers.cluster.errors import ServerRefusedError
from edgepack.containers.cluster.rollout import WORKLOADS
from edgepack.containers.cluster.server import Object, Server, who

_LIMIT = 900_000  # of the 1 MiB that a ConfigMap has
_MAX_BYTES = 32 << 20
_KEY, _DIGEST = "objects.json.gz", "sha256"


def digest(objects: Sequence[Object]) -> str:
    """Of the set, without its Secrets."""
    return hashlib.sha256(_json(objects)).hexdigest()


def _json(objects: Sequence[Object]) -> bytes:
    # Who may read a ConfigMap may not read a Secret.
    plain = [one for one in objects if one["kind"] != "Secret"]
    return json.dumps(sorted(plain, key=lambda one: (one["kind"], who(one))), sort_keys=True).encode()


def fits(objects: Sequence[Object]) -> bool:
    """Whether there is room for it."""
    return len(_packed(objects)) <= _LIMIT


def _packed(objects: Sequence[Object]) -> str:
    return base64.b64encode(gzip.compress(_json(objects), mtime=0)).decode()


def _place(namespace: str, name: str) -> Object:
    metadata = {"name": f"edgepack-last-{name}", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def write(server: Server, namespace: str, name: str, objects: Sequence[Object]) -> None:
    """This set became ready. One that has no room is not kept, and neither is the one before it."""
    content = {_KEY: _packed(objects)} if fits(objects) else {}
    one = _place(namespace, name) | {"binaryData": content, "data": {_DIGEST: digest(objects)}}
    there = server.get(server.path(one))
    if there is None or (there.get("data"), there.get("binaryData") or {}) != (one["data"], content):
        server.apply(one, dry=False, force=True)


def read(server: Server, namespace: str, name: str, now: Sequence[Object]) -> list[Object]:
    """The set before; none at the first time. Raises ServerRefusedError for one that somebody else put there.

    Who may write ConfigMaps of this namespace may not write everything else, and an operator often may. So it
    gives only what ``now`` could hold as well: its kinds, in its namespaces, and of the cluster nothing new.
    What ``now`` does not make any more is not needed for a way back: it goes once what is new is ready.
    """
    there = server.get(server.path(_place(namespace, name)))
    packed = (there or {}).get("binaryData") or {}
    if _KEY not in packed:
        return []
    try:
        allowed = {_scope(one) for one in now}
        for one in [one for one in now if one["kind"] in WORKLOADS]:
            allowed |= {_scope(one | {"kind": kind}) for kind in WORKLOADS}
        found = [one for one in json.loads(_unpacked(packed[_KEY])) if _scope(one) in allowed]
        good = bool(found)
    except (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, RecursionError, zlib.error):
        good = False
    if not good:
        raise ServerRefusedError(
            f"the ConfigMap edgepack-last-{name} does not hold what edgepack writes there",
            where=f"{server.where}, namespace {namespace}",
            why="a rollback would apply what it says",
            fix=f"look at it, then remove it: kubectl -n {namespace} delete configmap edgepack-last-{name}",
        )
    return found


def _unpacked(packed: Any) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(packed, validate=True))) as stream:
        raw = stream.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise ValueError("too large")
    return raw


def _scope(one: Object) -> tuple[str, ...]:
    metadata = one["metadata"]
    where = metadata.get("namespace")
    kind = (str(one["apiVersion"]), str(one["kind"]))
    return (*kind, "in", str(where)) if where else (*kind, "named", str(metadata["name"]))
