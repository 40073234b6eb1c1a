"""What each object was compiled from, by content: Ninja looks at times, and times lie.

A file that is put back with its old time (``cp -p``, an unpacked archive) is older than the object made
from the newer one, and Ninja would keep that object.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from edgepack.tools.runner import command, run

_RECORD = "inputs.json"
_OBJECT = re.compile(r"(?P<object>.+): #deps \d+, deps mtime \d+ \(\w+\)")


def drop_stale(build: Path, mine: str) -> None:
    """Remove the objects whose files hold something else now; call it before a build.

    mine: the glob of all objects whose inputs are recorded. Without the record of a finished build none of
    them is believed. The record itself goes too: what an interrupted build compiles is not known.
    """
    record = build / _RECORD
    try:
        known: dict[str, dict[str, str]] = json.loads(record.read_bytes())
    except (OSError, ValueError):
        known = {}
    for path in build.glob(mine):
        made_from = known.get(path.relative_to(build).as_posix())
        if made_from is None or any(_digest(Path(file)) != said for file, said in made_from.items()):
            path.unlink()
    record.unlink(missing_ok=True)


def remember(build: Path, ninja: Path, project: Path) -> None:
    """Record what the objects were made from, as far as it lies in ``project``; call it after a build."""
    said = run(command(ninja, "-C", build, "-t", "deps")).stdout.decode("utf-8", "replace")
    known: dict[str, dict[str, str]] = {}
    files: dict[str, str] = {}
    for line in said.splitlines():
        if match := _OBJECT.fullmatch(line):
            files = known.setdefault(match["object"], {})
        elif line.startswith("    "):
            file = build / line.strip()
            if file.is_relative_to(project) and not file.is_relative_to(build.parent):
                files[str(file)] = _digest(file)
    (build / _RECORD).write_text(json.dumps({name: made for name, made in known.items() if made}))


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "gone"
