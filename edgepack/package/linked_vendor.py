"""What a vendor's gcc links into a program: versions as it says them, licences where they lie with it."""

from __future__ import annotations

import re
from pathlib import Path

from edgepack.catalog.gcc_libraries import LICENCE as GCC_LICENCE
from edgepack.catalog.toolchains import GccByPath
from edgepack.package import sbom
from edgepack.package.errors import NoticesMissing
from edgepack.package.sbom import Component
from edgepack.tools.runner import command, run

_LIBC_LICENCE = "LGPL-2.1-or-later"
# Where Debian's packages have them, in a sysroot made of such or beside the compiler.
_PLACES = {
    "glibc.txt": ("libc6*/copyright", "glibc*/copyright"),
    "gcc.txt": ("libgcc-*/copyright", "libstdc++*/copyright", "gcc-*/copyright"),
}


def texts(given: GccByPath, licences: Path | None) -> dict[str, Path]:
    """``gcc.txt`` and ``glibc.txt`` → where each lies. Raises NoticesMissing where one is nowhere."""
    return {name: _text(name, given, licences) for name in _PLACES}


def _text(name: str, given: GccByPath, licences: Path | None) -> Path:
    if licences is not None:
        return licences / name
    roots = [given.sysroot / "usr" / "share" / "doc"] if given.sysroot else []
    roots.append(given.gcc.parent.parent / "share" / "doc")
    for root in roots:
        for pattern in _PLACES[name]:
            found = sorted(root.glob(pattern))
            if found:
                return found[0]
    raise NoticesMissing(
        f"no licence text for {name.removesuffix('.txt')}, which {given.gcc.name} links into the program",
        where=", ".join(map(str, roots)),
        why="a bundle carries the licences of what it holds",
        fix=f"put {' and '.join(_PLACES)} into a folder: `toolchain: {{gcc: …, licences: FOLDER}}`",
    )


def parts(given: GccByPath) -> tuple[Component, ...]:
    """The libraries for the bill of materials."""
    gcc = _said(given, "-dumpfullversion", "-dumpversion")
    root = (f"--sysroot={given.sysroot}",) if given.sysroot else ()
    macros = _said(given, *root, "-E", "-dM", "-include", "features.h", "-x", "c", "/dev/null")
    found = {name: re.search(rf"#define __{name}__ (\d+)", macros) for name in ("GLIBC", "GLIBC_MINOR")}
    return components(gcc, ".".join(match[1] if match else "0" for match in found.values()))


def components(gcc: str, glibc: str) -> tuple[Component, ...]:
    """The same from the two versions."""
    libraries = [("libgcc", gcc, GCC_LICENCE), ("libgomp", gcc, GCC_LICENCE), ("libstdc++", gcc, GCC_LICENCE)]
    return tuple(
        Component(name, version, licence=licence, purl=f"pkg:generic/{name.replace('+', '%2B')}@{version}")
        for name, version, licence in [("glibc", glibc, _LIBC_LICENCE), *libraries]
    )


def ncnn(version: str) -> Component:
    return Component("ncnn", version, licence=sbom.NCNN_LICENCE, purl=f"pkg:pypi/ncnn@{version}")


def _said(given: GccByPath, *words: str) -> str:
    return run(command(given.gcc, *words, timeout_s=20)).stdout.decode("utf-8", "replace").strip()
