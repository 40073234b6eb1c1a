from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.observe.errors import NoLogError
from edgepack.observe.logs import Wanted, logs
from edgepack.ship.deploy import deploy
from tests.releases import APP, Program, bundle


def test_the_last_lines_and_those_that_come(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(NoLogError, match="no log on this box yet"):
        list(logs(endpoint, APP))
    chatty = 'sleep 0.3 2>/dev/null || sleep 1; echo "round $up"'
    deploy(endpoint, bundle(tmp_path / "one", Program(each_round=chatty)))
    first, second, *_ = logs(endpoint, APP, Wanted(lines=1000))
    assert first.endswith("starts")
    assert second == "hello from 1.0.0"
    assert len(list(logs(endpoint, APP, Wanted(lines=2)))) == 2
    assert "confirm digits" in list(logs(endpoint, APP, Wanted("journal")))[-1]
    followed = logs(endpoint, APP, Wanted(lines=1, follow=True))
    seen = [next(followed) for _ in range(3)]
    followed.close()
    assert all(line.startswith("round ") for line in seen)
    assert len(set(seen)) > 1


def test_a_log_that_is_emptied_is_followed_on(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, bundle(tmp_path / "one"))
    log = Path(endpoint.root) / "apps" / APP / "data" / "log"
    followed = logs(endpoint, APP, Wanted(lines=1, follow=True))
    assert next(followed) == "hello from 1.0.0"
    with log.open("a") as out:
        out.write("before ")
    log.write_text("")
    with log.open("a") as out:
        out.write("after\n")
    assert next(followed).endswith("after")
    followed.close()


def remarks(endpoint: Endpoint, wanted: Wanted) -> tuple[list[str], list[str]]:
    """What is there already, and what is remarked beside it."""
    told: list[str] = []
    lines = logs(endpoint, APP, wanted, told.append)
    shown = []
    if not wanted.follow:
        shown = list(lines)
    else:
        threading.Timer(2, say, [endpoint, "at last"]).start()
        for line in lines:
            shown.append(line)
            if line == "at last":
                break
        lines.close()
    return shown, told


def log(endpoint: Endpoint) -> Path:
    return Path(endpoint.root) / "apps" / APP / "data" / "log"


def say(endpoint: Endpoint, line: str) -> None:
    """As if the program had."""
    with log(endpoint).open("a") as out:
        out.write(line + "\n")


def test_a_program_that_has_said_nothing_yet_is_told_apart_from_an_empty_answer(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    silent = Program().script().decode().replace("echo ", ": ")
    deploy(endpoint, bundle(tmp_path / "one", Program(text=silent)))
    for wanted in (Wanted(), Wanted(lines=1), Wanted(follow=True)):
        shown, (remark,) = remarks(endpoint, wanted)
        assert shown[0].endswith("starts")
        assert re.fullmatch(rf"{APP} has said nothing since it was started; it runs since 2.*Z", remark)
        if wanted.follow:
            assert shown[1:] == ["at last"]
    assert remarks(endpoint, Wanted()) == ([shown[0], "at last"], [])
    log(endpoint).write_text("")
    shown, (remark,) = remarks(endpoint, Wanted())
    assert shown == []
    assert "it runs since" in remark


@pytest.mark.parametrize("wanted", [Wanted(lines=0), Wanted("journal"), Wanted(lines=1)])
def test_nothing_is_remarked_where_the_lines_cannot_tell(
    endpoint: Endpoint, tmp_path: Path, wanted: Wanted
) -> None:
    deploy(endpoint, bundle(tmp_path / "one"))
    say(endpoint, "2026-01-01T00:00:00Z edgepack: ended with 3; again in 1 s")
    assert remarks(endpoint, wanted)[1] == []
