"""The toolchains edgepack compiles with: their flags as data, and what identifies each for a plan's keys.

No heavy work here: a plan is made without starting a compiler. What uses this is
``edgepack.compile.toolchains``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgepack.catalog.architectures import architecture
from edgepack.catalog.paths import data
from edgepack.errors import InputError
from edgepack.tools.runner import command, run

LOCK = "requirements/toolchain.txt"


@dataclass(frozen=True)
class Flags:
    """What a toolchain is called with, in every project.

    compile: each translation unit. link: each program. release: CMake's Release configuration.
    """

    compile: tuple[str, ...]
    link: tuple[str, ...]
    release: tuple[str, ...]


_HARDENED = ("-fPIE", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2")
_HARDENED_LINK = ("-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack")

# zig builds its C and C++ libraries anew for each change of -O, -g, -s, -flto or -pie at link time,
# minutes each: one fixed set for all programs. Its undefined-behaviour sanitiser is on by default and
# turns a user's harmless shift into a trap.
_FLAGS = {
    "zig": Flags(
        compile=("-fno-sanitize=undefined", *_HARDENED),
        link=("-pie", *_HARDENED_LINK),
        release=("-O2", "-g", "-DNDEBUG"),
    ),
    # glibc's static programs resolve names and locales through dlopen; edgepack's do neither. ncnn's
    # threads are those of OpenMP.
    "gcc": Flags(
        compile=_HARDENED,
        link=("-static-pie", "-fopenmp", *_HARDENED_LINK),
        release=("-O2", "-g", "-DNDEBUG"),
    ),
}

TOOLCHAINS = tuple(_FLAGS)

# For what is linked to the box's own glibc: objects that a shared library can hold too.
_GLIBC_FLAGS = {
    "zig": Flags(
        compile=tuple("-fPIC" if word == "-fPIE" else word for word in _FLAGS["zig"].compile),
        link=_FLAGS["zig"].link,
        release=_FLAGS["zig"].release,
    ),
    # Its own libstdc++ and libgcc are inside: the box's may be older, and the bundle's are a runtime's.
    "gcc": Flags(
        compile=tuple("-fPIC" if word == "-fPIE" else word for word in _HARDENED),
        link=("-pie", "-static-libstdc++", "-static-libgcc", *_HARDENED_LINK),
        release=_FLAGS["gcc"].release,
    ),
}

OWN_GLIBC = "its own"
"""Instead of a version: what a gcc links to is the glibc that it or its sysroot has."""

OWN_CPP = "its own, and its libstdc++"
"""The same, and the C++ library is the box's: a library that is linked passes its types."""


@dataclass(frozen=True)
class GccByPath:
    """A vendor's gcc, as a plan has it in a word: ``gcc:/opt/v/bin/aarch64-linux-gnu-gcc:/opt/v/sysroot``.

    gcc: the C compiler; the others lie beside it under the same prefix. sysroot: headers and libraries of
    the target; None where the compiler has its own.
    """

    gcc: Path
    sysroot: Path | None = None

    def __str__(self) -> str:
        return ":".join(("gcc", str(self.gcc), *([str(self.sysroot)] if self.sysroot else [])))

    def beside(self, tool: str) -> Path:
        """``g++``, ``ar``, ``ranlib`` of the same set: ``x-gcc`` → ``x-ar``, ``x-gcc-12`` → ``x-g++-12``."""
        prefix, suffix = _GCC_NAME.fullmatch(self.gcc.name).groups()  # type: ignore[union-attr]
        return self.gcc.with_name(f"{prefix}{tool}{suffix if tool == 'g++' else ''}")


_GCC_NAME = re.compile(r"(.*)gcc((?:-\d[\d.]*)?)")


def by_path(toolchain: str) -> GccByPath | None:
    """The vendor's gcc that a plan's word stands for; None for ``zig`` and for the host's own ``gcc``."""
    kind, *paths = toolchain.split(":")
    if kind != "gcc" or not paths:
        return None
    return GccByPath(Path(paths[0]), Path(paths[1]) if len(paths) > 1 else None)


@dataclass(frozen=True)
class Elsewhere:
    """A gcc that is called where it is, as a plan has it in a word: ``container:IMAGE=sha256:…`` or
    ``node:edge-01=gcc-12.2.0-glibc-2.36-1f0c…``.

    kind: ``container`` or ``node``. name: the image, or the node in fleet.yaml. gcc: the C compiler there,
    where it has another name than usual. identity: what it was found to be; empty where nobody has looked.
    """

    kind: str
    name: str
    gcc: str = ""
    identity: str = ""

    def __str__(self) -> str:
        gcc = f"#{self.gcc}" if self.gcc else ""
        return f"{self.kind}:{self.name}{gcc}" + (f"={self.identity}" if self.identity else "")

    @property
    def asked(self) -> str:
        """The same without what it was found to be: as the manifest has it."""
        return str(replace(self, identity=""))


# No image's and no node's name has # or =, and the manifest takes no compiler's path with them.
_ELSEWHERE = re.compile(r"(container|node):([^#=]+)(?:#([^#=]+))?(?:=(.+))?")


def elsewhere(toolchain: str) -> Elsewhere | None:
    """The compiler in a container or on a node that a plan's word stands for; None for one on this host."""
    found = _ELSEWHERE.fullmatch(toolchain)
    return Elsewhere(*(part or "" for part in found.groups())) if found else None


def label(toolchain: str) -> str:
    """A toolchain's word as part of a folder's or a step's name: without paths."""
    if toolchain in TOOLCHAINS:
        return toolchain
    return f"{toolchain.partition(':')[0]}-{_digest(toolchain.encode())[:8]}"


def flags(toolchain: str, glibc: str = "") -> Flags:
    """The fixed flags of a toolchain; ``glibc``: the version that is linked to, empty for static programs.

    Raises InputError where there is none of that name, or it is not for that.
    """
    known = _GLIBC_FLAGS if glibc else _FLAGS
    is_gcc = by_path(toolchain) or elsewhere(toolchain)
    found = known.get("gcc" if is_gcc else toolchain)
    if found is None:
        what = "libraries and programs for the box's own glibc" if glibc else "programs"
        raise InputError(
            f"the toolchain {toolchain!r} makes no {what} here",
            why=f"edgepack knows {', '.join(known)}",
            fix="use one of these",
        )
    if glibc == OWN_CPP:
        return replace(found, link=tuple(word for word in found.link if not word.startswith("-static-")))
    return found


def pins(toolchain: str, arch: str) -> dict[str, str]:
    """What a compiled result depends on beside its own sources, for the keys of a plan.

    zig, CMake and Ninja are what the lock says; a host's gcc is told apart by its file, so that an
    upgrade compiles anew ("absent" where there is none: it is ``compile`` that says so to the user). One in a
    container or on a node has what it was found to be in its word.
    """
    vendor = by_path(toolchain)
    known = {
        "toolchain": toolchain,
        "flags": _digest(json.dumps(asdict(flags(toolchain))).encode()),
        "lock": _digest(data(LOCK).read_bytes()),
    }
    if toolchain == "gcc":
        known["compiler"] = _file_identity(gcc_program(arch))
    if vendor:
        known["compiler"] = _said_and_identity(vendor.gcc)
        known["sysroot"] = _sysroot_identity(vendor.sysroot) if vendor.sysroot else "the compiler's own"
    return known


def _said_and_identity(gcc: Path) -> str:
    """Version and target, as the compiler itself says them, and its file."""
    if not os.access(gcc, os.X_OK) or gcc.is_dir():
        return "absent"
    said = run(command(gcc, "-dumpfullversion", "-dumpversion", timeout_s=20)).stdout.decode(
        "utf-8", "replace"
    )
    target = run(command(gcc, "-dumpmachine", timeout_s=20)).stdout.decode("utf-8", "replace")
    return f"{said.strip()} {target.strip()} {_file_identity(str(gcc))}"


def _sysroot_identity(sysroot: Path) -> str:
    """By names, sizes and times of all files: a library that was put into it compiles anew."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(sysroot):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            about = path.lstat()
            line = f"{path.relative_to(sysroot)}:{about.st_size}:{about.st_mtime_ns}"
            digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def gcc_program(arch: str) -> str:
    """Debian's name of the C++ compiler for ``arch`` (``aarch64-linux-gnu-g++``)."""
    return f"{architecture(arch).gcc}-g++"


def _file_identity(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        return "absent"
    real = Path(found).resolve()
    about = real.stat()
    return f"{real.name}:{about.st_size}:{about.st_mtime_ns}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
