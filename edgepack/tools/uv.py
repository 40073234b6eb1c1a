"""uv: isolated Python environments from hash-pinned locks, made once and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.tools import cache
from edgepack.tools.runner import command, run

_MARKER = ".edgepack-complete"


def program() -> Path:
    """uv's executable: the one of edgepack's own environment, else the one on PATH."""
    beside = Path(sys.executable).parent / "uv"
    if beside.is_file():
        return beside
    found = shutil.which("uv")
    if found is None:
        raise ToolError(
            "uv is not here",
            why="edgepack makes the environments of recipes and toolchains with it",
            fix="install it: pip install uv",
        )
    return Path(found)


def environment(lock: Path, python: str, progress: Callable[[str], None] = lambda _line: None) -> Path:
    """The Python executable of an environment that holds exactly what ``lock`` pins.

    lock: a requirements file with a hash for each package; python: ``"3.11"``. Made on the first
    call and found on the next ones; an interrupted one is made anew. Raises ToolError where Python or
    a package cannot be had.
    """
    folder = location(lock, python)
    executable = folder / "bin" / "python"
    if (folder / _MARKER).is_file() and executable.exists():
        return executable
    with cache.locked(folder):
        if (folder / _MARKER).is_file() and executable.exists():
            return executable
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder, lock, python, progress)
        (folder / _MARKER).write_text(lock.name + "\n")
    return executable


def location(lock: Path, python: str) -> Path:
    """Where that environment lies, made or not: named after the lock's folder and its digest."""
    digest = hashlib.sha256(python.encode() + b"\0" + lock.read_bytes()).hexdigest()[:12]
    name = re.sub(r"[^A-Za-z0-9.-]", "-", f"{lock.parent.name}-{lock.stem}")
    return cache.root() / "envs" / f"{name}-{digest}"


def _make(folder: Path, lock: Path, python: str, progress: Callable[[str], None]) -> None:
    uv = program()
    progress(f"making a Python {python} environment")
    made = run(command(uv, "venv", "--quiet", "--python", _of_pyenv(python) or python, folder))
    if not made.ok:
        raise ToolError(
            f"no Python {python} for {lock.parent.name}",
            why="uv found none on this host and could not fetch one",
            fix=f"install Python {python}, or run: uv python install {python}",
            detail=made.text().strip(),
        )
    progress(f"installing {_count(lock)} pinned packages")
    done = run(
        command(
            *(uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python"),
            # Recipes run without writing bytecode; what they import is compiled here, once.
            *("--compile-bytecode", "--require-hashes", "--no-deps", "-r", lock),
            env={"UV_LINK_MODE": os.environ.get("UV_LINK_MODE", "hardlink")},
        )
    )
    if not done.ok:
        shutil.rmtree(folder, ignore_errors=True)
        raise ToolError(
            f"the environment of {lock.parent.name} could not be installed",
            where=str(lock),
            why="a package could not be fetched, or does not have the digest that the lock pins",
            fix="check the network and the Python package index, then run it again",
            detail=done.text().strip()[-2000:],
        )


def _of_pyenv(version: str) -> Path | None:
    """pyenv's newest Python of that version; its shims, which uv finds, answer for none switched off."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [p for p in root.glob(f"versions/{version}.*/bin/python{version}") if os.access(p, os.X_OK)]
    return max(found, key=lambda p: [int(n) for n in re.findall(r"\d+", p.parts[-3])], default=None)


def _count(lock: Path) -> int:
    return sum(1 for line in lock.read_text().splitlines() if "==" in line and line[0] != "#")
