"""The shortest way to say that there is nothing to build: stat what the last build looked at.

A full build leaves behind what it read and wrote, each with size, inode and times. When all of that is
as it was, the answer is the one it gave. Anything else, any doubt, and the whole way is gone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence

_KEPT = 8  # command lines remembered per project


def nothing_to_do(words: Sequence[str]) -> int | None:
    """0 where the build of this command line is up to date (and said so), else None."""
    folder = _folder(words)
    if folder is None:
        return None
    try:
        with open(f"{folder}/.edgepack/quick.json", encoding="utf-8") as file:
            entry = json.load(file).get("\n".join(words))
        if entry is None or entry["environment"] != _environment():
            return None
        for path, mark in entry["marks"]:
            if _mark(path) != mark:
                return None
        said = str(entry["said"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    sys.stdout.write(said)
    return 0


def remember(folder: str, words: Sequence[str], paths: Iterable[str], said: str, since_ns: int) -> None:
    """Keep what a finished build looked at.

    since_ns: when that build took its snapshot. A file touched since then, or so shortly before that
    its timestamp could hide another change, makes the next run go the whole way.
    """
    marks = []
    for path in sorted(set(paths)):
        mark = _mark(path)
        if mark is None or (mark[1] > since_ns - 20_000_000 and not path.startswith(f"{folder}/dist/")):
            return
        marks.append((path, mark))
    file = f"{folder}/.edgepack/quick.json"
    try:
        with open(file, encoding="utf-8") as handle:
            known = json.load(handle)
    except (OSError, ValueError):
        known = {}
    known.pop("\n".join(words), None)
    known["\n".join(words)] = {"environment": _environment(), "marks": marks, "said": said}
    for old in list(known)[:-_KEPT]:
        del known[old]
    beside = f"{file}.{os.getpid()}"
    with open(beside, "w", encoding="utf-8") as handle:
        json.dump(known, handle)
    os.replace(beside, file)


def _mark(path: str) -> list[int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _environment() -> list[object]:
    """What else decides: where the cache and the user's catalogue lie, and which programs there are."""
    names = ("EDGEPACK_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HOME", "PATH")
    path = os.environ.get("PATH", "").split(":")
    return [
        os.getcwd(),
        [os.environ.get(name, "") for name in names],
        [(_mark(folder) or [0, 0])[1] for folder in path],
    ]


def _folder(words: Sequence[str]) -> str | None:
    """The project's folder as ``-C`` gives it."""
    folder = "."
    for index, word in enumerate(words):
        if word == "-C":
            folder = words[index + 1] if index + 1 < len(words) else ""
        elif word.startswith("-C"):
            folder = word[2:]
        elif word in ("-h", "--help"):
            return None
    return os.path.abspath(folder) if folder else None
