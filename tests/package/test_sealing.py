"""The model's layer of a bundle: as it is, or as ciphertext that is the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import InputError
from edgepack.manifest import project as manifests
from edgepack.manifest.project import Project
from edgepack.model.sealed import unseal, write_key
from edgepack.package import sealing
from edgepack.package.bundle import Content
from tests import digits
from tests.model_keys import KEY, STRANGER

SAID = f'encryption: {{id: "{KEY.id}", key: {{file: digits.key}}}}\n'


@pytest.fixture
def model(tmp_path: Path) -> dict[str, Content]:
    found = {}
    for name in ("model/model.bin", "model/second/model.bin", "model/model.param"):
        file = tmp_path / name.replace("/", "-")
        file.write_bytes(name.encode() * 9000)
        found[name] = Content(file)
    return found


def project(folder: Path, more: str = "") -> Project:
    copy = digits.copy(folder / "digits", folder / "cache")
    if more:
        copy.rewrite("edgepack.yaml", "targets:\n", f"{more}targets:\n")
    return manifests.load(copy.folder)


def test_without_a_key_it_is_as_it_was(model: dict[str, Content], tmp_path: Path) -> None:
    plain = project(tmp_path)
    assert sealing.sealed(plain, model, tmp_path) == model
    assert sealing.release(plain.manifest) == {}


def test_every_file_is_encrypted_and_the_same_each_time(model: dict[str, Content], tmp_path: Path) -> None:
    said = project(tmp_path, SAID)
    said.file("digits.key").write_bytes(write_key(KEY))
    for again in ("1", "2"):
        (tmp_path / again).mkdir()
    once, twice = (sealing.sealed(said, model, tmp_path / again) for again in ("1", "2"))
    assert set(once) == set(model)
    for name, content in once.items():
        first, second = content.source, twice[name].source
        assert isinstance(first, Path)
        assert isinstance(second, Path)
        assert first.read_bytes() == second.read_bytes()
        assert unseal(KEY, first.read_bytes()) == name.encode() * 9000
        assert content.mode == model[name].mode
    assert sealing.release(said.manifest) == {"encryption": {"key": KEY.id, "device": "hardware"}}


@pytest.mark.parametrize("key", [None, STRANGER])
def test_a_key_that_is_missing_or_another_packages_nothing(
    model: dict[str, Content], tmp_path: Path, key: object
) -> None:
    said = project(tmp_path, SAID)
    if key is STRANGER:
        said.file("digits.key").write_bytes(write_key(STRANGER))
    (tmp_path / "into").mkdir()
    with pytest.raises(InputError):
        sealing.sealed(said, model, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []
