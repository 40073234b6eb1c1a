"""Programs that may crash, each in a process and a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
TIMED_OUT = 124


@dataclass(frozen=True)
class Step:
    """How a program ended. code: negative for a signal, 124 for a time-out; noise: all that it printed."""

    code: int
    noise: str
    timeout_s: int

    def ended(self, name: str) -> str:
        if self.code == TIMED_OUT:
            return f"{name} did not finish in {self.timeout_s} s"
        if self.code < 0:
            return f"{name} ended by {signal.Signals(-self.code).name}"
        return f"{name} ended with exit code {self.code}"


def step(*argv: object, cwd: Path, timeout_s: int = 600, env: Mapping[str, str] | None = None) -> Step:
    """Run a program; a first word ending in ``.py`` is run by this environment's Python.

    cwd: also its HOME and TMPDIR; made where it is not there. env: variables besides.
    """
    words = [str(word) for word in argv]
    if words[0].endswith(".py"):
        words = [sys.executable, *words]
    cwd.mkdir(parents=True, exist_ok=True)
    # Tools write caches and dumps beside themselves: each gets a folder that is thrown away.
    variables = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(cwd),
        "TMPDIR": str(cwd),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path[:2] if p),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
        **(env or {}),
    }
    process = subprocess.Popen(
        words,
        cwd=str(cwd),
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A group of its own, to be ended as one, in the session of the recipe: who ends that ends this too.
        preexec_fn=os.setpgrp,  # noqa: PLW1509 - the recipe has no threads here, and Python 3.7 no process_group
    )
    try:
        said, _ = process.communicate(timeout=timeout_s)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its children too: the whole group is ours
        said, _ = process.communicate()
        code = TIMED_OUT
    noise = plain(said)
    print(noise, flush=True)
    return Step(code, noise, timeout_s)


def plain(noise: bytes) -> str:
    """Without colours, and without what else a tool could do to a terminal."""
    text = COLOUR.sub("", noise.decode("utf-8", "replace")).replace("\r", "\n")
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
