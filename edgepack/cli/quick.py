"""The shortest way to say that there is nothing to build: stat what the last build looked at.

A full build leaves behind what it read and wrote, each with size, inode and times. When all of that is
as it was, the answer is the one it gave. Anything else, any doubt, and the whole way is gone.

This module imports nothing that Python has not loaded at its start, and keeps lines of text rather than
JSON: importing a parser would take as long as everything else here.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing's own constant costs the import of typing
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KEPT = 8  # command lines remembered per project
_VARIABLES = ("EDGEPACK_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HOME", "PATH")
_RACY_NS = 20_000_000  # file systems' timestamps may be this coarse


def nothing_to_do(words: Sequence[str]) -> int | None:
    """0 where the build of this command line is up to date (and said so), else None."""
    folder = _folder(words)
    if folder is None:
        return None
    known = _read(folder).get(_name(words))
    if known is None or known[0] != _environment():
        return None
    said = []
    for line in known[1:]:
        if line[0] == "|":
            said.append(line[1:])
            continue
        mark, _, path = line.partition(" ")
        if _mark(path) != mark:
            return None
    sys.stdout.write("\n".join(said) + "\n")
    return 0


def remember(folder: str, words: Sequence[str], paths: Iterable[str], said: str, since_ns: int) -> None:
    """Keep what a finished build looked at.

    since_ns: when that build took its snapshot. A file touched since then, or so shortly before that
    its timestamp could hide another change, makes the next run go the whole way.
    """
    lines = [_environment()]
    for path in sorted(set(paths)):
        mark = _mark(path)
        ours = path.startswith(f"{folder}/dist/")
        if mark is None or "\n" in path or (not ours and _touched(path) > since_ns - _RACY_NS):
            return
        lines.append(f"{mark} {path}")
    known = _read(folder)
    known.pop(_name(words), None)
    known[_name(words)] = [*lines, *("|" + line for line in said.splitlines())]
    for old in list(known)[:-_KEPT]:
        del known[old]
    text = "".join(f"={name}\n" + "\n".join(entry) + "\n" for name, entry in known.items())
    beside = f"{_file(folder)}.{os.getpid()}"
    with open(beside, "w", encoding="utf-8", errors="surrogateescape") as handle:
        handle.write(text)
    os.replace(beside, _file(folder))


def inputs(folder: str, words: Sequence[str]) -> list[str]:
    """The paths that a remembered build of this command line looked at; for measurements."""
    entry = _read(folder).get(_name(words), [])
    return [line.partition(" ")[2] for line in entry[1:] if line[0] != "|"]


def _read(folder: str) -> dict[str, list[str]]:
    """Command line → its environment, its marks, and its words to say; empty where there is none."""
    try:
        with open(_file(folder), encoding="utf-8", errors="surrogateescape") as handle:
            text = handle.read()
    except (OSError, ValueError):
        return {}
    known: dict[str, list[str]] = {}
    for part in ("\n" + text).split("\n=")[1:]:
        lines = part.rstrip("\n").split("\n")
        if len(lines) > 2 and "" not in lines[2:]:
            known[lines[0]] = lines[1:]
    return known


def _file(folder: str) -> str:
    return f"{folder}/.edgepack/quick"


def _name(words: Sequence[str]) -> str:
    return "\x1f".join(words).replace("\n", "\x1e")


def _mark(path: str) -> str | None:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return None
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"


def _touched(path: str) -> int:
    """When the file last changed, bytes or name, in nanoseconds."""
    stat = os.stat(path)
    return max(stat.st_mtime_ns, stat.st_ctime_ns)


def _environment() -> str:
    """What else decides: where the cache and the user's catalogue lie, and which programs there are."""
    path = os.environ.get("PATH", "").split(":")
    programs = [(_mark(folder) or "").partition(":")[2] for folder in path]
    values = [os.environ.get(name, "") for name in _VARIABLES]
    return "\x1f".join([os.getcwd(), *values, *programs]).replace("\n", "\x1e")


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
