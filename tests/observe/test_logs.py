from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.observe.errors import NoLogError
from edgepack.observe.logs import logs
from edgepack.ship.deploy import deploy
from tests.releases import APP, Program, bundle


def test_the_last_lines_and_those_that_come(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(NoLogError, match="no log on this box yet"):
        list(logs(endpoint, APP))
    chatty = 'sleep 0.3 2>/dev/null || sleep 1; echo "round $up"'
    deploy(endpoint, bundle(tmp_path / "one", Program(each_round=chatty)))
    first, second, *_ = logs(endpoint, APP, lines=1000)
    assert first.endswith("starts")
    assert second == "hello from 1.0.0"
    assert len(list(logs(endpoint, APP, lines=2))) == 2
    assert "confirm digits" in list(logs(endpoint, APP, "journal"))[-1]
    followed = logs(endpoint, APP, lines=1, follow=True)
    seen = [next(followed) for _ in range(3)]
    followed.close()
    assert all(line.startswith("round ") for line in seen)
    assert len(set(seen)) > 1


def test_a_log_that_is_emptied_is_followed_on(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, bundle(tmp_path / "one"))
    log = Path(endpoint.root) / "apps" / APP / "data" / "log"
    followed = logs(endpoint, APP, lines=1, follow=True)
    assert next(followed) == "hello from 1.0.0"
    with log.open("a") as out:
        out.write("before ")
    log.write_text("")
    with log.open("a") as out:
        out.write("after\n")
    assert next(followed).endswith("after")
    followed.close()
