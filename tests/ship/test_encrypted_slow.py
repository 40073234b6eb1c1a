"""A program with an encrypted model on a box: there it computes, and what is copied from there does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.facts import probe
from edgepack.box.session import Box
from edgepack.bundle import Bundle
from edgepack.catalog.libraries import LibrarySpec
from edgepack.compile.library import build_library
from edgepack.compile.program import build_program
from edgepack.compile.toolchains.select import toolchain
from edgepack.model.sealed import ContentKey, seal
from edgepack.observe.status import status
from edgepack.package.bundle import BundleSpec, Content, write_bundle
from edgepack.ship.deploy import DeployOptions, deploy
from edgepack.ship.errors import NotProvenError
from edgepack.ship.model_key import Device, wrap
from edgepack.ship.rollback import rollback
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import Completed, command, run
from tests.box.boxsh import until
from tests.compile import program_project as tiny
from tests.model_keys import KEY, STRANGER
from tests.releases import APP

pytestmark = pytest.mark.slow

NO_KEY = 16
MODEL = ("model.bin", "model.param")
ELSEWHERE: Device = ("machine-id", "0" * 64)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small program, made for an encrypted model, with its model in plain and golden vectors."""
    folder = tmp_path_factory.mktemp("encrypted")
    project, work = tiny.write_project(folder / "my project"), folder / "work"
    sodium = build_library(LibrarySpec("libsodium", host_arch()), folder / "log", lambda _line: None)
    build_program(
        replace(tiny.SPEC, name=APP, encrypted=True),
        project=project,
        build=work / "build",
        toolchain=toolchain("zig", host_arch()),
        runtime=tiny.runtime(),
        dest=work / "release" / "bin",
        log=work / "log.txt",
        libraries=(sodium,),
    )
    known = tiny.weights()
    tiny.write_model(work / "release", known)
    tiny.write_golden(work / "release" / "golden", tiny.computed(tiny.images(5), known))
    return work / "release"


def bundle(release: Path, folder: Path, version: str, key: ContentKey) -> Bundle:
    """As a build packages it."""
    folder.mkdir()
    for name in MODEL:
        seal(key, release / "model" / name, folder / name)
    spec = BundleSpec(
        name=APP,
        version=version,
        target="test-board",
        arch=host_arch(),
        runtime="ncnn",
        layers={
            "program": {f"bin/{APP}": Content(release / "bin" / APP, 0o755)},
            "model": {f"model/{name}": Content(folder / name) for name in MODEL},
            "golden": {f"golden/{file.name}": Content(file) for file in (release / "golden").iterdir()},
        },
        release={
            "gates": {"cosine": 0.9999, "max_abs": 0.001, "records": 1.0},
            "health": {"timeout": 60, "min_fps": 0},
            "encryption": {"key": key.id, "device": "any"},
            "source": {"kind": "files", "path": "inbox"},
            "sink": {"kind": "jsonl", "path": "results.jsonl"},
        },
    )
    return write_bundle(spec, folder / "bundle")


def devices(endpoint: Endpoint) -> tuple[Device, ...]:
    with Box(endpoint) as box:
        found = probe(box, APP).devices
    assert found, "this machine has neither a machine-id nor a card of its own"
    return found


def verified(release: Path, *words: object) -> Completed:
    return run(command(release / "bin" / APP, "verify", *words))


def test_the_builds_own_proof_is_of_the_plain_model(release: Path) -> None:
    said = verified(release, "--plain")
    assert said.returncode == 0, said.text()
    assert json.loads(said.stdout)["samples"] == 5
    refused = verified(release)
    assert refused.returncode == NO_KEY
    assert "the model is not encrypted, and this program takes no other" in refused.text()


def test_it_is_deployed_gone_back_to_and_of_no_use_elsewhere(
    release: Path, endpoint: Endpoint, tmp_path: Path
) -> None:
    one = bundle(release, tmp_path / "1", "1.0.0", KEY)
    two = bundle(release, tmp_path / "2", "2.0.0", STRANGER)
    report = deploy(endpoint, one, DeployOptions(model_key=lambda: KEY))
    assert (report.proof or {})["samples"] == 5
    deploy(endpoint, two, DeployOptions(model_key=lambda: STRANGER))
    back = rollback(endpoint, APP)
    assert (back.version, (back.proof or {})["samples"]) == ("1.0.0", 5)
    assert until(lambda: status(endpoint, APP).running)

    # What somebody has who copied the box's disk, on a box of another number: by the key's own line.
    flash = tmp_path / "flash"
    shutil.copytree(Path(endpoint.root) / "apps" / APP, flash, symlinks=True)
    current = flash / "current"
    key = flash / "data" / "keys" / KEY.id
    assert verified(current).returncode == 0  # it is the same machine
    right = key.read_text()
    plain = {file: (release / "model" / file).read_bytes() for file in MODEL}
    for file in flash.rglob("*"):
        if file.is_file() and not file.is_symlink():
            text = file.read_bytes()
            assert KEY.value not in text
            assert not any(model in text for model in plain.values())

    def wrong(text: str | None) -> str:
        key.unlink(missing_ok=True)
        if text is not None:
            key.write_text(text)
        said = verified(current)
        assert said.returncode == NO_KEY, said.text()
        ran = run(command(current / "bin" / APP, "run", "--data", flash / "data"))
        assert ran.returncode == NO_KEY, ran.text()
        error = json.loads(said.stdout)["error"]
        assert isinstance(error, str)
        return error

    assert f"its key {KEY.id} is not on this box" in wrong(None)
    assert "was wrapped for another box, whose machine-id is another" in wrong(wrap(KEY, APP, ELSEWHERE))
    assert "was wrapped for another box, which has a soc" in wrong(wrap(KEY, APP, ("soc", "0" * 64)))
    assert f"has the key {STRANGER.id}" in wrong(wrap(STRANGER, APP, devices(endpoint)[0]))
    assert "damaged, or of a newer edgepack" in wrong("hello\n")
    assert "cannot be read" in wrong("x" * 9000)
    key.write_text(right)
    _each_file_is_whole(current)


def _each_file_is_whole(current: Path) -> None:
    changes: dict[str, Callable[[bytes], bytes]] = {
        "a bit": lambda text: text[:-1] + bytes([text[-1] ^ 1]),
        "a bit of its first": lambda text: bytes([text[0] ^ 1]) + text[1:],
        "cut": lambda text: text[:-1],
        "empty": lambda text: b"",
    }
    for name in MODEL:
        file = current / "model" / name
        whole = file.read_bytes()
        for what, change in changes.items():
            file.unlink()  # a link into the store else
            file.write_bytes(change(whole))
            said = verified(current)
            assert said.returncode == NO_KEY, (name, what, said.text())
            assert str(file.name) in json.loads(said.stdout)["error"]
        file.write_bytes(whole)
    assert verified(current).returncode == 0


def test_a_release_that_the_box_cannot_open_is_not_switched_to(
    release: Path, endpoint: Endpoint, tmp_path: Path
) -> None:
    one = bundle(release, tmp_path / "1", "1.0.0", KEY)
    deploy(endpoint, one, DeployOptions(model_key=lambda: KEY))
    # Encrypted with another key than it says.
    (tmp_path / "2").mkdir()
    said = ContentKey(bytes(32))
    wrong = bundle(release, tmp_path / "2" / "of", "2.0.0", STRANGER)
    release_says = {**wrong.release, "encryption": {"key": said.id, "device": "any"}}
    with pytest.raises(NotProvenError) as caught:
        deploy(endpoint, replace(wrong, release=release_says), DeployOptions(model_key=lambda: said))
    assert f"its key {STRANGER.id} is not on this box" in caught.value.why
    assert status(endpoint, APP).version == "1.0.0"
