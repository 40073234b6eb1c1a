"""`edgepack image` as a user calls it: what it writes, what it says, what it refuses."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgepack.bundle import open_bundle
from edgepack.cli.main import main
from edgepack.errors import Exit
from edgepack.package.bundle import write_bundle
from tests.bundles import SPEC

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
BUILT = {"x86_64": "x86_64", "aarch64": "aarch64", "raspberry-pi-4": "aarch64"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns(".edgepack", "dist", "__pycache__"))
    for target, arch in BUILT.items():
        spec = dataclasses.replace(SPEC, target=target, arch=arch)
        write_bundle(spec, folder / "dist" / f"digits@{target}")
    return folder


def said(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> Any:
    code = main(["image", "-C", str(folder), "--json", *words])
    found = json.loads(capsys.readouterr().out)
    assert code == found.get("exit_code", Exit.OK), found
    return found


def test_all_that_is_built_goes_into_one_image(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, project, "--archive", "--name", "registry.example/team/digits")
    assert found["folder"] == str(project / "dist" / "digits.oci")
    assert {one["target"]: one["platform"] for one in found["targets"] if one["in_index"]} == {
        "x86_64": "linux/amd64",
        "aarch64": "linux/arm64/v8",
    }
    assert [one["tag"] for one in found["targets"]] == [f"1.0.0-{target}" for target in BUILT]
    assert sorted(Path(file).name for file in found["archives"]) == [
        *(f"digits-1.0.0-{target}.tar" for target in sorted(BUILT)),
        "digits-1.0.0.tar",
    ]
    assert all(Path(file).is_file() for file in found["archives"])
    assert said(capsys, project)["index"] == found["index"]


def test_a_dry_run_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, project, "--dry-run", "--archive", "--push", "registry.example/digits")
    assert [row["target"] for row in found["targets"]] == list(BUILT)
    assert found["pushes_to"] == "registry.example/digits"
    planned = found["archives"]
    assert not (project / "dist" / "digits.oci").exists()
    assert not list((project / "dist").glob("*.tar"))
    assert said(capsys, project, "--archive")["archives"] == planned


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["armhf"], Exit.INPUT, "there is no bundle for armhf"),
        (["rk3588"], Exit.INPUT, "rk3588 is none of the project's targets"),
        (["--base", "alpine"], Exit.INPUT, "there is no base called alpine"),
        (["--base", "oci:nowhere"], Exit.INPUT, "this base cannot be used"),
        (["--annotation", "revision"], Exit.USAGE, "--annotation takes KEY=VALUE"),
        (["--name", "Team/Digits:1"], Exit.USAGE, "`Team/Digits:1` is not the name of a repository"),
        (["--push", "registry.example/x@y"], Exit.USAGE, "is not the name of a repository"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(
    words: list[str], code: int, what: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = said(capsys, project, *words)
    assert found["exit_code"] == code
    assert what in found["what"]
    assert not (project / "dist" / "digits.oci").exists()


def test_a_damaged_bundle_is_no_image(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = open_bundle(project / "dist" / "digits@aarch64")
    layer = bundle.folder / "blobs" / "sha256" / bundle.layers[0].digest[7:]
    data = bytearray(layer.read_bytes())
    data[600] ^= 1
    layer.write_bytes(data)
    found = said(capsys, project)
    assert found["error"] == "BundleError"
    assert not (project / "dist" / "digits.oci").exists()


def test_who_listens_on_loopback_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = project / "edgepack.yaml"
    file.write_text(file.read_text() + "\nmetrics: {port: 9090}\n")
    assert main(["image", "-C", str(project)]) == Exit.OK
    assert "metrics listens on 127.0.0.1 alone" in capsys.readouterr().err


def test_without_skopeo_nothing_is_pushed_and_one_says_so(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found = said(capsys, project, "--push", "registry.example/digits")
    assert (found["exit_code"], found["what"]) == (Exit.TOOL, "skopeo is not on this host")
    assert "install it" in found["fix"]
