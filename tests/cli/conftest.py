"""A project to make mistakes in: built once, and put in order after each."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.cli.main import main
from edgepack.errors import Exit
from tests import digits
from tests.cli.told import BUILD, Cli, contents, products
from tests.digits import Digits


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Digits:
    """The example, built for one target: what a mistake must leave as it is."""
    project = digits.copy(tmp_path_factory.mktemp("mistakes") / "digits", warm_cache)
    project.said(*BUILD)
    return project


@pytest.fixture
def project(built: Digits, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digits]:
    """The same, put in order afterwards, when a build must give the same bytes as if nothing had been."""
    monkeypatch.chdir(built.folder)
    for name, value in built.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(built.temporary))
    before, made = contents(built.folder), products(built)
    yield built
    _restore(built.folder, before)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(list(BUILD)) == Exit.OK
    assert products(built) == made


def _restore(folder: Path, before: dict[str, bytes]) -> None:
    after = contents(folder)
    for name in after.keys() - before.keys():
        (folder / name).unlink()
    for name, data in before.items():
        if after.get(name) != data:
            (folder / name).write_bytes(data)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)
