"""What a gcc is that lies elsewhere, in a container or on a node: asked there by one script, in one go."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.architectures import Architecture
from edgepack.catalog.toolchains import Elsewhere, flags
from edgepack.compile.toolchains import gcc, zig
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import ToolError

# Looked for by CMake instead of this host's libraries and packages, which are for another system.
_NO_ROOT = Path("/edgepack/no/libraries/of/this/host")

PROBE = r"""
cc= cxx=
if [ -n "$GCC" ]; then set -- "$GCC"; else set -- "${CC:-}" "$TRIPLET-gcc" gcc; fi
for words do
  [ -n "$words" ] || continue
  if command -v "${words%% *}" >/dev/null 2>&1; then cc=$words; break; fi
done
echo "cc=$cc"
[ -n "$cc" ] || exit 0
beside() { echo "$1" | sed "s/^\([^ ]*\)gcc\(-[0-9][0-9.]*\)\{0,1\}\( .*\)\{0,1\}$/\1$2/"; }
cxx=$(echo "$cc" | sed 's/^\([^ ]*\)gcc\(-[0-9][0-9.]*\)\{0,1\}\( .*\)\{0,1\}$/\1g++\2\3/')
ar=$(beside "$cc" ar) ranlib=$(beside "$cc" ranlib)
for tool in cxx ar ranlib; do
  eval "words=\$$tool"
  command -v "${words%% *}" >/dev/null 2>&1 || words=
  echo "$tool=$words"
done
echo "version=$($cc -dumpfullversion -dumpversion 2>/dev/null | head -n 1)"
echo "machine=$($cc -dumpmachine 2>/dev/null)"
echo "said=$($cc --version 2>/dev/null | head -n 1)"
macros=$($cc -E -dM -include features.h -x c /dev/null 2>/dev/null)
echo "glibc=$(echo "$macros" | sed -n 's/^#define __GLIBC__ //p').$(
  echo "$macros" | sed -n 's/^#define __GLIBC_MINOR__ //p')"
$cxx -E -include string -x c++ /dev/null >/dev/null 2>&1 && echo headers=yes
for file in libc.a libstdc++.a libgcc.a libgomp.a rcrt1.o; do
  place=$($cc -print-file-name=$file 2>/dev/null)
  case $place in /*) echo "$file=$(cksum <"$place")" ;; esac
done
"""

# Where Debian's packages have their licences.
TEXTS = r"""
for file in /usr/share/doc/libc6-dev*/copyright /usr/share/doc/libc6*/copyright; do
  [ -s "$file" ] && { echo "glibc $file"; break; }
done
for file in /usr/share/doc/libgcc-*/copyright /usr/share/doc/libstdc++*/copyright \
  /usr/share/doc/gcc-*/copyright; do
  [ -s "$file" ] && { echo "gcc $file"; break; }
done
"""


@dataclass(frozen=True)
class Facts:
    """A gcc that can compile our programs. cc … ranlib: the words that call it there."""

    cc: tuple[str, ...]
    cxx: tuple[str, ...]
    ar: tuple[str, ...]
    ranlib: tuple[str, ...]
    version: str
    machine: str
    glibc: str
    static_pie: bool
    digest: str

    @property
    def identity(self) -> str:
        """``gcc-12.2.0-glibc-2.36-1f0c52ab``; the last part is of all that it says, and of its libraries."""
        return f"gcc-{self.version}-glibc-{self.glibc}-{self.digest[:16]}"


@dataclass(frozen=True)
class Wanted:
    """What is to be compiled: with which compiler, for what; linked to which glibc, empty for static."""

    word: Elsewhere
    arch: Architecture
    cpu: str | None
    glibc: str


@dataclass(frozen=True)
class Place:
    """Where a gcc is asked for, in words for an error. where: the image or the node. mend: what to do."""

    where: str
    mend: str


def asked(word: Elsewhere, arch: Architecture) -> Mapping[str, str]:
    """What the script wants to know, as its environment."""
    return {"GCC": word.gcc, "TRIPLET": arch.gcc}


def facts(output: str, wanted: Wanted, place: Place) -> Facts:
    """From the script's output. Raises ToolError where it is none for ``arch``, too old, or lacks a part."""
    arch, static = wanted.arch, not wanted.glibc
    said = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

    def refused(what: str, why: str, fix: str = "") -> ToolError:
        return ToolError(what, where=place.where, why=why, fix=fix or place.mend)

    cc = said.get("cc", "")
    if not cc:
        raise refused(
            f"no gcc for {arch.name}", f"no {wanted.word.gcc or f'{arch.gcc}-gcc, and no gcc'} is there"
        )
    name, version, machine = cc.split()[0], said.get("version", ""), said.get("machine", "")
    lacking = [tool for tool in ("cxx", "ar", "ranlib") if not said.get(tool)]
    if lacking or not re.search(r"gcc(-\d[\d.]*)?$", name):
        tools = ", ".join("g++" if tool == "cxx" else tool for tool in lacking) or "gcc"
        raise refused(f"no {tools} beside {name}", "a C++ program is compiled")
    if not gcc.is_for(machine, arch):
        raise refused(
            f"{name} is for {machine or 'nothing it says'}, not for {arch.name}", "it says so itself"
        )
    if "musl" in machine or not re.fullmatch(r"\d+\.\d+", said.get("glibc", "")):
        raise refused(
            f"{name} has no headers of glibc", f"it is for {machine}", f"{place.mend}; for musl take zig"
        )
    if not version[:1].isdigit() or int(version.partition(".")[0]) < gcc.OLDEST:
        raise refused(f"{name} {version} is too old", f"the program is C++17: gcc {gcc.OLDEST} or newer")
    needed = ["libstdc++.a", "libgcc.a", *(["libc.a", "libgomp.a"] if static else [])]
    absent = [file for file in needed if file not in said]
    if absent or said.get("headers") != "yes":
        missing = absent[0] if absent else "header of C++"
        raise refused(f"{name} has no {missing}", "the program is linked with it")
    about = "\n".join(sorted(f"{key}={value}" for key, value in said.items()))
    return Facts(
        cc=tuple(cc.split()),
        cxx=tuple(said["cxx"].split()),
        ar=tuple(said["ar"].split()),
        ranlib=tuple(said["ranlib"].split()),
        version=version,
        machine=machine,
        glibc=said["glibc"],
        static_pie="rcrt1.o" in said,
        digest=hashlib.sha256(about.encode()).hexdigest(),
    )


def toolchain(
    found: Facts, wanted: Wanted, called: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> Toolchain:
    """called: from the words that call a tool where it is, those that call it from here."""
    word, arch, glibc = wanted.word, wanted.arch, wanted.glibc
    own = flags(str(word), glibc)
    tools = zig.environment()
    return Toolchain(
        name=word.kind,
        version=f"{found.identity} {word.identity}".strip(),
        arch=arch,
        cc=called(found.cc),
        cxx=called(found.cxx),
        ar=called(found.ar),
        ranlib=called(found.ranlib),
        cmake=tools / "cmake",
        ninja=tools / "ninja",
        flags=own if glibc or found.static_pie else gcc.without_pie(own),
        cpu_flags=gcc.cpu_flags(arch, wanted.cpu),
        sysroot=_NO_ROOT,
        facts={"gcc": found.version, "glibc": found.glibc, "machine": found.machine},
    )
