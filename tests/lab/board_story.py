"""The whole way on the emulated arm64 board, as facts: for a test to judge and for a page to show."""

from __future__ import annotations

import io
import json
import platform
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepack.tools.runner import command, run

from . import reference
from .board import CPU, MEMORY_MB, QEMU, Board
from .reference import Reference
from .site import NEW, OLD, Site

APP = "digits"
LOCKED_S = 120.0  # what edgepack promises of a lock whose holder died
CURRENT = f"edgepack/apps/{APP}/current"
STAGES = ("connect", "probe", "send", "stage", "prove", "switch", "health", "confirm")
# Where the plug is pulled: a stage of the deploy as its progress names it, and seconds into that stage.
PULLS = (
    ("send", 0.3), ("stage", 0.5), ("prove", 0.5), ("switch", 0.3), ("switch", 1.5), ("health", 0.5),
    ("confirm", 0.3),
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """What answered, in its own words."""

    uname: str
    system: str
    emulator: str
    boot_s: float


@dataclass(frozen=True)
class Answers:
    """What the board said to the held-out images, beside ONNX Runtime run on the ONNX file meanwhile.

    classes: int64 (N,) by the running release. logits: float32 (N, 10) by the same program's ``infer``.
    """

    live: Reference
    classes: NDArray[np.int64]
    logits: NDArray[np.float32]
    asking_s: float

    def largest_difference(self) -> float:
        """Of any logit of any image."""
        return float(np.abs(self.logits - self.live.logits).max())

    def smallest_cosine(self) -> float:
        """Of any image's logits."""
        a, b = self.logits.astype(np.float64), self.live.logits.astype(np.float64)
        return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())

    def allowed_difference(self, max_abs: float) -> float:
        """``max_abs`` is the bundle's gate, relative to the tensor's largest value where that is above 1."""
        return max_abs * max(1.0, float(np.abs(self.live.logits).max()))


@dataclass(frozen=True)
class Pull:
    """The plug pulled while a deploy was in ``stage``, and what was there after it."""

    stage: str
    delay_s: float
    code: int  # the deploy's own exit
    current: str  # "old", "new", or what the link points at where it is neither
    damaged: tuple[str, ...]  # files of the current release whose bytes are wrong
    proof: int  # exit status of the current release's `verify`
    locked_s: float  # how long the lock of the deploy that died kept the next one out
    again: str  # the outcome of the same deploy repeated


def machine(board: Board, boot_s: float) -> Machine:
    edge = board.endpoint()
    version = run(command(QEMU, "--version")).stdout.decode().splitlines()[0]
    return Machine(
        edge.said("uname -srvm"),
        edge.said(". /etc/os-release && echo $PRETTY_NAME"),
        f"{version}, -M virt -cpu {CPU} -smp 2 -m {MEMORY_MB}, on {platform.machine()}",
        boot_s,
    )


def answers(site: Site) -> Answers:
    """All held-out images to the running release, and to its program on the same board for the logits."""
    live = reference.of(site.project.folder)
    began = time.monotonic()
    scored = site.said("ask")
    asking_s = time.monotonic() - began
    by_file = {str(row["file"]): int(row["class"]) for row in scored["answers"]}
    classes = np.array([by_file[file] for file in live.files])
    return Answers(live, classes, _logits(site, live.files), asking_s)


def _logits(site: Site, files: Sequence[str]) -> NDArray[np.float32]:
    """float32 (N, 10), by ``PROGRAM infer --outputs`` over plain ssh."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for file in files:
            tar.add(site.project.folder / "data/val" / file, file)
    script = f"mkdir -p val && tar -xf - -C val && cd val && ../{CURRENT}/bin/{APP} infer --outputs *.pgm"
    done = site.endpoint.ssh(script, stdin=packed.getvalue(), timeout_s=300.0)
    assert done.ok, done.text()
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    by_file = {Path(row["file"]).name: row["outputs"]["logits"] for row in rows}
    return np.array([by_file[file] for file in files], np.float32)


def pull(board: Board, site: Site, stage: str, delay_s: float) -> Pull:
    """Deploy whichever of OLD and NEW does not run, pull the plug in ``stage``, boot, look, deploy again."""
    if not _current(site):
        site.deploy(OLD)
    before = _current(site)
    old, new = (OLD, NEW) if before == site.digest(OLD) else (NEW, OLD)
    bundle = site.releases.bundle(new, site.target)
    stage_before = STAGES[STAGES.index(stage) - 1]
    _, process = site.project.until(f"✓ {stage_before} ", "deploy", "box-01", "--bundle", bundle)
    with process:
        time.sleep(delay_s)
        board.pull_power()
        code = process.wait(180)
    board.boot()
    current = _current(site)
    named = {site.digest(old): "old", site.digest(new): "new"}.get(current, current)
    damaged = _damaged(site)
    proof = site.endpoint.ssh(f"{CURRENT}/bin/{APP} verify").returncode
    locked_s = _wait_for_lock(site, bundle)
    again = str(site.deploy(new)["outcome"])
    site.answers(new)
    return Pull(stage, delay_s, code, named, damaged, proof, locked_s, again)


def _wait_for_lock(site: Site, bundle: Path) -> float:
    """Seconds until a deploy would not be refused for another's lock; at most LOCKED_S."""
    began = time.monotonic()
    while time.monotonic() - began < LOCKED_S:
        plan = json.loads(
            site.project.run("deploy", "box-01", "--bundle", bundle, "--dry-run", "--json").stdout
        )
        if not any("somebody else" in refusal for refusal in plan["refusals"]):
            break
        time.sleep(5)
    return time.monotonic() - began


def _current(site: Site) -> str:
    """The digest of the release that the box's link points at; empty where there is none."""
    return Path(site.endpoint.said(f"readlink {CURRENT} || true")).name


def _damaged(site: Site) -> tuple[str, ...]:
    """Files of the current release that are not, byte for byte, those of the bundle it came from."""
    found = _sums(site.endpoint.said(f"cd {CURRENT}/ && find . -type f | xargs sha256sum"))
    version = {site.digest(version): version for version in (OLD, NEW)}.get(_current(site))
    if version is None:
        return ("the release itself: it is none that was ever deployed",)
    wanted = bundle_sums(site.releases.bundle(version, site.target))
    return tuple(sorted(path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path)))


def bundle_sums(bundle: Path) -> Mapping[str, str]:
    """Path → sha256 of a release, as the bundle's OCI manifest and configuration promise."""
    blobs = bundle / "blobs" / "sha256"
    (entry,) = json.loads((bundle / "index.json").read_bytes())["manifests"]
    manifest: dict[str, Any] = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_bytes())
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_bytes())
    return {file["path"]: file["sha256"] for file in config["files"]}


def _sums(said: str) -> dict[str, str]:
    rows = (line.split(maxsplit=1) for line in said.splitlines())
    return {path.removeprefix("./"): digest for digest, path in rows}
