"""Every mistake that a newcomer makes: one error with its place and what to do, and nothing half-built left.

The mistakes themselves, and what is told of each, are in mistakes.yaml and boxes.yaml.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from numpy.typing import NDArray

from edgepack.errors import Exit
from edgepack.sandbox import box as sandbox
from edgepack.sandbox.state import SandboxState
from edgepack.tools.qemu import host_arch
from tests.cli.told import BUILD, Cli, check, check_json, half_built, products
from tests.digits import TARGET, Digits
from tests.recipes.files import FILES

pytestmark = pytest.mark.slow

Arrays = dict[str, NDArray[Any]]
GOLDEN: dict[str, Callable[[Arrays], Arrays]] = {
    "another tensor": lambda a: {name.replace("logits", "logit"): values for name, values in a.items()},
    "another size": lambda a: {**a, "output.logits": a["output.logits"][:, :9]},
    "double precision": lambda a: {**a, "output.logits": a["output.logits"].astype(np.float64)},
    "colour images": lambda a: {**a, "input": a["input"][..., None].repeat(3, axis=3)},
    "another model": lambda a: {**a, "output.logits": -a["output.logits"]},
    "another post": lambda a: {**a, "record.class": (a["record.class"] + 1) % 10},
}


@dataclass(frozen=True)
class Mistake:
    """What somebody did, and what they must be told: see the YAML files."""

    id: str
    done: Mapping[str, Any]
    words: tuple[str, ...]
    code: int
    told: tuple[str, ...]

    def make(self, project: Digits, scratch: Path) -> None:
        for what, how in self.done.items():
            HARMS[what](project, how, scratch)


def _replace(project: Digits, how: Any, _: Path) -> None:
    for name, old, new in how if isinstance(how[0], list) else [how]:
        project.rewrite(name, old, new)


def _model(project: Digits, kind: str, scratch: Path) -> None:
    shutil.copyfile(FILES[kind](scratch), project.folder / "model/lenet.onnx")


def _golden(project: Digits, kind: str, _: Path) -> None:
    file = project.folder / "data/golden.npz"
    with np.load(file) as archive:
        arrays = GOLDEN[kind](dict(archive))
    np.savez(file, **arrays)  # type: ignore[arg-type]


def _fleet(project: Digits, line: str, _: Path) -> None:
    first = f"box-07: {{target: {TARGET}, address: sandbox}}"
    (project.folder / "fleet.yaml").write_text(f"nodes:\n  {first}\n  box-08: {line}\n")


HARMS: dict[str, Callable[[Digits, Any, Path], object]] = {
    "replace": _replace,
    "remove": lambda project, name, _: (project.folder / name).unlink(),
    "write": lambda project, how, _: (project.folder / how[0]).write_text(how[1]),
    "cut": lambda project, how, _: os.truncate(project.folder / how[0], how[1]),
    "model": _model,
    "golden": _golden,
    "fleet": _fleet,
}


def load(name: str, words: tuple[str, ...]) -> list[Mistake]:
    rows = yaml.safe_load((Path(__file__).parent / name).read_text())
    return [
        Mistake(
            id=row["id"],
            done={what: row[what] for what in HARMS if what in row},
            words=tuple(row.get("words", words)),
            code=getattr(Exit, row["code"]),
            told=(row.get("place", "fleet.yaml:3"), *row["says"], row["do"]),
        )
        for row in rows
    ]


@pytest.mark.parametrize("mistake", load("mistakes.yaml", BUILD), ids=lambda mistake: mistake.id)
def test_a_mistake_is_told_once_with_its_place_and_the_way_out(
    mistake: Mistake, project: Digits, cli: Cli, tmp_path: Path
) -> None:
    before = products(project)
    mistake.make(project, tmp_path)
    told = [_with_line(words, project.folder) for words in mistake.told]
    check(cli(*mistake.words), mistake.code, *told)
    assert products(project) == before
    assert half_built(project) == []
    if mistake.code != Exit.COMPILE:  # to compile it once more would only cost time
        check_json(cli(*mistake.words, "--json"), mistake.code, *told[1:-1])


def _with_line(words: str, folder: Path) -> str:
    """``edgepack.yaml:<heelth:>`` → ``edgepack.yaml:30``, wherever the example has that line by now."""

    def number(place: re.Match[str]) -> str:
        lines = (folder / place[1]).read_text().splitlines()
        return f"{place[1]}:{next(n for n, line in enumerate(lines, 1) if place[2] in line)}"

    return re.sub(r"([\w./-]+):<([^>]+)>", number, words)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxState]:
    """A box of this machine's own kind."""
    place = tmp_path_factory.mktemp("box")
    try:
        yield sandbox.up(place, "stand-in", host_arch(), host_arch(), lambda *_: None, "builtin")
    finally:
        sandbox.down(place, "stand-in")


@pytest.mark.skipif(
    host_arch() == "aarch64", reason="the box must be of another architecture than the bundle"
)
@pytest.mark.parametrize("mistake", load("boxes.yaml", ("deploy", "box-08")), ids=lambda mistake: mistake.id)
def test_a_box_that_is_not_what_was_written(
    mistake: Mistake, project: Digits, box: SandboxState, cli: Cli, tmp_path: Path
) -> None:
    stranger = new_key(tmp_path)
    known = {
        "port": box.port,
        "user": box.user,
        "mine": box.identity,
        "key": box.host_key,
        "arch": host_arch(),
        "closed": closed_port(),
        "stranger": stranger,
        "other": stranger.with_suffix(".pub").read_text().strip(),
    }
    _fleet(project, f"{{{mistake.done['fleet'].format(**known)}}}", tmp_path)
    told = [words.format(**known) for words in mistake.told]
    check(cli("-q", *mistake.words), mistake.code, *told)
    assert not (Path(box.root) / "apps").exists()
    assert half_built(project) == []
    check_json(cli(*mistake.words, "--json"), mistake.code, *told)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_key(folder: Path) -> Path:
    """A private key that lets nobody in anywhere, with its public half beside it."""
    key = ed25519.Ed25519PrivateKey.generate()
    file = folder / "stranger"
    form = serialization.PrivateFormat.OpenSSH
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    file.with_suffix(".pub").write_bytes(public)
    return file
