"""A user's project in a folder of its own, and edgepack as that user runs it: by its command line alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgepack.tools import cache
from edgepack.tools.runner import Command, Completed, command, run

from .endpoint import Endpoint

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
BUILD_TIMEOUT_S = 1800.0  # with an empty cache: the compiler's libraries and the runtime for each target


HOST_TARGET = {"x86_64": "x86_64", "aarch64": "aarch64"}[os.uname().machine]


@dataclass(frozen=True)
class Node:
    """One box of a ``fleet.yaml``."""

    endpoint: Endpoint
    target: str
    root: str = "edgepack"
    host_key: str | None = None  # another one than the box's own
    pinned: bool = True
    more: dict[str, object] = field(default_factory=dict)  # any other key of fleet.yaml

    def as_dict(self) -> dict[str, object]:
        at = self.endpoint
        known = {"host_key": self.host_key or at.host_key} if self.pinned else {}
        return {
            "target": self.target, "address": at.host, "port": at.port, "user": at.user,
            "identity": str(at.identity), "root": self.root, **known, **self.more,
        }  # fmt: skip


class Project:
    """A copy of ``examples/digits`` at ``folder``, with a home of its own beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder.with_name(folder.name + "-home")
        self.home.mkdir()
        skipped = shutil.ignore_patterns(".edgepack", "dist", "__pycache__")
        shutil.copytree(DIGITS, folder, ignore=skipped)

    def write_fleet(self, **nodes: Node) -> None:
        """``fleet.yaml`` with these boxes (``_`` in a name stands for ``-``). JSON is YAML."""
        named = {name.replace("_", "-"): node.as_dict() for name, node in nodes.items()}
        (self.folder / "fleet.yaml").write_text(json.dumps({"nodes": named}, indent=1))

    def set_version(self, version: str) -> None:
        """The next release's version: a bundle of its own with the same program and model."""
        file = self.folder / "edgepack.yaml"
        file.write_text(re.sub(r"(?m)^version: .*$", f"version: {version}", file.read_text()))

    def command(self, name: str, *words: str | Path) -> Command:
        """``edgepack NAME -C FOLDER WORDS…`` by this Python, with the shared cache."""
        env = {"HOME": str(self.home), "EDGEPACK_CACHE": str(cache.root())}
        argv = (sys.executable, "-m", "edgepack", name, "-C", self.folder, *words)
        return command(*argv, env=env, timeout_s=BUILD_TIMEOUT_S)

    def run(self, name: str, *words: str | Path) -> Completed:
        return run(self.command(name, *words))

    def said(self, name: str, *words: str | Path) -> Any:
        """The answer of a command that must succeed, as ``--json`` has it."""
        done = self.run(name, *words, "--json")
        assert done.ok, f"edgepack {name} {words} ended with {done.returncode}\n{done.text()}"
        return json.loads(done.stdout)

    def refused(self, name: str, *words: str | Path) -> tuple[int, dict[str, Any]]:
        """Exit code and error of a command that must fail, as ``--json`` has them."""
        done = self.run(name, *words, "--json")
        assert not done.ok, f"edgepack {name} {words} was expected to fail\n{done.text()}"
        error: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, error

    def until(self, pattern: str, name: str, *words: str | Path) -> tuple[list[str], subprocess.Popen[str]]:
        """Start a command and return as soon as a line of its progress matches ``pattern``.

        Returns its lines so far and the process, which is still at work (or has ended without a match).
        """
        cmd = self.command(name, *words)
        process = subprocess.Popen(
            ["env", *(f"{key}={value}" for key, value in cmd.env.items()), *cmd.argv],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True,
        )  # fmt: skip
        lines: list[str] = []
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip())
            if re.search(pattern, line):
                break
        return lines, process


@dataclass(frozen=True)
class Releases:
    """Two releases of one project, each built for the same targets. ``bundles[version][target]``."""

    project: Project
    versions: tuple[str, str]
    bundles: dict[str, dict[str, Path]]
    digests: dict[str, dict[str, str]]  # 64 hexadecimal digits

    def bundle(self, version: str, target: str = HOST_TARGET) -> Path:
        return self.bundles[version][target]

    def digest(self, version: str, target: str = HOST_TARGET) -> str:
        return self.digests[version][target]


def build_releases(project: Project, targets: tuple[str, ...]) -> Releases:
    """Build two versions of a project, and keep the first's bundles beside those of the second."""
    versions = ("1.0.0", "1.1.0")
    bundles: dict[str, dict[str, Path]] = {}
    digests: dict[str, dict[str, str]] = {}
    for version in versions:
        project.set_version(version)
        built = project.said("build", *targets)["bundles"]
        digests[version] = {row["target"]: row["digest"].removeprefix("sha256:") for row in built}
        kept = project.folder.with_name(f"bundles-{version}")
        shutil.copytree(project.folder / "dist", kept)
        bundles[version] = {row["target"]: kept / Path(row["folder"]).name for row in built}
    return Releases(project, versions, bundles, digests)
