"""Images for four architectures: edgepack beside docker's builders, podman and buildah, in one run, as root.

A 50 MB model, 20 MB of libraries, a program of 1 MB; each peer gets the same files, and an empty store.
Prints seconds and peak memory, of docker its daemon's with the program's, and both as ratios to edgepack's.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgepack.package.bundle import BundleSpec, Content, write_bundle
from tests.lab import dockerd, newer

SEED = 6
ARCHS = {"x86_64": "amd64", "aarch64": "arm64", "armhf": "arm/v7", "riscv64": "riscv64"}
SIZES = {"model": 50 << 20, "libraries": 20 << 20, "program": 1 << 20}
PATHS = {"model": "model/model.bin", "libraries": "lib/runtime.so", "program": "bin/bench"}
OURS = """
import sys; from pathlib import Path; from edgepack.package.image_base import EMPTY
from edgepack.package.image import ImageSpec, Part, open_all, write_image
bundles = open_all([Path(place) for place in sys.argv[2:]])
write_image(ImageSpec([Part(one, EMPTY) for one in bundles]), Path(sys.argv[1]))
"""
DOCKERFILE = 'FROM scratch\nCOPY lib /lib\nCOPY model /model\nCOPY bin /bin\nENTRYPOINT ["/bin/bench"]\n'


# A small process between: a child's peak begins with what its parent had when it was started.
WATCH = """
import json, resource, subprocess, sys, time
began = time.monotonic()
for argv in json.loads(sys.argv[1]):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
print(time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def measured(commands: list[list[str]], env: dict[str, str] | None = None) -> tuple[float, int]:
    """Seconds that these commands take one after another, and the peak memory of one of them in MB."""
    watch = [sys.executable, "-S", "-c", WATCH, json.dumps(commands)]
    done = subprocess.run(watch, check=True, capture_output=True, text=True, env=env)
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak)


def prepare(folder: Path) -> tuple[list[Path], dict[str, Path]]:
    """A bundle for each architecture, and the same files in a folder with a Dockerfile."""
    drawn = random.Random(SEED)
    same = {kind: drawn.randbytes(SIZES[kind]) for kind in ("model",)}
    bundles, contexts = [], {}
    for arch in ARCHS:
        data = {kind: same.get(kind) or drawn.randbytes(SIZES[kind]) for kind in SIZES}
        layers = {kind: {PATHS[kind]: Content(data[kind], 0o755)} for kind in SIZES}
        spec = BundleSpec("bench", "1.0.0", arch, arch, "ncnn", layers, {})
        bundles.append(write_bundle(spec, folder / "bundles" / arch).folder)
        contexts[arch] = folder / "contexts" / arch
        for kind, content in data.items():
            (contexts[arch] / PATHS[kind]).parent.mkdir(parents=True)
            (contexts[arch] / PATHS[kind]).write_bytes(content)
        (contexts[arch] / "Dockerfile").write_text(DOCKERFILE)
    return bundles, contexts


def high_water(pid: int) -> int:
    """The most memory that a process ever had, in MB: proc(5)."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in one)
    return int(line.split()[1]) // 1024


def by_docker(place: Path, kit: str, commands: list[list[str]]) -> tuple[float, int]:
    """By a daemon of its own, which begins with an empty store."""
    plugins = place / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(newer.buildx())
    with dockerd.running(place) as daemon:
        seconds, peak = measured(commands, {**daemon.env, "DOCKER_BUILDKIT": kit})
        return seconds, peak + high_water(int((daemon.folder / "pid").read_text()))


def by_buildah(place: Path, builder: str, built: Callable[..., list[list[str]]]) -> tuple[float, int]:
    """Into a store of its own; buildah is a part of podman, and a program by itself."""
    store = [f"--root={place}/r", f"--runroot={place}/n", "--storage-driver=overlay"]
    try:
        return measured(built(builder, *store, *([f"--tmpdir={place}/t"] if builder == "podman" else [])))
    finally:
        subprocess.run(["umount", "-l", f"{place}/r/overlay"], check=False, stderr=subprocess.DEVNULL)


def main() -> int:
    """Measure and print."""
    folder = Path(tempfile.mkdtemp(prefix="ep-"))
    try:
        bundles, contexts = prepare(folder)
        ours = [sys.executable, "-c", OURS, str(folder / "image"), *map(str, bundles)]
        rows = {"edgepack": measured([ours])}

        def built(*builder: str) -> list[list[str]]:
            return [
                [*builder, "build", "-q", "--platform", f"linux/{platform}", "-t", arch, str(contexts[arch])]
                for arch, platform in ARCHS.items()
            ]

        for name, kit, words in (
            ("docker build, legacy", "0", (dockerd.DOCKER,)),
            ("docker build, BuildKit", "1", (dockerd.DOCKER,)),
            ("docker buildx build", "1", (dockerd.DOCKER, "buildx")),
        ):
            rows[name] = by_docker(folder / f"d{len(rows)}", kit, built(*words))
        for builder in ("podman", "buildah"):
            rows[f"{builder} build"] = by_buildah(folder / builder[0], builder, built)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"seed {SEED}, load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores")
    first_s, first_mb = rows["edgepack"]
    for name, (seconds, peak) in rows.items():
        print(
            f"{name:24} {seconds:6.2f} s  {peak:5} MB   "
            f"{seconds / first_s:5.1f} × the time, {peak / first_mb:4.1f} × the memory"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
