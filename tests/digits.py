"""``examples/digits`` in a folder of its own, and edgepack as its user runs it there: by commands alone."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.tools import cache
from edgepack.tools.runner import Command, command, run

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "digits"
TARGET = "raspberry-pi-4"
NODE = "box-07"

# What takes minutes to make or to fetch, and is the same for whoever asks.
_SHARED = ("building", "downloads", "envs", "ncnn", "qemu", "runtimes", "sources", "sysroots", "zig")


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Stdout, which must be one JSON document and nothing else."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Digits:
    """A copy of the example. ``home``: its user's, empty; ``kept``: edgepack's cache."""

    folder: Path
    home: Path
    kept: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "EDGEPACK_CACHE": str(self.kept), "TMPDIR": str(self.temporary)}

    @property
    def temporary(self) -> Path:
        """Where edgepack's programs put what nobody is to find afterwards."""
        return self.home / "tmp"

    def command(self, *words: str | Path, under: Sequence[str] = ()) -> Command:
        """``edgepack WORDS…`` in the project's folder, started by ``under`` where that is given."""
        argv = (*under, sys.executable, "-m", "edgepack", *words)
        # A module is looked for in the current folder first, and a user's folder may hold anything.
        env = {**self.environment, "PYTHONSAFEPATH": "1"}
        return command(*argv, cwd=self.folder, env=env, timeout_s=1800)

    def run(self, *words: str | Path, under: Sequence[str] = ()) -> Said:
        done = run(self.command(*words, under=under))
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def said(self, *words: str | Path) -> Any:
        """The answer of a command that must succeed, as ``--json`` has it."""
        said = self.run(*words, "--json")
        assert said.code == 0, f"edgepack {words} ended with {said.code}\n{said.out}{said.err}"
        return said.json()

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Replace what stands once in a file."""
        text = (self.folder / name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (self.folder / name).write_text(text.replace(old, new))

    def bundle(self, target: str = TARGET) -> Path:
        return self.folder / "dist" / f"digits@{target}"


def copy(folder: Path, kept: Path) -> Digits:
    """The example as a fresh clone has it, with a home beside it."""
    skipped = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock", "__pycache__")
    shutil.copytree(EXAMPLE, folder, ignore=skipped)
    digits = Digits(folder, folder.with_name(f"{folder.name}-home"), kept)
    digits.temporary.mkdir(parents=True)
    return digits


def fresh_cache(folder: Path) -> Path:
    """A cache that knows no project's results, and shares what is slow to make with the user's own."""
    folder.mkdir()
    for name in _SHARED:
        (cache.root() / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(cache.root() / name)
    return folder


def processes(mark: str) -> dict[int, str]:
    """Those that have ``mark`` in their environment or on their command line: process id → command line."""
    found = {}
    for place in Path("/proc").iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        try:
            line = (place / "cmdline").read_bytes()
            if mark.encode() in (place / "environ").read_bytes() + line:
                found[int(place.name)] = line.replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
    return found
