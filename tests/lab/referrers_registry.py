"""A registry with OCI 1.1's referrers API, compiled from a Go library of Debian 13; Debian's own has none.

It keeps what it gets in memory, and answers `GET /v2/NAME/referrers/DIGEST` where it is told to. Compiled
once, with Debian 12's Go: half a minute of one core.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgepack.tools import cache, debian_files
from edgepack.tools.debian import Package

from .dockerd import Dockerd
from .endpoint import DIES_WITH_US

_LIBRARY = Package(
    "golang-github-google-go-containerregistry-dev",
    "0.20.1+ds1-1",
    "pool/main/g/go-containerregistry/golang-github-google-go-containerregistry-dev_0.20.1+ds1-1_all.deb",
    214384,
    "4b7649e6939647fb3c18b6cb2d99973d63926b4276d4f70264c2701bc73e431b",
    "Debian 13 trixie, main, binary-all/Packages",
)
_PACKAGES = ("golang-1.19-go", "golang-1.19-src")
_ROOT = "github.com/google/go-containerregistry"
# What the registry is of; it needs nothing beside Go's own library.
_FILES = {
    "internal/and": ("and_closer",),
    "internal/verify": ("verify",),
    "pkg/registry": ("blobs", "blobs_disk", "error", "manifest", "registry"),
    "pkg/v1": (
        "config", "doc", "hash", "image", "index", "layer", "manifest", "platform", "progress",
        "zz_deepcopy_generated",
    ),
    "pkg/v1/types": ("types",),
}  # fmt: skip
_MAIN = """package main

import (
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	withAPI := os.Args[2] == "api"
	log.Fatal(http.ListenAndServe(os.Args[1], registry.New(registry.WithReferrersSupport(withAPI))))
}
"""
_RECIPE = 1  # one more for each change of how it is compiled
ADDRESS = "127.0.0.1:5001"


def program() -> Path:
    """The registry's program, compiled where it is not kept. ``PROGRAM ADDRESS api|tags``."""
    kept = cache.root() / "lab" / f"referrers-registry-{_LIBRARY.sha256[:12]}-{_RECIPE}"
    with cache.locked(kept):
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="edgepack-registry-", dir=kept.parent) as folder:
                _make(Path(folder)).replace(kept)
    return kept


def _make(folder: Path) -> Path:
    tree, debs = folder / "go/src" / _ROOT, folder / "debs"
    debs.mkdir(mode=0o777)
    folder.chmod(0o755)  # apt downloads as a user of its own
    wanted = [f"{place}/{name}.go" for place, names in _FILES.items() for name in names]
    debian_files.take(
        _LIBRARY,
        {f"usr/share/gocode/src/{_ROOT}/{name}": tree / name for name in wanted},
        lambda _words: None,
    )
    (folder / "main.go").write_text(_MAIN)
    _run(["apt-get", "-qq", "download", *_PACKAGES], debs)
    for deb in debs.glob("*.deb"):
        _run(["dpkg", "-x", str(deb), str(folder / "root")], folder)
    goroot = folder / "root/usr/lib/go-1.19"
    for link in [one for one in goroot.iterdir() if one.is_symlink()]:  # to a folder of the root's /usr/share
        link.unlink()
        link.symlink_to(folder / "root/usr/share/go-1.19" / link.name)
    go = {
        "GOROOT": str(goroot),
        "GOPATH": str(folder / "go"),
        "GO111MODULE": "off",
        "GOFLAGS": "-trimpath",
        "GOCACHE": str(folder / "gocache"),
        "CGO_ENABLED": "0",
        "PATH": f"{goroot}/bin:{os.environ['PATH']}",
    }
    _run(["go", "build", "-ldflags", "-s -w", "-o", str(folder / "registry"), "main.go"], folder, go)
    return folder / "registry"


def _run(argv: list[str], cwd: Path, more: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **(more or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{argv[:4]}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


class ReferrersRegistry:
    """Up, in the daemon's network. Its log says what it was asked."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def asked(self) -> list[str]:
        """``METHOD /PATH`` of each request so far."""
        return re.findall(r"(?m)^\S+ \S+ ((?:GET|HEAD|PUT|POST|PATCH|DELETE) /\S*)", self._log.read_text())


@contextlib.contextmanager
def running(folder: Path, daemon: Dockerd, *, api: bool) -> Iterator[ReferrersRegistry]:
    """The registry, up, with the API or without."""
    log = folder / "log"
    words = daemon.inside(str(program()), ADDRESS, "api" if api else "tags")
    with log.open("wb") as out:
        process = subprocess.Popen([*DIES_WITH_US, *words], stdout=out, stderr=out)
    try:
        look = f"import urllib.request as u; u.urlopen('http://{ADDRESS}/v2/', timeout=60)"
        asked = daemon.inside(sys.executable, "-c", look)
        daemon.until(lambda: daemon.run(asked, check=False).returncode == 0, "the registry answers")
        yield ReferrersRegistry(log)
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    print(program())
