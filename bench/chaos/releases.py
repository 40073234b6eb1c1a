"""Releases of the digits example to deploy in turn, built once and kept by what they are made of."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edgepack.bundle import IDENTITY, open_bundle
from edgepack.package.bundle import BundleSpec, Content, write_bundle
from edgepack.tools import cache
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "digits"
APP = "digits"
# Three in turn: what is deployed is never on the box already, nor is it the one to go back to.
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
WRONG = "6.6.6"  # whole and signed off by its own digests, and computes something else
HEALTH_S = 5  # of the example's 30: the box's guard acts 45 s after it


@dataclass(frozen=True)
class Release:
    """One bundle. ``sums``: path → sha256 of what is to lie on the box."""

    version: str
    folder: Path

    @cached_property
    def digest(self) -> str:
        return open_bundle(self.folder).digest.removeprefix("sha256:")

    @cached_property
    def sums(self) -> Mapping[str, str]:
        return {file.path: file.sha256 for file in open_bundle(self.folder).files}


def built(arch: str = "") -> tuple[Release, ...]:
    """All of VERSIONS for this host or for ``arch``, then WRONG."""
    arch = arch or host_arch()
    kept = cache.root() / "bench" / f"chaos-{arch}-{_key()}"
    with cache.locked(kept):
        if not kept.is_dir():
            making = kept.with_name(f"{kept.name}.making")
            shutil.rmtree(making, ignore_errors=True)
            for version in VERSIONS:
                _build(making, version, arch)
            _spoil(making / VERSIONS[0], making / WRONG)
            shutil.rmtree(making / "project")
            making.rename(kept)
    return tuple(Release(version, kept / version) for version in (*VERSIONS, WRONG))


def copied(folder: Path) -> Path:
    """The example as its user has it, without what was built there."""
    skipped = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock", "train")
    return Path(shutil.copytree(EXAMPLE, folder, ignore=skipped))


def _build(making: Path, version: str, arch: str) -> None:
    project = making / "project"
    if not project.exists():
        copied(project)
    text = (EXAMPLE / "edgepack.yaml").read_text()
    text = re.sub(r"(?m)^version: .*$", f"version: {version}", text)
    text = re.sub(r"(?m)^health: .*$", f"health: {{timeout: {HEALTH_S}, min_fps: 0}}", text)
    (project / "edgepack.yaml").write_text(text)
    argv = (sys.executable, "-m", "edgepack", "-C", project, "build", arch)
    done = run(command(*argv, env={"PYTHONPATH": str(ROOT)}, timeout_s=1800))
    if not done.ok:
        raise RuntimeError(done.text())
    shutil.copytree(project / "dist" / f"{APP}@{arch}", making / version)


def _spoil(right: Path, wrong: Path) -> None:
    """The same release with the signs of half its weights turned, in a bundle that is right in itself."""
    bundle = open_bundle(right)
    layers: dict[str, dict[str, Content]] = {}
    for file in bundle.files:
        with bundle.open(file) as opened:
            data = bytearray(opened.read())
        if file.path == "model/model.bin":
            data[len(data) // 2 + 3 :: 4] = bytes(byte ^ 0x80 for byte in data[len(data) // 2 + 3 :: 4])
        if file.path != "release.json":
            layers.setdefault(file.layer, {})[file.path] = Content(bytes(data), file.mode)
    release = {key: value for key, value in bundle.release.items() if key not in IDENTITY}
    identity = (bundle.name, WRONG, bundle.target, bundle.arch, bundle.runtime)
    write_bundle(BundleSpec(*identity, layers, release), wrong)


def _key() -> str:
    """Changes with whatever the releases are made from."""
    whole = hashlib.sha256(json.dumps([VERSIONS, HEALTH_S]).encode())
    folders = (EXAMPLE, ROOT / "templates" / "program", ROOT / "edgepack" / "package")
    for folder in folders:
        for file in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            if not {".edgepack", "dist", "train"} & set(file.parts):
                whole.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return whole.hexdigest()[:12]
