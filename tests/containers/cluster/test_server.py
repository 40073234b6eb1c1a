"""What goes wrong between here and an API server: one sentence with its exit code, and no token."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.box.errors import HostKeyError, PreflightError, UnreachableError
from edgepack.containers.cluster import changes, server
from edgepack.containers.cluster.errors import OwnerConflictError
from edgepack.errors import EdgepackError, InputError, ToolError

from .api import Answer, Api, served

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "doors"}}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "doors"}}
PLACE = "/api/v1/namespaces/doors/configmaps/settings"


@pytest.fixture
def api() -> Iterator[Api]:
    with served() as made:
        yield made


def status(code: int, message: str, **details: Any) -> Answer:
    return code, {"kind": "Status", "code": code, "message": message, "details": details}


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 40))
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * (1 << 20))


REFUSED: list[tuple[Any, type[EdgepackError], str]] = [
    (status(401, "Unauthorized"), UnreachableError, "does not take these credentials"),
    (status(403, 'User "u" cannot patch'), PreflightError, 'User "u" cannot patch'),
    (status(422, "data: Invalid value"), PreflightError, "data: Invalid value"),
    (status(429, "later"), PreflightError, "later"),
    ((500, b"<html>"), PreflightError, "it answers 500"),
    ((200, b"<html>hello"), UnreachableError, "does not speak as an API server does"),
    ((200, b"[" * 100_000), UnreachableError, "does not speak as an API server does"),
    ((200, b"[1]"), UnreachableError, "does not speak as an API server does"),
    ((302, b""), PreflightError, "it answers 302"),
    (endless, UnreachableError, "answers with more than 32 MiB"),
    (status(403, "\x1b[2Jcleared\n" + "x" * 5000), PreflightError, "?[2Jcleared xxx"),
]


@pytest.mark.parametrize(("answer", "kind", "said"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_what_a_server_answers(api: Api, tmp_path: Path, answer: Any, kind: type, said: str) -> None:
    api.answers[f"PATCH {PLACE}"] = answer
    there = server.connect(api.kubeconfig(tmp_path), None)
    with pytest.raises(kind) as caught:
        changes.send(there, SETTINGS)
    words = str(caught.value.as_dict())
    assert said in words
    assert "very-secret" not in words
    assert len(words) < 2000
    assert f"here (127.0.0.1:{api.port})" in words


def test_a_server_that_says_nothing_is_given_up(
    tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api.port = silent.getsockname()[1]
        with pytest.raises(UnreachableError, match="not reached") as caught:
            server.connect(api.kubeconfig(tmp_path), None).get("/version")
    assert "no answer within" in caught.value.why
    with pytest.raises(UnreachableError, match="not reached"):
        server.connect(api.kubeconfig(tmp_path), None).get("/version")


def test_a_certificate_of_somebody_else_is_not_spoken_to(tmp_path: Path, api: Api) -> None:
    import ssl
    import threading

    from tests.containers.cluster.tls import self_signed

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path / "theirs"))
    ours, _ = self_signed(tmp_path / "ours")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def once() -> None:
            taken, _ = listening.accept()
            with taken, pytest.raises(ssl.SSLError):
                context.wrap_socket(taken, server_side=True)

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        file = api.kubeconfig(tmp_path)
        known = yaml.safe_load(file.read_text())
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        known["clusters"][0]["cluster"] = {"server": url, "certificate-authority": str(ours)}
        file.write_text(yaml.safe_dump(known))
        with pytest.raises(HostKeyError, match="does not vouch for"):
            server.connect(file, None).get("/version")
        thread.join(30)


def test_every_conflict_is_told_with_who_owns_what(api: Api, tmp_path: Path) -> None:
    there = SETTINGS | {"data": {"TZ": "Asia/Tokyo", "a.b": "1"}}
    causes = [
        {"reason": "FieldManagerConflict", "field": ".data.TZ", "message": 'conflict with "ops" using v1'},
        {"reason": "FieldManagerConflict", "field": ".data.a.b", "message": 'conflict with "helm" using v1'},
    ]
    api.answers[f"GET {PLACE}"] = (200, there)
    api.answers[f"PATCH {PLACE}"] = status(409, "Apply failed with 2 conflicts", causes=causes)
    api.answers["PATCH /api/v1/namespaces/doors"] = api.answers["GET /api/v1/namespaces/doors"] = (
        200,
        NAMESPACE,
    )
    cluster = server.connect(api.kubeconfig(tmp_path), None)
    with pytest.raises(OwnerConflictError) as caught:
        changes.plan(cluster, [SETTINGS | {"data": {"TZ": "UTC"}}, NAMESPACE], force=False)
    assert caught.value.detail.splitlines() == [
        'ConfigMap settings: .data.TZ belongs to ops, who has it at "Asia/Tokyo"; the overlay says "UTC"',
        'ConfigMap settings: .data.a.b belongs to helm, who has it at "1"',
    ]
    patches = [path for method, path, _ in api.asked if method == "PATCH"]
    assert [path.partition("?")[0] for path in patches] == ["/api/v1/namespaces/doors", PLACE]
    assert all("dryRun=All" in path and "fieldManager=edgepack" in path for path in patches)


def test_a_kind_that_the_cluster_has_not_is_told_with_all_others(api: Api, tmp_path: Path) -> None:
    odd = [
        {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "doors"}}
        for version, kind in (("policy/v1", "PodDisruptionBudget"), ("v1", "Cat"), ("../../v1", "Dog"))
    ]
    with pytest.raises(PreflightError) as caught:
        changes.known(server.connect(api.kubeconfig(tmp_path), None), [NAMESPACE, *odd])
    assert caught.value.detail.splitlines() == [
        "policy/v1 PodDisruptionBudget x",
        "v1 Cat x",
        "../../v1 Dog x",
    ]
    assert not [path for _, path, _ in api.asked if ".." in path]


KUBECONFIGS: list[tuple[str, str]] = [
    ("", "the kubeconfig"),
    ("users: [very-secret", "cannot be read (ParserError)"),
    ("- very-secret", "there is no cluster to speak to"),
    ("apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n", "there is no cluster"),
]


@pytest.mark.parametrize(
    ("content", "said"), KUBECONFIGS, ids=["empty", "no YAML", "a list", "nothing in it"]
)
def test_a_kubeconfig_that_is_none(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    with pytest.raises(InputError) as caught:
        server.connect(file, None)
    words = str(caught.value.as_dict())
    assert said in words
    assert "very-secret" not in words


def test_a_context_that_is_not_there(api: Api, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        server.connect(api.kubeconfig(tmp_path), "elsewhere")
    assert "it names here" in caught.value.why
    with pytest.raises(InputError):
        server.connect(tmp_path / "nowhere", None)


def test_without_the_client_it_says_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(ToolError) as caught:
        server.connect(tmp_path, None)
    assert "pip install 'edgepack[kubernetes]'" in caught.value.fix
