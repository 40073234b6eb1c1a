"""The notices layer of a bundle: the licences of what its program holds, and the bill of materials."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.architectures import architecture
from edgepack.catalog.gcc_libraries import LICENCE as GCC_LICENCE
from edgepack.catalog.ncnn_build import SOURCE, VERSION
from edgepack.catalog.packaged import Packaged
from edgepack.catalog.packaged_runtimes import PACKAGED
from edgepack.catalog.paths import data
from edgepack.catalog.toolchains import LOCK, OWN_CPP, GccByPath, by_path, elsewhere, gcc_program
from edgepack.catalog.vendor_runtimes import VENDORS
from edgepack.package import linked_vendor, notices, sbom
from edgepack.package.bundle import Content
from edgepack.package.errors import NoticesMissing
from edgepack.package.sbom import Component
from edgepack.plan.libraries import needed
from edgepack.plan.program_steps import glibc_of
from edgepack.plan.step import Work
from edgepack.tools import sdist, uv
from edgepack.tools.runner import command, run

SBOM = "sbom.cdx.json"
_DOC = Path("/usr/share/doc")


@dataclass(frozen=True)
class Linked:
    """What a toolchain links into a program: licence texts by file name, and the parts themselves."""

    texts: Mapping[str, bytes]
    parts: tuple[Component, ...]


def notices_layer(work: Work, layers: Mapping[str, Mapping[str, Content]]) -> dict[str, Content]:
    """``LICENSES/*`` and ``sbom.cdx.json`` for a bundle of these layers.

    Raises NoticesMissing where a package does not hold its licence, ToolError where ncnn's source
    is not in the cache and cannot be had.
    """
    name, version = work.project.manifest.name, work.project.manifest.version
    if work.choice.runtime in PACKAGED:
        compiled = work.result("compile").outputs
        texts = {
            name.removeprefix("licences/"): work.store.blob(output.sha256)
            for name, output in compiled.items()
            if name.startswith("licences/")
        }
        linked = with_packaged(
            PACKAGED[work.choice.runtime], texts, work.choice.target.arch, _of_compiler(work)
        )
    elif work.choice.runtime in VENDORS:  # whose library is the box's own
        linked = _of_compiler(work)
    elif work.choice.toolchain == "zig":
        linked = by_zig(
            sdist.unpack(SOURCE, work.progress), zig_lib(), static=not glibc_of(work.project, work.choice)
        )
    elif vendor := by_path(work.choice.toolchain):
        linked = by_vendors_gcc(sdist.unpack(SOURCE, work.progress), vendor, _licences(work))
    elif elsewhere(work.choice.toolchain):
        linked = _by_gcc_elsewhere(work, sdist.unpack(SOURCE, work.progress))
    else:
        linked = by_gcc(sdist.unpack(SOURCE, work.progress), work.choice.target.arch)
    compiled = work.result("compile").outputs
    # Of the C libraries beside the runtime.
    more = notices.texts(
        {
            file.removeprefix("licences/"): work.store.blob(output.sha256)
            for file, output in compiled.items()
            if file.startswith("licences/")
        }
    )
    own = [
        Component(path, version if kind == "program" else "", _KINDS[kind], sha256=_sha256(content))
        for kind, files in layers.items()
        if kind in _KINDS
        for path, content in files.items()
    ]
    bill = sbom.render(name, version, (*own, *linked.parts, *sbom.c_libraries(needed(work.project.manifest))))
    layer = {f"LICENSES/{file}": Content(text) for file, text in {**linked.texts, **more}.items()}
    return {**layer, SBOM: Content(bill)}


_KINDS: Mapping[str, sbom.Kind] = {
    "program": "application",
    "model": "machine-learning-model",
    "libraries": "library",
}


def by_zig(ncnn: Path, lib: Path, *, static: bool = True) -> Linked:
    """What zig links. ncnn: its unpacked source; lib: zig's ``lib`` folder; static: with musl in it."""
    zig = _pinned("ziglang")
    if static:
        return Linked(notices.collect(ncnn, lib), sbom.linked(VERSION, lib, zig))
    parts = [part for part in sbom.linked(VERSION, lib, zig) if part.name == "ncnn"]
    return Linked(
        notices.beside({"ncnn.txt": ncnn / "LICENSE.txt"}, lib), (*parts, *sbom.linked_to_glibc(lib, zig))
    )


def _of_compiler(work: Work) -> Linked:
    """What the compiler itself puts into a program that loads its runtime, and links to the box's glibc."""
    name, arch = work.choice.toolchain, work.choice.target.arch
    if name == "zig":
        return zig_beside()
    if elsewhere(name):
        away = {"libgomp"} | ({"libstdc++"} if glibc_of(work.project, work.choice) == OWN_CPP else set())
        return Linked({}, tuple(part for part in _parts_elsewhere(work) if part.name not in away))
    given = by_path(name)
    texts = linked_vendor.texts(given, _licences(work)) if given else _debian_texts(arch)
    parts = linked_vendor.parts(given) if given else _debian_parts(arch)
    # Of glibc only what starts a program is inside; libgomp is not, since nothing is OpenMP's but ncnn.
    away = {"libgomp"} | ({"libstdc++"} if glibc_of(work.project, work.choice) == OWN_CPP else set())
    inside = [part for part in parts if part.name not in away]
    texts = {file: text for file, text in texts.items() if file.removesuffix(".txt") not in away}
    return Linked(notices.beside(texts, None), tuple(inside))


def zig_beside() -> Linked:
    """What zig puts into a program that links to a glibc."""
    return Linked(notices.beside({}, zig_lib()), sbom.linked_to_glibc(zig_lib(), _pinned("ziglang")))


def with_packaged(about: Packaged, texts: Mapping[str, Path], arch: str, compiler: Linked) -> Linked:
    """What is in a program that loads a runtime, and the libraries beside it with their texts."""
    purl = f"pkg:pypi/{about.project}@{about.version}"
    parts = [Component(about.project, about.version, licence=about.licence, purl=purl)]
    for companion in about.libraries[arch].companions:
        package = companion.package
        purl = f"pkg:deb/debian/{package.name}@{package.version}?arch={architecture(arch).debian}"
        parts.append(
            Component(package.name, package.version, licence=GCC_LICENCE, purl=purl.replace("+", "%2B"))
        )
    return Linked({**compiler.texts, **notices.texts(texts)}, (*parts, *compiler.parts))


def by_gcc(ncnn: Path, arch: str) -> Linked:
    """What Debian's gcc links statically, by the packages that hold it.

    glibc is under the LGPL: who ships such a program must let others link it anew with another glibc.
    """
    own = Component("ncnn", VERSION, licence=sbom.NCNN_LICENCE, purl=f"pkg:pypi/ncnn@{VERSION}")
    return Linked(notices.collect(ncnn, None, _debian_texts(arch)), (own, *_debian_parts(arch)))


def _debian_packages(arch: str) -> dict[str, tuple[str, str]]:
    """What gcc links → the package that holds it, and its licence."""
    major = run(command(gcc_program(arch), "-dumpversion")).stdout.decode().strip()
    known = architecture(arch)
    cross = "" if known.runs(platform.machine()) else f"-{known.debian}-cross"
    return {
        "glibc": (f"libc6-dev{cross}", "LGPL-2.1-or-later"),
        "libgcc": (f"libgcc-{major}-dev{cross}", GCC_LICENCE),
        "libgomp": (f"libgcc-{major}-dev{cross}", GCC_LICENCE),
        "libstdc++": (f"libstdc++-{major}-dev{cross}", GCC_LICENCE),
    }


def _debian_texts(arch: str) -> dict[str, Path]:
    packages = _debian_packages(arch)
    return {f"{name}.txt": _DOC / package / "copyright" for name, (package, _) in packages.items()}


def _debian_parts(arch: str) -> tuple[Component, ...]:
    parts = []
    for name, (package, licence) in _debian_packages(arch).items():
        version = _debian_version(package)
        # One package holds two of them: the part after # tells them apart.
        purl = "pkg:deb/debian/" + f"{package}@{version}#{name}".replace("+", "%2B")
        parts.append(Component(name, version, licence=licence, purl=purl))
    return tuple(parts)


def by_vendors_gcc(ncnn: Path, given: GccByPath, licences: Path | None) -> Linked:
    """What a gcc by its path links statically. licences: the folder that the manifest names."""
    texts = notices.collect(ncnn, None, linked_vendor.texts(given, licences))
    return Linked(texts, (linked_vendor.ncnn(VERSION), *linked_vendor.parts(given)))


def _by_gcc_elsewhere(work: Work, ncnn: Path) -> Linked:
    """What a gcc in a container or on a node links statically; its texts came with the program."""
    return Linked(notices.collect(ncnn, None), (linked_vendor.ncnn(VERSION), *_parts_elsewhere(work)))


def _parts_elsewhere(work: Work) -> tuple[Component, ...]:
    facts = work.result("compile").report["compiler"]
    return linked_vendor.components(facts["gcc"], facts["glibc"])


def _licences(work: Work) -> Path | None:
    named = work.choice.options.toolchain
    given = None if named is None or isinstance(named, str) else named.licences
    return Path(given) if given else None


def zig_lib() -> Path:
    """The ``lib`` folder of the zig that the toolchain's lock pins; made where it is not there yet."""
    python = uv.environment(data(LOCK), f"{sys.version_info.major}.{sys.version_info.minor}")
    found = sorted(python.parent.parent.glob("lib/python3*/site-packages/ziglang/lib"))
    if not found:
        raise NoticesMissing("the toolchain's environment has no zig", where=str(python.parent.parent))
    return found[0]


def _pinned(package: str) -> str:
    lines = data(LOCK).read_text().splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith(f"{package}=="))


def _debian_version(package: str) -> str:
    done = run(command("dpkg-query", "-W", "-f", "${Version}", package))
    if not done.ok:
        raise NoticesMissing(
            f"Debian's package {package} is not installed",
            why="the licences of what gcc links into a program are taken from it",
            fix=f"sudo apt-get install {package}, or compile with zig",
        )
    return done.stdout.decode().strip()


def _sha256(content: Content) -> str:
    if isinstance(content.source, bytes):
        return hashlib.sha256(content.source).hexdigest()
    with content.source.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
