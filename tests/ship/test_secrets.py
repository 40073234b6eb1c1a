"""Secrets: fetched from where they are kept, on the box in files for one account, and seen nowhere else."""

from __future__ import annotations

import contextlib
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import BoxError
from edgepack.errors import EdgepackError
from edgepack.manifest.fleet import Node
from edgepack.manifest.secrets import SecretSource
from edgepack.ship.deploy import DeployOptions, deploy
from edgepack.ship.secrets import MAX_SECRET, Secret, argv, resolve
from tests.releases import APP, Program, bundle

VALUE = "p'a$s\\ w*rd"

SOURCES: dict[str, tuple[dict[str, object], Callable[[Path], object]]] = {
    "env": ({"env": "EDGEPACK_TEST_SECRET"}, lambda _: None),
    "file": ({"file": "kept/it"}, lambda f: _write(f / "kept" / "it", VALUE + "\n")),
    "command": ({"command": ["cat", "it"]}, lambda f: _write(f / "it", VALUE + "\n")),
}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("way", SOURCES)
def test_each_way_gives_the_value(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, make = SOURCES[way]
    make(tmp_path)
    monkeypatch.setenv("EDGEPACK_TEST_SECRET", VALUE)
    found = resolve({"it": SecretSource.model_validate(said)}, tmp_path)
    assert found["it"].reveal() == VALUE.encode()
    assert VALUE not in f"{found} {found['it']!r} {found['it']}"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"env": "EDGEPACK_NOT_SET"},
            "the secret it is not to be had: the variable EDGEPACK_NOT_SET is not set",
        ),
        ({"file": "nowhere"}, "nowhere cannot be read"),
        ({"command": ["sh", "-c", "echo half-of-it; echo no key >&2; exit 3"]}, "sh ended with 3"),
        ({"command": ["edgepack-no-such-program"]}, "the secret it is not to be had"),
        ({"command": ["true"]}, "the secret it is empty"),
        ({"command": ["head", "-c", str(MAX_SECRET + 1), "/dev/zero"]}, "has more than 65536 bytes"),
        ({"age": "a", "identity": "b"}, "the secret it is not to be had"),
    ],
)
def test_what_is_not_to_be_had_is_told_by_name(tmp_path: Path, said: dict[str, object], words: str) -> None:
    with pytest.raises(EdgepackError) as caught:
        resolve({"it": SecretSource.model_validate(said)}, tmp_path)
    assert words in caught.value.what
    shown = f"{caught.value.what}{caught.value.why}{caught.value.detail}"
    assert "half-of-it" not in shown


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"sops": "site.enc.yaml", "key": "mqtt"},
            ("sops", "decrypt", "--extract", '["mqtt"]', "/p/site.enc.yaml"),
        ),
        (
            {"age": "box.age", "identity": "/k/id"},
            ("age", "--decrypt", "--identity", "/k/id", "/p/box.age"),
        ),
        ({"command": ["pass", "show", "a b"]}, ("pass", "show", "a b")),
        ({"env": "X"}, ()),
    ],
)
def test_the_command_lines(said: dict[str, object], expected: tuple[str, ...]) -> None:
    assert argv(SecretSource.model_validate(said), Path("/p")) == expected


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"env": "A", "file": "b"},
        {"sops": "x"},
        {"key": "x"},
        {"age": "x"},
        {"env": "a b"},
        {"command": []},
        {"vault": "x"},
    ],
)
def test_a_source_says_one_way_and_all_of_it(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SecretSource.model_validate(said)


@pytest.mark.parametrize("name", ["../x", ".hidden", "a/b", "-x", "a\nb", ""])
def test_a_name_is_a_files_name(name: str) -> None:
    with pytest.raises(ValidationError):
        Node.model_validate({"target": "x86_64", "address": "sandbox", "secrets": {name: {"env": "A"}}})


def options(**secrets: str) -> DeployOptions:
    return DeployOptions(secrets={name: Secret(value.encode()) for name, value in secrets.items()})


def folder(endpoint: Endpoint) -> Path:
    return Path(endpoint.root) / "apps" / APP / "data"


def on_box(endpoint: Endpoint) -> dict[str, str]:
    return {file.name: file.read_text() for file in (folder(endpoint) / "secrets").iterdir()}


def test_they_lie_on_the_box_for_one_account_and_nowhere_else(endpoint: Endpoint, tmp_path: Path) -> None:
    one = bundle(tmp_path / "1")
    first = deploy(endpoint, one, options(mqtt=VALUE, rtsp="two\nlines"))
    assert on_box(endpoint) == {"mqtt": VALUE, "rtsp": "two\nlines"}
    secrets = folder(endpoint) / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o600}
    assert VALUE not in str(first.as_dict())
    seen = [
        file
        for file in Path(endpoint.root).rglob("*")
        if file.is_file() and VALUE in file.read_text("latin-1")
    ]
    assert [file.name for file in seen] == ["mqtt"]

    assert deploy(endpoint, one, options(mqtt=VALUE, rtsp="two\nlines")).outcome == "nothing to do"
    assert deploy(endpoint, one).outcome == "nothing to do"
    assert set(on_box(endpoint)) == {"mqtt", "rtsp"}  # nothing said: they are left alone
    assert deploy(endpoint, one, options(mqtt="other")).outcome == "started again"
    assert on_box(endpoint) == {"mqtt": "other"}
    assert len(list(folder(endpoint).glob(".secrets-*"))) == 1
    assert deploy(endpoint, one, options()).outcome == "started again"
    assert on_box(endpoint) == {}


def test_a_release_that_is_not_proven_brings_none(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, bundle(tmp_path / "1"), options(mqtt="old"))
    with pytest.raises(EdgepackError) as caught:
        deploy(endpoint, bundle(tmp_path / "2", Program("2.0.0", verify_status=8)), options(mqtt=VALUE))
    assert on_box(endpoint) == {"mqtt": "old"}
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_a_folder_that_is_a_persons_own_is_left_alone(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, bundle(tmp_path / "1"))
    own = folder(endpoint) / "secrets"
    own.mkdir()
    (own / "mine").write_text("by hand")
    with pytest.raises(BoxError, match="edgepack did not make it"):
        deploy(endpoint, bundle(tmp_path / "1"), options(mqtt=VALUE))
    assert on_box(endpoint) == {"mine": "by hand"}
    with contextlib.suppress(OSError):
        assert not list(folder(endpoint).glob(".secrets-*"))
