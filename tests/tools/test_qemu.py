from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from edgepack.errors import Exit, ToolError
from edgepack.tools import qemu
from tests.tools import packages

HOST = qemu.host_arch()
NAME = f"qemu-{qemu.NAMES[HOST]}"

# For the host's own programs this is an emulator that works: it needs to emulate nothing.
TRIVIAL = b'#!/bin/sh\n[ "$1" = --version ] && echo "trivial version 1.2.3" && exit\nexec "$@"\n'
BROKEN = b"#!/bin/sh\necho 'cannot emulate' >&2\nexit 1\n"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without emulators, without apt and with an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", "file:/nowhere")


def program(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.chmod(0o755)
    return file


def pin(tmp_path: Path, content: bytes, path: str = "pool/main/q.deb") -> Path:
    package = packages.package(path, content)
    row = {
        "host": HOST,
        "package": package.name,
        "version": package.version,
        "path": path,
        "size": package.size,
        "sha256": package.sha256,
        "source": package.source,
    }
    file = tmp_path / "pins.json"
    file.write_text(json.dumps({"pins": [row]}))
    return file


def test_the_probe_program_runs_to_its_end_on_this_host(tmp_path: Path) -> None:
    file = program(tmp_path / "probe", qemu.probe(HOST))
    assert subprocess.run([file], check=False).returncode == qemu.PROBE_EXIT


@pytest.mark.parametrize("arch", qemu.NAMES)
def test_the_probe_of_another_architecture_does_not_run_here(tmp_path: Path, arch: str) -> None:
    if arch == HOST:
        return
    file = program(tmp_path / "probe", qemu.probe(arch))
    with pytest.raises(OSError, match="Exec format"):
        subprocess.run([file], check=False)


@pytest.mark.parametrize("name", [NAME, f"{NAME}-static"])
def test_an_emulator_on_the_path_is_found_with_its_version(tmp_path: Path, name: str) -> None:
    assert qemu.find(HOST) is None
    emulator = program(tmp_path / "bin" / name, TRIVIAL)
    assert qemu.find(HOST) == emulator
    assert qemu.version(emulator) == "1.2.3"


def test_an_emulator_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = program(tmp_path / "bin" / NAME, TRIVIAL)
    new = TRIVIAL.replace(b"1.2.3", b"10.0.13")
    content = packages.deb({f"usr/bin/{NAME}": new})
    program(tmp_path / "archive/pool/main/q.deb", content)
    pins = pin(tmp_path, content)
    assert qemu.find(HOST, pins, least=(1, 2)) == old
    assert qemu.find(HOST, pins, least=(10,)) is None
    with packages.archive(tmp_path / "archive") as base:
        monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", base)
        emulator = qemu.fetch(HOST, lambda *_: None, pins, least=(10,))
        assert emulator.read_bytes() == new
        with pytest.raises(ToolError) as refused:
            qemu.fetch(HOST, lambda *_: None, pins, least=(11,))
    assert "10.0.13 is too old for programs with shared libraries" in refused.value.detail
    assert qemu.find(HOST, pins) == old


def test_an_emulator_that_does_not_run_a_program_is_not_found(tmp_path: Path) -> None:
    broken = program(tmp_path / "bin" / NAME, BROKEN)
    assert qemu.find(HOST) is None
    assert "cannot emulate" in (qemu.why_not(broken, HOST) or "")


def test_an_emulator_is_fetched_once_and_found_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packages.deb({"usr/bin/other": b"x", f"usr/bin/{NAME}": TRIVIAL})
    program(tmp_path / "archive/pool/main/q.deb", content)
    pins = pin(tmp_path, content)
    said: list[str] = []
    with packages.archive(tmp_path / "archive") as base:
        monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", f"http://127.0.0.1:1 {base}")
        emulator = qemu.fetch(HOST, lambda text, *_: said.append(text), pins)
    assert said == ["fetching thing 2.0-1", "unpacking thing 2.0-1"]
    assert emulator.is_relative_to(tmp_path / "cache")
    assert qemu.find(HOST, pins) == emulator
    said.clear()
    assert qemu.fetch(HOST, lambda text, *_: said.append(text), pins) == emulator
    assert said == []


REFUSED = {
    "no archive has it": (TRIVIAL, "pool/gone.deb", "404"),
    "it does not work here": (BROKEN, "pool/main/q.deb", "cannot emulate"),
}


@pytest.mark.parametrize(("content", "path", "words"), REFUSED.values(), ids=REFUSED)
def test_where_none_can_be_had_it_says_what_was_tried_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, path: str, words: str
) -> None:
    package = packages.deb({f"usr/bin/{NAME}": content})
    program(tmp_path / "archive/pool/main/q.deb", package)
    pins = pin(tmp_path, package, path)
    with packages.archive(tmp_path / "archive") as base:
        monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", base)
        with pytest.raises(ToolError) as caught:
            qemu.fetch(HOST, lambda *_: None, pins)
    error = caught.value
    assert error.exit_code == Exit.TOOL
    assert words in error.detail
    assert "qemu-user-static" in error.fix
    assert "EDGEPACK_DEBIAN_MIRROR" in error.fix


def test_every_pin_says_where_it_comes_from_and_names_no_host() -> None:
    rows = json.loads(qemu.PINS.read_text())["pins"]
    assert {row["host"] for row in rows} == {"x86_64", "aarch64"}
    assert len({row["sha256"] for row in rows}) == len(rows)
    for row in rows:
        assert len(row["sha256"]) == 64
        assert row["size"] > 10_000_000
        assert row["path"].startswith("pool/")
        assert "Packages" in row["source"]
    assert "://" not in qemu.PINS.read_text()
