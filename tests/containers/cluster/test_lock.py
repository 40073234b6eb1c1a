"""One operator at a time, by the server's clock."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.errors import LockedError
from edgepack.containers.cluster import lock, server
from edgepack.containers.cluster.lock import Lock

from .api import Api, served

LEASES = "/apis/coordination.k8s.io/v1/namespaces/doors/leases"
PLACE = f"{LEASES}/edgepack-doors"
MINE = (200, {"metadata": {"uid": "u-1", "resourceVersion": "7"}})


@pytest.fixture
def api() -> Iterator[Api]:
    with served() as made:
        made.answers[f"DELETE {PLACE}"] = (200, {})
        yield made


def held(renewed: str) -> tuple[int, Any]:
    spec = {"holderIdentity": "ops@\x1bhost", "leaseDurationSeconds": 120, "renewTime": renewed}
    return 200, {"metadata": {"uid": "u-0", "resourceVersion": "6"}, "spec": spec}


def at(api: Api, date: str, raw: bytes = b'{"gitVersion": "v1.20.2"}') -> None:
    """The server's clock stands there, for who asks its version."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(200)
        handler.send_header("Date", date)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    api.answers["GET /version"] = answer


def made(api: Api, folder: Path, told: list[str] | None = None) -> Lock:
    there = server.connect(api.kubeconfig(folder), None)
    return Lock(there, "doors", "doors", (told if told is not None else []).append)


def test_who_is_first_has_it_and_leaves_it(api: Api, tmp_path: Path) -> None:
    api.answers[f"POST {LEASES}"] = MINE
    with made(api, tmp_path) as mine:
        mine.keep()  # not yet: it is fresh
    asked = [(method, path.partition("?")[0]) for method, path, _ in api.asked]
    assert asked[-3:] == [("GET", PLACE), ("POST", LEASES), ("DELETE", PLACE)]
    assert api.asked[-1][2]["preconditions"] == {"uid": "u-1"}


def test_who_is_second_is_told_who_is_first(api: Api, tmp_path: Path) -> None:
    api.answers[f"GET {PLACE}"] = held("2999-01-01T00:00:00.000000Z")
    with pytest.raises(LockedError, match=r"^ops@\?host is applying to this namespace$"), made(api, tmp_path):
        pass
    assert not [method for method, _, _ in api.asked if method in ("PUT", "DELETE")]


def test_whose_holder_died_is_free(api: Api, tmp_path: Path) -> None:
    api.answers[f"GET {PLACE}"] = held("2020-01-01T00:00:00.000000Z")
    api.answers[f"PUT {PLACE}"] = MINE
    with made(api, tmp_path):
        pass
    (written,) = [body for method, _, body in api.asked if method == "PUT"]
    assert written["metadata"]["resourceVersion"] == "6", "another one who takes it at once is refused"


@pytest.mark.parametrize("method", [f"POST {LEASES}", f"PUT {PLACE}"])
def test_of_two_at_the_same_moment_one_has_it(api: Api, tmp_path: Path, method: str) -> None:
    if method.startswith("PUT"):
        api.answers[f"GET {PLACE}"] = held("2020-01-01T00:00:00.000000Z")
    api.answers[method] = (409, {"message": "the object has been modified"})
    with pytest.raises(LockedError, match="another one is applying"), made(api, tmp_path):
        pass


def test_without_the_right_it_goes_on_and_says_so(api: Api, tmp_path: Path) -> None:
    told: list[str] = []
    api.answers[f"GET {PLACE}"] = (403, {"message": 'User "u" cannot get leases'})
    with made(api, tmp_path, told) as mine:
        mine.keep()
    assert told == ['no lock: User "u" cannot get leases; two who apply at once would not notice each other']


@pytest.mark.parametrize("code", [200, 404, 409])
def test_it_is_renewed_by_the_servers_clock_and_not_kept_once_it_is_lost(
    api: Api, tmp_path: Path, code: int
) -> None:
    api.answers[f"POST {LEASES}"] = MINE
    api.answers[f"PUT {PLACE}"] = (code, MINE[1] if code == 200 else {"message": "gone"})
    there = server.connect(api.kubeconfig(tmp_path), None)
    with Lock(there, "doors", "doors", [].append) as mine:
        at(api, "Fri, 01 Jan 2999 00:00:00 GMT")
        there.version()
        if code == 200:
            mine.keep()
            (written,) = [body for method, _, body in api.asked if method == "PUT"]
            assert written["spec"]["renewTime"].startswith("2999-01-01T00:00:00")
            assert written["spec"]["leaseDurationSeconds"] == lock.LASTS_S
        else:
            with pytest.raises(LockedError, match="another one, meanwhile, is applying"):
                mine.keep()
