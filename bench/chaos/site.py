"""One box of the campaign, the link to it, and edgepack as its user runs it there: by the command line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.chaos import boxes, judge
from bench.chaos.client import Client
from bench.chaos.link import Link
from bench.chaos.releases import APP, ROOT, Release, copied

DEPLOY_S = 240.0
LONG_S = 40.0  # an undisturbed deploy takes some seconds: by then it is worth a look at what the box does


@dataclass
class Site:
    """A box, the link to it, and what it runs. ``mutant``: what is taken out of its script."""

    box: boxes.Box
    link: Link
    project: Path
    node: str
    releases: Sequence[Release]
    mutant: str = ""
    current: Release | None = None
    usual_s: dict[tuple[str, ...], float] = field(default_factory=dict)
    stuck: str = ""  # what the box did while the last undisturbed deploy took long

    def enter_fleet(self) -> None:
        named = {"nodes": {self.node: self.box.reach.node(self.link.port)}}
        (self.project / "fleet.yaml").write_text(json.dumps(named))

    def next(self) -> Release:
        if self.current is None:
            return self.releases[0]
        return self.releases[(self.releases.index(self.current) + 1) % 3]

    def begin(self, release: Release, *words: str) -> subprocess.Popen[bytes]:
        """A deploy, in a process of its own, as a user types it."""
        return self._command("deploy", self.node, "--bundle", str(release.folder), "--keep", "0", *words)

    def rollback(self) -> subprocess.Popen[bytes]:
        return self._command("rollback", self.node)

    def _command(self, *words: str) -> subprocess.Popen[bytes]:
        start = ("-m", "bench.chaos.mutant", self.mutant) if self.mutant else ("-m", "edgepack")
        argv = [sys.executable, *start, "-C", str(self.project), *words, "-q"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        log = (self.project / "deploy.log").open("ab")
        with log:
            return subprocess.Popen(
                argv, env=env, cwd=self.project, stdout=log, stderr=log, start_new_session=True
            )

    def deploy(self, release: Release, *words: str) -> int:
        """An undisturbed one."""
        began = time.monotonic()
        process = self.begin(release, *words)
        self.stuck = ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LONG_S)
        if process.poll() is None:
            self.stuck = boxes.told(self.box)
        code = ended(process)
        if code == 0:
            self.current = release
            self.usual_s[words] = time.monotonic() - began
        return code

    def ready(self, first: bool) -> None:
        """The box runs a release; or nothing, and nothing of edgepack lies there."""
        if first:
            boxes.emptied(self.box)
            self.current = None
        elif self.current is None:
            boxes.emptied(self.box)
            if code := self.deploy(self.releases[0]):
                raise RuntimeError(f"a first deploy ended with {code}: {self.last_words()}")

    def last_words(self) -> str:
        """Why a deploy failed, as far as it can be told."""
        stuck = f" | after {LONG_S:.0f} s on the box: {self.stuck}" if self.stuck else ""
        return tail(self.project / "deploy.log") + stuck

    def promise(self, after: Release, said: int | None = None, refused: bool = False) -> judge.Promise:
        known = {release.digest: release.sums for release in self.releases}
        before = self.current.digest if self.current else ""
        return judge.Promise(before, after.digest, known, said, refused)

    @contextlib.contextmanager
    def asked(self) -> Iterator[Client]:
        client = Client(self.box.root / "apps" / APP / "data")
        try:
            yield client
        finally:
            client.stop()


@contextlib.contextmanager
def site_of(folder: Path, name: str, releases: Sequence[Release], kind: str, mutant: str) -> Iterator[Site]:
    """A project in ``folder`` with a box of this kind, until the end."""
    copied(folder)
    box = boxes.Sandbox(folder, name) if kind == "sandbox" else _rooted(folder, kind)
    link = Link(box.reach.port)
    try:
        site = Site(box, link, folder, "box", releases, mutant)
        site.enter_fleet()
        yield site
    finally:
        link.close()
        box.down()


def _rooted(folder: Path, kind: str) -> boxes.Box:
    from bench.chaos.rooted import Rooted  # the lab's packages are wanted here alone

    return Rooted(folder, kind)


def ended(process: subprocess.Popen[bytes], seconds: float = DEPLOY_S) -> int:
    """Its exit status; it is ended where it will not end."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return 124


def tail(log: Path) -> str:
    return " ".join(log.read_text(errors="replace")[-600:].split()) if log.exists() else ""
