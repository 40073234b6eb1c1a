"""A small HTTP server with a few paths of an API server: for what goes wrong on the way."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

Answer = tuple[int, Any]
GROUPS = {
    "/api/v1": [("Namespace", "namespaces", False), ("ConfigMap", "configmaps", True), ("Pod", "pods", True)],
    "/apis/apps/v1": [("DaemonSet", "daemonsets", True), ("Deployment", "deployments", True)],
    "/apis/coordination.k8s.io/v1": [("Lease", "leases", True)],
}


class Api:
    """Answers by method and path; what it has no answer for is not there. ``asked``: what came."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, Answer | Callable[[BaseHTTPRequestHandler], None]] = {}
        for path, kinds in GROUPS.items():
            listed = [{"kind": kind, "name": name, "namespaced": inside} for kind, name, inside in kinds]
            self.answers[f"GET {path}"] = (200, {"resources": listed})
        self.port = 0

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length) or b"null")
        path = handler.path.partition("?")[0]
        self.asked.append((handler.command, handler.path, body))
        found = self.answers.get(
            f"{handler.command} {path}", (404, {"kind": "Status", "message": "not found"})
        )
        if callable(found):
            found(handler)
            return
        code, said = found
        raw = said if isinstance(said, bytes) else json.dumps(said).encode()
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def kubeconfig(self, folder: Path, **user: Any) -> Path:
        file = folder / "kubeconfig"
        known: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "here"}
        known["clusters"] = [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}]
        known["users"] = [{"name": "u", "user": {"token": "very-secret", **user}}]
        known["contexts"] = [{"name": "here", "context": {"cluster": "c", "user": "u"}}]
        file.write_text(yaml.safe_dump(known))
        return file


@contextlib.contextmanager
def served() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            with contextlib.suppress(ConnectionError):
                api.answer(self)

        do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = do  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        yield api
        server.shutdown()
        thread.join()
