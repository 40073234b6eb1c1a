"""Whether the box's Python is the one that a bundle's packages are for, asked before anything changes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgepack.box.session import Box
from edgepack.bundle import Bundle
from edgepack.ship.preflight import Refusal

_MARK = "edgepack-python"
# A Python 2 can read it too, and says what it is. libc: empty where it is not glibc.
_ASK = f"""\
import os, sys, struct
try: libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (AttributeError, ValueError, OSError): libc = ""
name = getattr(getattr(sys, "implementation", None), "name", "cpython")
words = (sys.version_info[0], sys.version_info[1], os.uname()[4], struct.calcsize("P") * 8, name, libc)
print("{_MARK} %d.%d %s %d %s %s." % words)
"""
_SAID = re.compile(
    rf"^{_MARK} (\d{{1,3}}\.\d{{1,3}}) ([A-Za-z0-9_]{{1,32}}) (32|64) ([a-z0-9]{{1,32}}) "
    r"(?:glibc (\d{1,3}\.\d{1,3}))?",
    re.ASCII | re.MULTILINE,
)
_PLATFORM = re.compile(r"([a-z0-9_]+)-manylinux_(\d{1,3})_(\d{1,3})", re.ASCII)
_MACHINES = {"x86_64": ("x86_64", "amd64"), "aarch64": ("aarch64", "arm64")}


@dataclass(frozen=True)
class Wanted:
    """version: like 3.11; program: its name on the box; arch and glibc: what the packages are for."""

    version: str
    program: str
    arch: str
    glibc: tuple[int, int]

    @classmethod
    def of(cls, release: Mapping[str, Any]) -> Wanted | None:
        """Of ``python`` in a ``release.json``; None where there is none, or it is not as it should be."""
        said = release.get("python")
        if not isinstance(said, Mapping) or not all(isinstance(value, str) for value in said.values()):
            return None
        found = _PLATFORM.fullmatch(said.get("platform", ""))
        if found is None or "version" not in said or "program" not in said:
            return None
        return cls(said["version"], said["program"], found[1], (int(found[2]), int(found[3])))


def refusals(box: Box, bundle: Bundle) -> tuple[Refusal, ...]:
    """Why the box's Python cannot run the bundle's steps in it; one more command where there are some.

    Raises UnreachableError.
    """
    wanted = Wanted.of(bundle.release)
    if wanted is None:
        return ()
    done = box.exec(command(wanted.program))
    said = (done.stdout + b"\n" + done.stderr)[:4000].decode("utf-8", "replace")
    return compare(wanted, said, bundle.target)


def command(program: str) -> str:
    """What asks it, through any shell: with the flags that it will run with."""
    return shlex.join(["sh", "-c", '"$1" -IS -c "$2" || "$1" -S -c "$2"', "sh", program, _ASK])


def compare(wanted: Wanted, said: str, target: str) -> tuple[Refusal, ...]:
    """said: what the box's Python printed, or why there was nothing."""
    found = _SAID.search(said)
    other = f"install Python {wanted.version} on the box, and say `python.program` where it has another name"
    if found is None:
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "no answer")
        why = re.sub(r"[^ -~]", "?", last)[:200]
        what = f"the bundle needs Python {wanted.version}, and `{wanted.program}` on the box is none: {why}"
        return (Refusal(what, f"{other}; or write these steps as blocks or in C++"),)
    version, machine, bits, name, glibc = found.groups()
    needs = f"the bundle's packages are for Python {wanted.version}, and the box's `{wanted.program}` is"
    if name != "cpython":
        return (Refusal(f"{needs} {name} {version}", other),)
    if version != wanted.version:
        build = f"set `python.version: '{version}'`, write the packages anew for it, build and deploy again"
        return (Refusal(f"{needs} {version}", f"{other}; or {build}"),)
    if machine not in _MACHINES.get(wanted.arch, (wanted.arch,)) or bits != "64":
        what = f"the bundle's packages are for a 64-bit Python on {wanted.arch}, and the box's is one of"
        return (Refusal(f"{what} {bits} bits on {machine}", f"{other}, of 64 bits on {wanted.arch}"),)
    asked = ".".join(map(str, wanted.glibc))
    if glibc is None or tuple(map(int, glibc.split("."))) < wanted.glibc:
        has = f"glibc {glibc}" if glibc else "another libc"
        build = f"say `libc` of the box in a copy of targets/{target}.yaml in your project, and build again"
        if glibc is None:
            build = "write these steps as blocks or in C++"
        what = f"the bundle's packages need glibc {asked}, and the box's `{wanted.program}` runs on {has}"
        return (Refusal(what, f"a system with glibc {asked} or newer on the box; or {build}"),)
    return ()
