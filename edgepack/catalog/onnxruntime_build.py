"""Where ONNX Runtime's library comes from for each architecture: pinned files, and what names a set of them.

Data only, so that a plan can key a runtime and refuse a target without fetching anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from edgepack.catalog.architectures import architecture
from edgepack.catalog.runtimes import glibc_floor, ordered
from edgepack.catalog.toolchains import flags, pins
from edgepack.tools.debian import Package
from edgepack.tools.sdist import Source

VERSION = "1.31.1"
SONAME = "libonnxruntime.so.1"
LICENCES = ("onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt")  # in the wheel

# The C header, which no wheel of the project holds. Each release of the library answers to every older
# version of the API, so that the header may be older than the library.
HEADER = Package(
    name="libonnxruntime-dev",
    version="1.21.0+dfsg-1",
    path="pool/main/o/onnxruntime/libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb",
    size=85340,
    sha256="14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08",
    source="Debian 13 trixie, main, binary-amd64/Packages",
)
HEADER_FILE = "usr/include/onnxruntime/onnxruntime_c_api.h"

# The licence of libstdc++ and libgcc, in the package that both depend on.
GCC_LICENCE = Package(
    name="gcc-10-base",
    version="10.2.1-6",
    path="pool/main/g/gcc-10/gcc-10-base_10.2.1-6_amd64.deb",
    size=201332,
    sha256="be65535e94f95fbf04b104e8ab36790476f063374430f7dfc6c516cbe2d2cd1e",
    source="Debian 11 bullseye, main, binary-amd64/Packages",
)
GCC_LICENCE_FILE = "usr/share/doc/gcc-10-base/copyright"


@dataclass(frozen=True)
class Companion:
    """A library that ONNX Runtime's needs and that not every box has. member: its file in the package."""

    soname: str
    package: Package
    member: str


@dataclass(frozen=True)
class Library:
    """One build of ONNX Runtime. glibc: the oldest that loads it (its highest GLIBC_ symbol version)."""

    wheel: Source
    member: str
    glibc: str
    companions: tuple[Companion, ...]


def _libstdcxx(debian: str, triplet: str, size: int, sha256: str) -> Companion:
    package = Package(
        name="libstdc++6",
        version="10.2.1-6",
        path=f"pool/main/g/gcc-10/libstdc++6_10.2.1-6_{debian}.deb",
        size=size,
        sha256=sha256,
        source=f"Debian 11 bullseye, main, binary-{debian}/Packages",
    )
    return Companion("libstdc++.so.6", package, f"usr/lib/{triplet}/libstdc++.so.6.0.28")


def _libgcc(debian: str, triplet: str, size: int, sha256: str) -> Companion:
    package = Package(
        name="libgcc-s1",
        version="10.2.1-6",
        path=f"pool/main/g/gcc-10/libgcc-s1_10.2.1-6_{debian}.deb",
        size=size,
        sha256=sha256,
        source=f"Debian 11 bullseye, main, binary-{debian}/Packages",
    )
    return Companion("libgcc_s.so.1", package, f"lib/{triplet}/libgcc_s.so.1")


_MEMBER = f"onnxruntime/capi/libonnxruntime.so.{VERSION}"

LIBRARIES: Mapping[str, Library] = {
    "x86_64": Library(
        wheel=Source(
            "onnxruntime",
            f"onnxruntime-{VERSION}-cp312-cp312-manylinux_2_28_x86_64.whl",
            "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
        ),
        member=_MEMBER,
        glibc="2.28",
        companions=(
            _libstdcxx(
                "amd64",
                "x86_64-linux-gnu",
                492540,
                "5c155c58935870bf3b4bfe769116841c0d286a74f59eccfd5645693ac23f06b1",
            ),
            _libgcc(
                "amd64",
                "x86_64-linux-gnu",
                41400,
                "e478f2709d8474165bb664de42e16950c391f30eaa55bc9b3573281d83a29daf",
            ),
        ),
    ),
    "aarch64": Library(
        wheel=Source(
            "onnxruntime",
            f"onnxruntime-{VERSION}-cp312-cp312-manylinux_2_28_aarch64.whl",
            "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
        ),
        member=_MEMBER,
        glibc="2.28",
        companions=(
            _libstdcxx(
                "arm64",
                "aarch64-linux-gnu",
                450672,
                "7869aa540cc46e9f3d4267d5bde2af0e5b429a820c1d6f1a4cfccfe788c31890",
            ),
            _libgcc(
                "arm64",
                "aarch64-linux-gnu",
                34572,
                "e2fcdb378d3c1ad1bcb64d4fb6b37aab44011152beca12a4944f435a2582df1f",
            ),
        ),
    ),
}


def why_not(arch: str, libc: str | None) -> str | None:
    """Why a program with ONNX Runtime cannot be had for such a target, in words; None where it can.

    libc: the target's fact, as "glibc 2.31"; None where nobody knows it.
    """
    library = LIBRARIES.get(arch)
    if library is None:
        known = " and ".join(LIBRARIES)
        return f"ONNX Runtime {VERSION} is there for {known}, not for {arch}"
    floor = glibc_floor(libc)
    if floor is None:
        return f"ONNX Runtime's library is built for glibc, and the target's libc is {libc}"
    if ordered(floor) < ordered(library.glibc):
        return f"ONNX Runtime {VERSION} for {arch} needs glibc {library.glibc}, the target has {floor}"
    return None


@dataclass(frozen=True)
class OnnxRuntimeSpec:
    """The files of one architecture."""

    arch: str

    def key(self) -> str:
        """A digest of all that they are, and of the toolchain whose programs load them."""
        library = LIBRARIES.get(self.arch)
        inputs = {
            "arch": self.arch,
            "library": asdict(library) if library else None,
            "header": HEADER.sha256,
            "licence": GCC_LICENCE.sha256,
            "flags": asdict(flags("zig", architecture(self.arch).glibc)),
            "pins": pins("zig", self.arch),
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
