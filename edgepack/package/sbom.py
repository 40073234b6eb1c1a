"""What is in a bundle, as CycloneDX 1.6 JSON: the same bytes for the same parts, with no time stamp.

Fields after the specification, https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgepack.catalog.libraries import LIBRARIES
from edgepack.package.errors import NoticesMissing
from edgepack.tools.sdist import Source

# Its LICENSE.txt: its own, and those of what it has taken in.
NCNN_LICENCE = "BSD-3-Clause AND BSD-2-Clause AND Zlib"
Kind = Literal["application", "container", "library", "machine-learning-model", "data", "file"]

_NAMESPACE = uuid.UUID("0f7d3a52-6c0e-5a6e-9a35-4f0d1b8a7c11")  # our own, for uuid5


@dataclass(frozen=True)
class Component:
    """One part. ``licence`` is an SPDX expression; what is not known is left empty."""

    name: str
    version: str
    kind: Kind = "library"
    licence: str = ""
    sha256: str = ""  # of the file that is in the bundle
    purl: str = ""


def linked(ncnn_version: str, zig_lib: Path, zig_version: str) -> tuple[Component, ...]:
    """What a static program made by zig holds beside the user's code; versions from zig's own files.

    Raises NoticesMissing where zig's folder does not say which musl or libc++ it holds.
    """
    # 220108 is LLVM 22.1.8: https://libcxx.llvm.org/UsingLibcxx.html
    number = int(_find(zig_lib / "libcxx/include/__config", r"define\s+_LIBCPP_VERSION\s+(\d+)"))
    llvm = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    musl = _find(zig_lib / "libc/musl/src/internal/version.h", r'VERSION\s+"([^"]+)"')
    exception = "Apache-2.0 WITH LLVM-exception"
    return (
        Component(
            "ncnn",
            ncnn_version,
            licence=NCNN_LICENCE,
            purl=f"pkg:pypi/ncnn@{ncnn_version}",
        ),
        Component("musl", musl, licence="MIT", purl=f"pkg:generic/musl@{musl}"),
        *(
            Component(name, llvm, licence=exception, purl=f"pkg:generic/{name}@{llvm}")
            for name in ("libcxx", "libcxxabi", "libunwind")
        ),
        Component("zig-compiler-rt", zig_version, licence="MIT", purl=f"pkg:pypi/ziglang@{zig_version}"),
    )


def linked_to_glibc(zig_lib: Path, zig_version: str) -> tuple[Component, ...]:
    """The same for a program that loads the box's glibc: of that, only what starts a program is in it."""
    parts = [part for part in linked("", zig_lib, zig_version) if part.name not in ("ncnn", "musl")]
    purl = f"pkg:pypi/ziglang@{zig_version}#glibc"
    return (*parts, Component("glibc-start-files", zig_version, licence="LGPL-2.1-or-later", purl=purl))


def c_libraries(names: Sequence[str]) -> tuple[Component, ...]:
    """What is linked of ``edgepack.catalog.libraries``: built from sources that others keep."""
    found = []
    for library in (LIBRARIES[name] for name in names):
        if isinstance(library.source, Source):
            carrier = library.source.filename.removesuffix(".tar.gz").replace("-", "@", 1)
            purl = f"pkg:pypi/{carrier}#{library.name}"
        else:
            version = library.source.version.replace(":", "%3A").replace("+", "%2B")
            purl = f"pkg:deb/debian/{library.source.name}@{version}?arch=source"
        found.append(Component(library.name, library.version, licence=library.licence, purl=purl))
    return tuple(found)


def render(name: str, version: str, components: Sequence[Component]) -> bytes:
    """The bill of materials of the product ``name`` in its ``version``."""
    parts = sorted({_reference(part): _entry(part) for part in components}.items())
    product = {"type": "application", "name": name, "version": version, "bom-ref": "product"}
    bom: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product},
        "components": [entry for _, entry in parts],
        "dependencies": [{"ref": "product", "dependsOn": [reference for reference, _ in parts]}],
    }
    return _numbered(bom)


def with_part(bill: bytes, part: Component | None) -> bytes:
    """A bill of ``render``'s with one part more: what lies below the product in an image."""
    if part is None:
        return bill
    bom = json.loads(bill)
    parts = {entry["bom-ref"]: entry for entry in bom["components"]} | {_reference(part): _entry(part)}
    bom["components"] = [entry for _, entry in sorted(parts.items())]
    bom["dependencies"] = [{"ref": "product", "dependsOn": sorted(parts)}]
    del bom["serialNumber"]
    return _numbered(bom)


def _numbered(bom: dict[str, Any]) -> bytes:
    """Its bytes, with a number that follows from what it says."""
    digest = hashlib.sha256(json.dumps(bom, sort_keys=True).encode()).hexdigest()
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}"
    return (json.dumps(bom, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _reference(part: Component) -> str:
    return part.purl or f"{part.kind}:{part.name}@{part.version}"


def _entry(part: Component) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": part.kind, "name": part.name, "bom-ref": _reference(part)}
    if part.version:
        entry["version"] = part.version
    if part.licence:
        entry["licenses"] = [{"expression": part.licence}]
    if part.sha256:
        entry["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
    if part.purl:
        entry["purl"] = part.purl
    return entry


def _find(path: Path, pattern: str) -> str:
    try:
        found = re.search(pattern, path.read_text("utf-8", "replace"))
    except OSError as error:
        raise NoticesMissing(f"cannot read the version in {path}", why=str(error)) from error
    if found is None:
        raise NoticesMissing(f"{path} names no version", why="this zig is laid out in another way")
    return found[1]
