"""Programs that Debian 12 has not, or only in an older version: single files of Debian 13's packages."""

from __future__ import annotations

import os
from pathlib import Path

from edgepack.tools import cache, debian_files
from edgepack.tools.debian import Package

_SUITE = "Debian 13 trixie, main"
_DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
# The file in the package, and for each architecture the package's size and digest, out of the signed index.
_COMPOSE = "usr/libexec/docker/cli-plugins/docker-compose"
_KUBECTL = "usr/bin/kubectl"
_BUILDX = "usr/libexec/docker/cli-plugins/docker-buildx"
_DOCKERD = "usr/sbin/dockerd"
_PINS = {
    (_COMPOSE, "amd64"): (12965524, "47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea"),
    (_COMPOSE, "arm64"): (11079884, "bbafaa666f3e7fa00ad36f2a8bab889f1c791ca8743d674e7267a3d07203869c"),
    (_KUBECTL, "amd64"): (16372136, "9825aaf4c14913027aae04af8688e580459f781c829bd5de00cc4dc2cc5a867f"),
    (_KUBECTL, "arm64"): (14221040, "b85800b5e2d2ecc958e2b9dfa7d4ce13b14e1175242de1f71acb4fa4b0b63212"),
    (_BUILDX, "amd64"): (13239200, "fcf8c48204d1603c8f209451d7827eb91bf30759578baf7704e9e1a87e5f1d7f"),
    (_BUILDX, "arm64"): (11322920, "6cf361ab892b55753b728adcbd1a99f0616711df853dba64a5297a4a676d96b0"),
    (_DOCKERD, "amd64"): (23037844, "142fe32f839a20720b2e6074b8d28d883b01bc45345f7315586b0c2d348dae87"),
    (_DOCKERD, "arm64"): (15066596, "e1fe5c5599e1ab91e305cc82ff215240401ff0c755c00e5a9307f78577eebcc9"),
}


def compose() -> Path:
    """Compose 2.26, as a program of its own."""
    return _program("docker-compose", "2.26.1-4", "pool/main/d/docker-compose", _COMPOSE)


def kubectl() -> Path:
    """kubectl 1.32, with kustomize 5.5."""
    return _program("kubectl", "1.32.3+ds-2", "pool/main/k/kubernetes", _KUBECTL)


def buildx() -> Path:
    """docker's buildx 0.13, a plugin of its program."""
    return _program("docker-buildx", "0.13.1+ds1-3", "pool/main/d/docker-buildx", _BUILDX)


def dockerd() -> Path:
    """docker's daemon 26.1; containerd and runc are this host's."""
    name = "docker" + ".io"  # Debian's package, not the registry that has the same name
    return _program(name, "26.1.5+dfsg1-9+deb13u1", f"pool/main/d/{name}", _DOCKERD)


def _program(name: str, version: str, folder: str, file: str) -> Path:
    size, sha256 = _PINS[file, _DEBIAN]
    path = f"{folder}/{name}_{version}_{_DEBIAN}.deb"
    package = Package(name, version, path, size, sha256, f"{_SUITE}, binary-{_DEBIAN}/Packages")
    kept = cache.root() / "lab" / f"{name}-{sha256[:12]}" / name
    with cache.locked(kept.parent):
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_name(f".{name}.part")
            debian_files.take(package, {file: part}, lambda _text: None)
            part.chmod(0o755)
            part.replace(kept)
    return kept
