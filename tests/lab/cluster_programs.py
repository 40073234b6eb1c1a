"""A real Kubernetes API server and what makes pods of its objects, compiled from Debian's sources.

No package has them. Version 1.20 is the newest whose sources Debian has whole; what that is too old for says
docs/design/compose-plan.md. A quarter of an hour of compiling, once: ``make lab-cluster`` does that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgepack.tools import cache, debian_files
from edgepack.tools.debian import Package

KUBERNETES = "1.20.2"
_VERSION = f"1.20.5+really{KUBERNETES}"
_SOURCE = Package(
    "kubernetes",
    f"{_VERSION}-1.1+deb12u1",
    f"pool/main/k/kubernetes/kubernetes_{_VERSION}.orig.tar.gz",
    34428927,
    "b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc",
    "Debian 12 bookworm, main, source/Sources",
)
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
_RECIPE = 3  # one more for each change of how they are compiled
_PACKAGES = ("golang-1.19-go", "golang-1.19-src", "etcd-server")  # the last is a program as it is


def programs() -> Path:
    """The folder with all of them and ``etcd``, compiled where they are not kept."""
    kept = cache.root() / "lab" / f"cluster-{KUBERNETES}-{_SOURCE.sha256[:12]}-{_RECIPE}"
    with cache.locked(kept):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(prefix="edgepack-cluster-", dir=kept.parent) as folder:
                _make(Path(folder))
                (Path(folder) / "out").rename(kept)
    return kept


def _make(folder: Path) -> None:
    out, debs = folder / "out", folder / "debs"
    out.mkdir()
    debs.mkdir(mode=0o777)
    _run(["apt-get", "-qq", "download", *_PACKAGES], debs)
    for deb in debs.glob("*.deb"):
        _run(["dpkg", "-x", str(deb), str(folder / "root")], folder)
    shutil.copy(folder / "root/usr/bin/etcd", out / "etcd")
    goroot = folder / "root/usr/lib/go-1.19"
    for link in [one for one in goroot.iterdir() if one.is_symlink()]:  # to a folder of the root's /usr/share
        link.unlink()
        link.symlink_to(folder / "root/usr/share/go-1.19" / link.name)
    tree = folder / "go/src/k8s.io/kubernetes"
    shutil.copytree(debian_files.source(_SOURCE, lambda _words: None), tree, symlinks=True)
    go = {
        "GOROOT": str(goroot),
        "GOPATH": str(folder / "go"),
        "GO111MODULE": "off",
        "GOFLAGS": "-trimpath",
        "GOCACHE": str(folder / "gocache"),
        "CGO_ENABLED": "0",
        "PATH": f"{goroot}/bin:{os.environ['PATH']}",
    }
    _openapi(tree, go)
    flags = "-s -w"
    for module in ("component-base/version", "client-go/pkg/version"):  # both, as upstream's own script does
        within = f"k8s.io/kubernetes/vendor/k8s.io/{module}"
        flags += f" -X {within}.gitVersion=v{KUBERNETES} -X {within}.gitMajor=1 -X {within}.gitMinor=20"
    for name in PROGRAMS:
        _run(["go", "build", "-ldflags", flags, "-o", str(out / name), f"./cmd/{name}"], tree, go)


def _openapi(tree: Path, go: dict[str, str]) -> None:
    """What upstream's Makefile generates before it compiles: server-side apply reads its types from there."""
    generator = tree / "openapi-gen"
    _run(["go", "build", "-o", str(generator), "./vendor/k8s.io/kube-openapi/cmd/openapi-gen"], tree, go)
    tag = [
        "grep",
        "-Rl",  # below vendor/ the tree's own modules are links
        "--include=*.go",
        "--exclude-dir=_output",
        "--exclude-dir=_examples",
        "+k8s:openapi-gen=",
        "vendor/k8s.io",
        "pkg",
        "cmd",
    ]
    found = subprocess.run(tag, cwd=tree, capture_output=True, text=True, check=True).stdout.splitlines()
    folders = sorted({str(Path(file).parent) for file in found if "kube-openapi" not in file})
    inputs = ",".join(f"k8s.io/kubernetes/{folder}" for folder in folders)
    words = ["-i", inputs, "-p", "k8s.io/kubernetes/pkg/generated/openapi", "-O", "zz_generated.openapi"]
    words += ["-h", "hack/boilerplate/boilerplate.generatego.txt", "-r", "/dev/null"]
    _run([str(generator), *words], tree, go)


def _run(argv: list[str], cwd: Path, more: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **(more or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{argv[:4]}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


if __name__ == "__main__":
    print(programs())
