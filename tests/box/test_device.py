"""What tells one box from another, for licences, as the script reads it in each shell."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgepack.box import script
from edgepack.tools.runner import command, run
from tests.box.boxsh import SHELLS, BoxSh, Failed, shells
from tests.devices import BOXES, device, fingerprint
from tests.releases import APP


@pytest.mark.parametrize("shell", shells())
@pytest.mark.parametrize("name", BOXES)
def test_each_source_of_a_box_is_told_in_its_order(name: str, shell: str, tmp_path: Path) -> None:
    files, found = BOXES[name]
    root = device(files, tmp_path / "a box")
    text = script.piped_text(b"")
    words = (*SHELLS[shell], "-s", str(tmp_path / "root"), "probe", APP)
    done = run(command(*words, stdin=text, env={"EDGEPACK_DEVICE_ROOT": str(root)}))
    assert done.ok, done.text()
    told = [line for line in done.stdout.decode().splitlines() if line.startswith("device ")]
    assert told == [f"device {source} {fingerprint(APP, source, value)}" for source, value in found]


def test_a_box_is_another_to_another_project(tmp_path: Path) -> None:
    root = device(BOXES["a Raspberry Pi"][0], tmp_path / "box")
    told = set()
    for app in (APP, "another"):
        words = command(
            "sh", "-s", tmp_path / "root", "probe", app,
            stdin=script.piped_text(b""), env={"EDGEPACK_DEVICE_ROOT": str(root)},
        )  # fmt: skip
        told |= {line for line in run(words).stdout.decode().splitlines() if line.startswith("device ")}
    assert len(told) == 4


@pytest.mark.parametrize("shell", shells())
def test_a_licence_is_a_file_of_its_own(shell: str, tmp_path: Path) -> None:
    box = BoxSh(tmp_path / "a root's $(name) * [x]", SHELLS[shell])
    token, text = box.lock("me"), b"edgepack-licence 1\napp digits\n\x1b[31m\n"
    digest = hashlib.sha256(text).hexdigest()
    with pytest.raises(Failed) as caught:
        box("secrets", token, APP, "licence", digest, stdin=text[:-3])
    assert caught.value.kind == "cut-off"
    data = box.root / "apps" / APP / "data"
    assert not list(data.iterdir())
    assert box("secrets", token, APP, "licence", digest, stdin=text) == ["licence changed"]
    assert box("secrets", token, APP, "licence", digest, stdin=text) == ["licence same"]
    file = data / "licence"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (text, 0o600)
    assert [other.name for other in data.iterdir()] == [file.name]
    shown = [line for line in box("probe", APP) if line.startswith("licence")]
    assert shown == ["licence edgepack-licence 1", "licence app digits", "licence ?[31m"]
    assert any(
        " licence digits - changed" in line for line in (box.root / "journal").read_text().splitlines()
    )


@pytest.mark.parametrize("shell", shells())
def test_keys_of_models_are_files_of_their_own(shell: str, tmp_path: Path) -> None:
    box = BoxSh(tmp_path / "a root's $(name) * [x]", SHELLS[shell])
    token, lines = box.lock("me"), [b"edgepack-key 1 digits a1\n", b"edgepack-key \x1b 1 digits b2\nmore\n"]
    for name, text in zip(("a1", "b2"), lines, strict=True):
        digest = hashlib.sha256(text).hexdigest()
        with pytest.raises(Failed, match="did not come whole"):
            box("secrets", token, APP, "key", name, digest, stdin=text[:-3])
        assert box("secrets", token, APP, "key", name, digest, stdin=text) == ["keys changed"]
        assert box("secrets", token, APP, "key", name, digest, stdin=text) == ["keys same"]
    keys = box.root / "apps" / APP / "data" / "keys"
    assert sorted(file.name for file in keys.iterdir()) == ["a1", "b2"]
    assert (keys.stat().st_mode & 0o777, (keys / "a1").stat().st_mode & 0o777) == (0o700, 0o600)
    assert [file.name for file in keys.parent.iterdir()] == ["keys"]
    shown = [line for line in box("probe", APP) if line.startswith("opens ")]
    assert shown == ["opens edgepack-key 1 digits a1", "opens edgepack-key ? 1 digits b2"]
    with pytest.raises(Failed, match="not a plain word"):
        box("secrets", token, APP, "key", "../x", "0" * 64, stdin=b"")
