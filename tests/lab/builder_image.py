"""Where a Dockerfile's compiler runs, without a network: Debian's Python, its pip, the pinned wheels."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edgepack.catalog.paths import data
from edgepack.catalog.toolchains import LOCK
from edgepack.tools import cache

from . import rootfs

NAME = "localhost/builder:1"
# As an image says it: pip of it asks no index.
ENV = "ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PATH=/usr/bin:/bin"
_PYTHON = rootfs.Userland("python", ("coreutils", "dash", "libc-bin", "python3", "python3-pip-whl"))
_SKIPPED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt", "var/cache")
_SITE = "usr/lib/python3/dist-packages"


def archive() -> Path:
    """A tar of its files, for `docker import` and `podman import`; made once."""
    tree = rootfs.tree(_PYTHON)
    digest = hashlib.sha256(data(LOCK).read_bytes() + tree.name.encode() + Path(__file__).read_bytes())
    kept = cache.root() / "lab" / f"builder-{digest.hexdigest()[:12]}.tar"
    with cache.locked(kept):
        if not kept.is_file():
            with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
                part = Path(scratch) / "image.tar"
                with tarfile.open(part, "w") as tar:
                    _fill(tar, tree, Path(scratch) / "wheels")
                part.rename(kept)
    return kept


def _fill(tar: tarfile.TarFile, tree: Path, wheels: Path) -> None:
    for name in sorted(path.name for path in tree.iterdir()):
        tar.add(tree / name, name, filter=lambda one: None if one.name.startswith(_SKIPPED) else one)
    (pip,) = tree.glob("usr/share/python-wheels/pip-*.whl")
    for name, content in _unzipped(pip):
        entry = tarfile.TarInfo(f"{_SITE}/{name}")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    words = ["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", *words, "-r", str(data(LOCK)), "-d", str(wheels)],
        check=True,
    )
    for wheel in sorted(wheels.iterdir()):
        tar.add(wheel, f"wheels/{wheel.name}")


def _unzipped(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as zipped:
        for name in zipped.namelist():
            if not name.endswith("/"):
                yield name, zipped.read(name)
