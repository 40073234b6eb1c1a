from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.session import Box
from edgepack.errors import InputError
from edgepack.observe.ask import ask
from edgepack.observe.errors import NoAnswerError
from edgepack.ship.deploy import deploy
from tests.releases import APP, Program, bundle


def image(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    path.write_bytes(b"P5 " + b"x" * (size - 3))
    return path


def quiet(stage: str, done: int, total: int) -> None:
    pass


def test_answers_come_in_the_order_of_the_files(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, bundle(tmp_path / "one"))
    files = [image(tmp_path, f"b{n} odd name'$(x).pgm", 20 + n) for n in range(12)]
    files += [image(tmp_path, "a.pgm", 90_000), files[0]]
    told: list[int] = []
    found = ask(endpoint, APP, files, lambda stage, done, total: told.append(done))
    assert [answer["class"] for answer in found] == [file.stat().st_size for file in files]
    assert [answer["file"] for answer in found] == [file.name for file in files]
    assert told[-1] == len(files)
    assert ask(endpoint, APP, files[:1], quiet)[0]["class"] == 20
    inbox = Path(endpoint.root) / "apps" / APP / "data" / "inbox"
    assert [p.name for p in inbox.iterdir()] == [".rejected"]


def test_a_file_that_the_program_cannot_read(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, bundle(tmp_path / "one"))
    (tmp_path / "bad.pgm").write_bytes(b"BROKEN")
    with pytest.raises(NoAnswerError, match="has no answer to this file") as caught:
        ask(endpoint, APP, [image(tmp_path, "a.pgm", 9), tmp_path / "bad.pgm"], quiet)
    assert "bad.pgm" in caught.value.where
    assert "bad.pgm" in caught.value.why
    assert "ask-" not in caught.value.why
    with pytest.raises(InputError, match="cannot be read"):
        ask(endpoint, APP, [image(tmp_path, "a.pgm", 9), tmp_path / "missing.pgm"], quiet)


def test_a_program_that_does_not_answer(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match="does not answer on this box: no release"):
        ask(endpoint, APP, [image(tmp_path, "a.pgm", 9)], quiet)
    text = Program().script().decode().replace('"$data"/inbox/*', '"$data"/nowhere/*')
    deploy(endpoint, bundle(tmp_path / "one", Program(text=text)))
    with pytest.raises(NoAnswerError, match="answered 0 of 1 files in time") as caught:
        ask(endpoint, APP, [image(tmp_path, "a.pgm", 9)], quiet, timeout_s=2)
    assert "within 2 s" in caught.value.why
    with Box(endpoint) as box:
        box.call("lock", "t", "test")
        box.call("stop", "t", APP)
        box.call("unlock", "t")
    with pytest.raises(NoAnswerError, match="does not answer on this box: stopped"):
        ask(endpoint, APP, [image(tmp_path, "a.pgm", 9)], quiet)
