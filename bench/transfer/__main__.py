"""What goes over the link for a new release, beside its peers: ``python -m bench.transfer WEIGHTS``.

WEIGHTS: what ``bench/transfer/tune.py`` wrote. Needs root, and Debian's rsync, casync, zstd and dockerd.
Each case is an old and a new folder of files; each method says how many bytes a box that has the old one must
get, and the seconds of both ends together. Ratios are to ``zstd -3 --patch-from``, file by file. Into
docs/proof/transfer.md.

int8: as ncnn keeps weights, symmetric, a scale of 127 / max |w| for each output channel, rounded; the
scales beside them.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from edgepack.bundle import open_bundle
from edgepack.catalog.native_build import HelperSpec
from edgepack.compile.native import build_helper
from edgepack.store import digest_file
from edgepack.tools.qemu import host_arch
from tests.lab import dockerd
from tests.lab.dockerd import Dockerd

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "proof" / "transfer.md"
MB = 1_000_000
HEAD = """# What goes over the link

Written by `python -m bench.transfer`, {date}, commit {commit}, on {machine}. Bytes that a box which has the
old release must get; the seconds are those of both ends together on this host, one run. `ratio` is to `zstd
-3 --patch-from`, file by file. Weights are those of `examples/shapes`, a detector with {parameters}
weights: trained, then tuned by AdamW for one pass over 2000 new scenes at the rate named, or trained anew
from another seed. fp16 is rounded; int8 has a scale for each output channel, as ncnn keeps weights. `docker
save | docker load` is between two daemons (docker {docker}), of which the second has the old image; each
file is a layer of its own, and all of them go over the link, as they are.
"""


@dataclass(frozen=True)
class Got:
    bytes: int
    seconds: float


Method = Callable[[Path, Path, Path], "int | Got"]  # old, new, an empty folder → bytes, and seconds if fewer


def main() -> None:
    weights = Path(sys.argv[1])
    for program in ("rsync", "casync", "zstd", "dockerd"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not here: the lab has it: make test-lab")
    for kind in ("helper", "encoder"):
        build_helper(HelperSpec(host_arch(), kind))  # what is compiled once is not a part of the way
    rows = []
    with tempfile.TemporaryDirectory(prefix="edgepack-transfer-") as temporary, daemons() as (here, box):
        METHODS[DOCKER] = by_docker(here, box)
        version = here.docker("version", "-f", "{{.Server.Version}}").stdout.strip()
        for name, old, new in cases(weights, Path(temporary)):
            got = {method: measured(call, old, new) for method, call in METHODS.items()}
            rows.append((name, size_of(new), got))
            told = ", ".join(f"{method} {one.bytes:,} in {one.seconds:.1f} s" for method, one in got.items())
            print(f"{name}: {told}", flush=True)
    with np.load(weights / "base.npz") as base:
        parameters = sum(array.size for array in base.values())
    PAGE.write_text(page(rows, parameters, version))


def measured(call: Method, old: Path, new: Path) -> Got:
    with tempfile.TemporaryDirectory(prefix="edgepack-transfer-") as temporary:
        began = time.monotonic()
        got = call(old, new, Path(temporary))
        return got if isinstance(got, Got) else Got(got, time.monotonic() - began)


def cases(weights: Path, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    rng = np.random.default_rng(1)
    large = rng.normal(0, 0.05, 50 * MB // 4).astype(np.float32).tobytes()
    library = rng.bytes(8 * MB)
    programs = built(folder)
    yield (
        "one program of 60 MB linked again",
        *both(
            folder / "program",
            {"model.bin": large, "lib.so": library, "program": programs[0]},
            {"model.bin": large, "lib.so": library, "program": programs[1]},
        ),
    )
    changed = (
        large[: len(large) * 19 // 20] + rng.normal(0, 0.05, len(large) // 80).astype(np.float32).tobytes()
    )
    yield "the last 5 % of a 50 MB model", *both(folder / "part", {"m": large}, {"m": changed})
    base = arrays(weights / "base.npz")
    for tuned in ("tuned-1e-5", "tuned-1e-4", "tuned-1e-3", "anew"):
        new = arrays(weights / f"{tuned}.npz")
        for precision, stored in PRECISIONS.items():
            yield (
                f"{tuned}, {precision}",
                *both(folder / f"{tuned}-{precision}", {"m": stored(base)}, {"m": stored(new)}),
            )


def arrays(file: Path) -> list[np.ndarray]:
    with np.load(file) as found:
        return [found[name].astype(np.float32) for name in found.files]


def in_int8(found: list[np.ndarray]) -> bytes:
    parts = []
    for array in found:
        if array.ndim < 2:
            parts.append(array.tobytes())
            continue
        rows = array.reshape(len(array), -1)
        scale = 127 / np.maximum(np.abs(rows).max(1, keepdims=True), 1e-12)
        parts += [np.round(rows * scale).astype(np.int8).tobytes(), scale.astype(np.float32).tobytes()]
    return b"".join(parts)


PRECISIONS: dict[str, Callable[[list[np.ndarray]], bytes]] = {
    "fp32": lambda found: b"".join(array.tobytes() for array in found),
    "fp16": lambda found: b"".join(array.astype(np.float16).tobytes() for array in found),
    "int8": in_int8,
}


def built(folder: Path) -> tuple[bytes, bytes]:
    """examples/digits' own program for this host, and the same with one line of its post.cpp changed."""
    project = folder / "digits"
    shutil.copytree(ROOT / "examples" / "digits", project, ignore=shutil.ignore_patterns(".edgepack", "dist"))
    made = []
    for _ in range(2):
        edgepack = Path(sys.executable).parent / "edgepack"
        subprocess.run([edgepack, "build", "x86_64", "-C", project], check=True, capture_output=True)
        bundle = open_bundle(project / "dist" / "digits@x86_64")
        with bundle.open(next(file for file in bundle.files if file.path == "bin/digits")) as program:
            made.append(program.read())
        post = project / "src" / "post.cpp"
        text = post.read_text()
        # Another program with the same answers: what is added is zero, and the compiler may not know it.
        post.write_text(text.replace("(*best)", "(*best) + 0.0 * static_cast<double>(*best)"))
        assert post.read_text() != text
    assert made[0] != made[1]
    return made[0], made[1]


def both(folder: Path, old: dict[str, bytes], new: dict[str, bytes]) -> tuple[Path, Path]:
    for name, files in (("old", old), ("new", new)):
        (folder / name).mkdir(parents=True)
        for file, content in files.items():
            (folder / name / file).write_bytes(content)
    return folder / "old", folder / "new"


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def quiet(*words: str | Path, stdin: bytes | None = None) -> bytes:
    return subprocess.run([str(w) for w in words], check=True, input=stdin, capture_output=True).stdout


def changed(old: Path, new: Path) -> Iterator[tuple[Path, Path]]:
    """The files that differ: every method knows those by their digests."""
    for file in sorted(new.iterdir()):
        if (old / file.name).read_bytes() != file.read_bytes():
            yield old / file.name, file


def by_parcels(old: Path, new: Path, work: Path) -> int:
    encoder, helper = build_helper(HelperSpec(host_arch(), "encoder")), build_helper(HelperSpec(host_arch()))
    (work / "store").mkdir()
    (work / "incoming").mkdir()
    total = 4
    for base, file in changed(old, new):
        shutil.copyfile(base, work / "store" / digest_file(base))
        level = "19" if file.stat().st_size <= 16 << 20 else "12"
        quiet(encoder, file, "644", level, "2", work / "parcel", base)
        parcel = (work / "parcel").read_bytes()
        quiet(helper, "receive", work, stdin=parcel + b"EKE1")
        assert (work / "store" / digest_file(file)).read_bytes() == file.read_bytes()
        total += len(parcel)
    return total


def by_patch(level: str) -> Method:
    def call(old: Path, new: Path, work: Path) -> int:
        total = 0
        for base, file in changed(old, new):
            words = ("--long=27", f"--patch-from={base}", "-q", "-f")
            quiet("zstd", level, *words, file, "-o", work / "patch")
            quiet("zstd", "-d", *words, work / "patch", "-o", work / "back")
            total += (work / "patch").stat().st_size
        return total

    return call


def by_rsync(old: Path, new: Path, work: Path) -> int:
    shutil.copytree(old, work / "box")
    said = quiet("rsync", "-a", "-z", "-c", "--no-whole-file", "--stats", f"{new}/", f"{work}/box/").decode()
    numbers = dict(line.split(": ", 1) for line in said.splitlines() if line.startswith("Total bytes"))
    return sum(int(words.replace(",", "")) for words in numbers.values())


def by_casync(old: Path, new: Path, work: Path) -> int:
    quiet("casync", "make", f"--store={work}/store.castr", work / "old.caidx", old)
    before = set((work / "store.castr").rglob("*.cacnk"))
    quiet("casync", "make", f"--store={work}/store.castr", work / "new.caidx", new)
    fresh = [path for path in (work / "store.castr").rglob("*.cacnk") if path not in before]
    return sum(path.stat().st_size for path in fresh) + (work / "new.caidx").stat().st_size


@contextlib.contextmanager
def daemons() -> Iterator[tuple[Dockerd, Dockerd]]:
    """A docker that builds, and a box's."""
    with contextlib.ExitStack() as stack:
        folders = [Path(tempfile.mkdtemp(prefix="ep-docker-")) for _ in range(2)]
        here, box = (stack.enter_context(dockerd.running(folder)) for folder in folders)
        yield here, box


def by_docker(here: Dockerd, box: Dockerd) -> Method:
    def image(daemon: Dockerd, files: Path, name: str) -> None:
        words = [f"COPY {file.name} /{file.name}\n" for file in sorted(files.iterdir())]
        (files / "Dockerfile").write_text("FROM scratch\n" + "".join(words))
        try:
            daemon.docker("build", "-q", "-t", name, files)
        finally:
            (files / "Dockerfile").unlink()

    def call(old: Path, new: Path, work: Path) -> Got:
        image(box, old, "app:old")
        image(here, new, "app:new")
        began = time.monotonic()
        here.docker("save", "-o", work / "image", "app:new")
        box.docker("load", "-i", work / "image")
        seconds = time.monotonic() - began
        for daemon, names in ((here, ["app:new"]), (box, ["app:new", "app:old"])):
            daemon.docker("rmi", "-f", *names)
        return Got((work / "image").stat().st_size, seconds)

    return call


def whole(_old: Path, new: Path, work: Path) -> int:
    quiet("tar", "-C", new, "-cf", work / "tar", ".")
    quiet("zstd", "-19", "-T2", "-q", work / "tar", "-o", work / "packed")
    return (work / "packed").stat().st_size


DOCKER = "docker save \\| docker load"  # a bar in a table's cell
METHODS: dict[str, Method] = {
    "edgepack": by_parcels,
    "zstd -3 --patch-from": by_patch("-3"),
    "zstd -19 --patch-from": by_patch("-19"),
    "rsync -zc": by_rsync,
    "casync": by_casync,
    "whole, zstd -19": whole,
}


def filled(words: str) -> str:
    """One paragraph below the title, its lines of a length; no word is broken."""
    title, body = words.split("\n\n", 1)
    return f"{title}\n\n{textwrap.fill(' '.join(body.split()), 110, break_on_hyphens=False)}\n"


def page(rows: list[tuple[str, int, dict[str, Got]]], parameters: int, docker: str) -> str:
    commit = quiet("git", "-C", ROOT, "rev-parse", "--short", "HEAD").decode().strip()
    lines = [
        filled(
            HEAD.format(
                date=datetime.now(UTC).date(),
                commit=commit,
                machine=platform.machine(),
                parameters=f"{parameters:,}",
                docker=docker,
            )
        ),
        "| case | kB in all | " + " | ".join(f"{name}: kB (ratio, s)" for name in METHODS) + " |",
        "|---|---|" + "---|" * len(METHODS),
    ]
    for name, size, got in rows:
        peer = got["zstd -3 --patch-from"].bytes
        cells = (f"{g.bytes / 1000:,.1f} ({g.bytes / peer:.2f}, {g.seconds:.1f})" for g in got.values())
        lines.append(f"| {name} | {size / 1000:,.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
