"""The API server, through the official client: what a kubeconfig says, and requests that have limits.

The client reads the kubeconfig, makes the TLS connection and brings the credentials; paths are made here. Its
DynamicClient is not used: what a server says of itself it keeps in a shared folder, under a name that anybody
can foresee, and takes for objects the next time.
"""

from __future__ import annotations

import importlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from edgepack import __version__
from edgepack.box.errors import HostKeyError, UnreachableError
from edgepack.containers.cluster.errors import ServerRefusedError
from edgepack.errors import InputError, ToolError

Object = dict[str, Any]
MANAGER = "edgepack"
CONNECT_S, ANSWER_S, MAX_BYTES = 10.0, 60.0, 32 << 20
_VERSION = re.compile(r"([a-z0-9.-]{1,253}/)?v[a-z0-9]{1,62}", re.ASCII)
_APPLY = "application/apply-patch+yaml"
_META = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


def clean(words: object, most: int = 400) -> str:
    """A server's words for a terminal."""
    text = " ".join(str(words or "").split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def who(one: Object) -> str:
    """``DaemonSet doors-aarch64``."""
    return f"{one['kind']} {one['metadata']['name']}"


class Server:
    """One cluster's API server. Every error of a request is one of ours."""

    def __init__(self, client: Any, exceptions: tuple[Any, Any], context: str) -> None:
        self._client = client
        self._refusals, self._breaks = exceptions
        self.context = clean(context, 100)
        parts = urlsplit(str(client.configuration.host))
        self.where = f"{self.context} ({clean(parts.hostname, 100)}{f':{parts.port}' if parts.port else ''})"
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self.now = datetime.now(UTC)  # the server's own clock, once it has answered

    # ---- requests

    def get(self, path: str, *, meta: bool = False, **query: str) -> Object | None:
        """What lies there; None where nothing does. ``meta``: without its values."""
        code, said = self._ask("GET", path, query=query, accept=_META if meta else "application/json")
        return None if code == 404 else self._taken(code, said, path)

    def apply(self, one: Object, *, dry: bool, force: bool) -> Object:
        """Server-side apply: what becomes of the object."""
        query = {"fieldManager": MANAGER, "force": "true" if force else "false"}
        query |= {"dryRun": "All"} if dry else {}
        code, said = self._ask("PATCH", self.path(one), body=one, query=query, content=_APPLY)
        return self._taken(code, said, who(one))

    def create(self, path: str, one: Object) -> Object:
        """A new object. Raises ServerRefusedError with code 409 where there is one."""
        code, said = self._ask("POST", path, body=one, query={"fieldManager": MANAGER})
        return self._taken(code, said, who(one))

    def replace(self, path: str, one: Object) -> Object:
        """As it is in whole; code 409 where somebody changed it since it was read."""
        code, said = self._ask("PUT", path, body=one, query={"fieldManager": MANAGER})
        return self._taken(code, said, who(one))

    def delete(self, path: str, uid: str) -> None:
        """That very object, if it is there still; another of its name stays."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        code, said = self._ask("DELETE", path, body={**body, "preconditions": {"uid": uid}})
        if code not in (404, 409):
            self._taken(code, said, path)

    # ---- paths

    def path(self, one: Object) -> str:
        """Where an object lies. Raises InputError or ServerRefusedError."""
        plural, namespaced = self.kind(one["apiVersion"], one["kind"])
        place = _group(one["apiVersion"])
        if namespaced:
            namespace = one["metadata"].get("namespace")
            if not namespace:
                raise InputError(
                    f"{who(one)} has no namespace", fix="set `namespace:` in the overlay's kustomization.yaml"
                )
            place += f"/namespaces/{quote(namespace, safe='')}"
        return f"{place}/{plural}/{quote(one['metadata']['name'], safe='')}"

    def kind(self, version: str, kind: str) -> tuple[str, bool]:
        """Its plural, and whether it lies in a namespace. Raises ServerRefusedError."""
        if version not in self._kinds:
            code, said = self._ask("GET", _group(version)) if _VERSION.fullmatch(version) else (404, {})
            listed = [] if code == 404 else self._taken(code, said, version).get("resources") or []
            self._kinds[version] = {
                str(r["kind"]): (quote(str(r["name"]), safe=""), bool(r.get("namespaced")))
                for r in listed
                if isinstance(r, dict) and {"kind", "name"} <= r.keys() and "/" not in str(r["name"])
            }
        try:
            return self._kinds[version][kind]
        except KeyError:
            raise ServerRefusedError(f"the cluster does not know {version} {kind}", code=404) from None

    def version(self) -> str:
        """As the server names it: ``v1.32.3``."""
        code, said = self._ask("GET", "/version")
        return clean(said.get("gitVersion"), 40) if code == 200 else "of an unknown version"

    # ---- one request

    def _ask(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[int, Object]:
        headers = {"Accept": accept, "Content-Type": content, "User-Agent": f"edgepack/{__version__}"}
        request = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(*request, _request_timeout=(CONNECT_S, ANSWER_S)).response
            raw = _whole(answer)
        except (self._refusals, self._breaks, OSError) as error:
            raise self._broken(error) from None
        self._clock(answer.headers.get("Date"))
        try:
            said = json.loads(raw or b"{}")
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            if answer.status < 400:
                raise self._broken(ValueError("what answers there does not speak as an API server does"))
            said = {}
        return int(answer.status), said

    def _clock(self, date: str | None) -> None:
        try:
            self.now = parsedate_to_datetime(date or "").astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            self.now = datetime.now(UTC)

    def _taken(self, code: int, said: Object, what: str) -> Object:
        """The answer, or an error for what the server refused."""
        if 200 <= code < 300:
            return said
        words = clean(said.get("message")) or f"it answers {code}"
        if code == 401:
            raise UnreachableError(
                "the cluster does not take these credentials",
                where=self.where,
                why=words,
                fix="renew them as your cluster asks for, or name another: --context NAME",
            )
        details = said.get("details")
        causes = details.get("causes") if isinstance(details, dict) else None
        fixes = {
            403: "ask for that right, or name another account: --context NAME",
            429: "the server has too much to do; try again later",
        }
        raise ServerRefusedError(
            f"the cluster refuses {clean(what, 200)}",
            code=code,
            causes=[
                (clean(c.get("field"), 300), clean(c.get("message"), 300))
                for c in causes or ()
                if isinstance(c, dict) and c.get("reason") == "FieldManagerConflict"
            ],
            where=self.where,
            why=words,
            fix=fixes.get(code, "correct it in the overlay" if code in (400, 422) else ""),
        )

    def _broken(self, error: Exception) -> UnreachableError | HostKeyError:
        words = clean(getattr(error, "reason", None) or error)
        if "CERTIFICATE_VERIFY_FAILED" in words or "certificate verify failed" in words:
            return HostKeyError(
                "the API server shows a certificate that the kubeconfig does not vouch for",
                where=self.where,
                why=words,
                fix="take a fresh kubeconfig from who runs the cluster; nothing was sent",
            )
        if "timed out" in words or "Timeout" in type(error).__name__:
            words = f"no answer within {CONNECT_S:.0f} s to connect and {ANSWER_S:.0f} s to answer"
        return UnreachableError(
            "the API server is not reached", where=self.where, why=words, fix="is the context the right one?"
        )


def _whole(answer: Any) -> bytes:
    """Its body, of a size and in a time that an API server needs."""
    until, taken = time.monotonic() + ANSWER_S, bytearray()
    try:
        for chunk in answer.stream(1 << 16, decode_content=False):
            taken += chunk
            if len(taken) > MAX_BYTES:
                raise OSError(f"it answers with more than {MAX_BYTES >> 20} MiB")
            if time.monotonic() > until:
                raise TimeoutError("timed out")
    except BaseException:
        answer.close()  # with its connection: the rest is not waited for
        raise
    return bytes(taken)


def _group(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def connect(kubeconfig: Path | None, context: str | None) -> Server:
    """What the kubeconfig names. Nothing is sent yet. Raises ToolError, InputError."""
    try:
        # Its types are hundreds of generated files, which mypy would read for minutes.
        client, config = (importlib.import_module(f"kubernetes.{part}") for part in ("client", "config"))
        urllib3 = importlib.import_module("urllib3")
    except ImportError as error:
        raise ToolError(
            "the Kubernetes client for Python is not here",
            why=clean(error),
            fix="pip install 'edgepack[kubernetes]'; or by hand: kubectl apply --server-side -k OVERLAY",
        ) from error
    file = str(kubeconfig) if kubeconfig else None
    settings = client.Configuration()
    try:
        _, active = config.list_kube_config_contexts(file)
        config.load_kube_config(file, context, settings, persist_config=False)
    except config.ConfigException as error:
        raise _no_config(clean(error), _contexts(config, file)) from None
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OSError,
        importlib.import_module("yaml").YAMLError,
    ) as error:
        # Its own words might show a line of the file, and tokens are there.
        raise _no_config(f"it cannot be read ({type(error).__name__})", ()) from None
    settings.retries = urllib3.Retry(0, redirect=False, respect_retry_after_header=False)
    breaks = urllib3.exceptions.HTTPError
    return Server(client.ApiClient(settings), (client.ApiException, breaks), context or str(active["name"]))


def _contexts(config: Any, file: str | None) -> Sequence[str]:
    try:
        return [clean(one["name"], 100) for one in config.list_kube_config_contexts(file)[0]]
    except Exception:  # noqa: BLE001 - only for a hint, of a file that is wrong already
        return ()


def _no_config(why: str, contexts: Sequence[str]) -> InputError:
    known = f"; it names {', '.join(contexts)}" if contexts else ""
    return InputError(
        "there is no cluster to speak to",
        where="the kubeconfig",
        why=f"{why}{known}",
        fix="--kubeconfig FILE and --context NAME, or KUBECONFIG, as for kubectl",
    )
