"""One operator at a time: a Lease in the namespace, by the server's clock. It ends by itself."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType

from edgepack.box.errors import LockedError
from edgepack.containers.cluster.errors import ServerRefusedError
from edgepack.containers.cluster.server import Object, Server, clean
from edgepack.errors import EdgepackError

_VERSION = "coordination.k8s.io/v1"
LASTS_S, _RENEW_S = 120, 30


class Lock:
    """Held from ``with`` to its end. Raises LockedError."""

    def __init__(self, server: Server, namespace: str, name: str, tell: Callable[[str], None]) -> None:
        self._server, self._tell = server, tell
        self._one: Object = {"apiVersion": _VERSION, "kind": "Lease"}
        self._one["metadata"] = {"name": f"edgepack-{name}", "namespace": namespace}
        self._mine: Object | None = None
        self._me = f"{_account()}@{socket.gethostname()}, {os.getpid()}-{os.urandom(4).hex()}"
        self._renewed = server.now

    def __enter__(self) -> Lock:
        path = self._server.path(self._one)
        try:
            there = self._server.get(path)
            if there is None:
                self._mine = self._server.create(path.rpartition("/")[0], self._written({}))
            else:
                self._refuse_if_held(there)
                self._mine = self._server.replace(path, self._written(there["metadata"]))
        except ServerRefusedError as error:
            if error.code == 409:
                raise self._locked("another one") from None
            if error.code != 403:
                raise
            self._tell(f"no lock: {error.why}; two who apply at once would not notice each other")
        return self

    def keep(self) -> None:
        """Still here: renewed where it is time. Raises LockedError where another one took it."""
        if self._mine is None or (self._server.now - self._renewed).total_seconds() < _RENEW_S:
            return
        try:
            written = self._written(self._mine["metadata"])
            self._mine = self._server.replace(self._server.path(self._one), written)
        except ServerRefusedError as error:
            self._mine = None
            if error.code in (404, 409):
                raise self._locked("another one, meanwhile,") from None
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mine is not None:
            with contextlib.suppress(EdgepackError):  # it ends by itself
                self._server.delete(self._server.path(self._one), str(self._mine["metadata"].get("uid")))

    def _written(self, metadata: Object) -> Object:
        self._renewed = self._server.now
        now = self._renewed.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        spec = {"holderIdentity": self._me, "leaseDurationSeconds": LASTS_S, "renewTime": now}
        keep = {key: metadata[key] for key in ("resourceVersion", "uid") if key in metadata}
        return {**self._one, "metadata": {**self._one["metadata"], **keep}, "spec": spec}

    def _refuse_if_held(self, there: Object) -> None:
        spec = there.get("spec") or {}
        try:
            since = datetime.fromisoformat(str(spec["renewTime"])).astimezone(UTC)
            until = since + timedelta(seconds=min(int(spec["leaseDurationSeconds"]), 3600))
        except (KeyError, ValueError, TypeError, OverflowError):
            return
        if until > self._server.now:
            raise self._locked(clean(spec.get("holderIdentity"), 100))

    def _locked(self, whom: str) -> LockedError:
        return LockedError(
            f"{whom} is applying to this namespace",
            where=f"{self._server.where}, namespace {self._one['metadata']['namespace']}",
            fix=f"wait until it is done; whose holder died ends by itself within {LASTS_S // 60} minutes",
        )


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
