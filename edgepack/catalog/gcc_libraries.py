"""libstdc++ and libgcc, which a runtime's library needs and not every box has: from Debian, pinned.

Data only. Under the GPL with the runtime library exception; the text goes along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgepack.tools.debian import Package

LICENCE = "GPL-3.0-or-later WITH GCC-exception-3.1"


@dataclass(frozen=True)
class Companion:
    """A library that a runtime's needs and that not every box has. member: its file in the package."""

    soname: str
    package: Package
    member: str


@dataclass(frozen=True)
class Text:
    """A licence text. member: its file in the package."""

    package: Package
    member: str


# The oldest with all that ONNX Runtime, OpenVINO and LiteRT for x86_64 ask for (GLIBCXX_3.4.28); glibc 2.18.
_DEBIAN_11 = ("Debian 11 bullseye", "10.2.1-6", "gcc-10", "6.0.28")
# GLIBCXX_3.4.30, which OpenVINO and LiteRT for aarch64 ask for; glibc 2.36 (arc4random).
_DEBIAN_12 = ("Debian 12 bookworm", "12.2.0-14+deb12u1", "gcc-12", "6.0.30")

DEBIAN_11_TEXT = Text(
    Package(
        name="gcc-10-base",
        version="10.2.1-6",
        path="pool/main/g/gcc-10/gcc-10-base_10.2.1-6_amd64.deb",
        size=201332,
        sha256="be65535e94f95fbf04b104e8ab36790476f063374430f7dfc6c516cbe2d2cd1e",
        source="Debian 11 bullseye, main, binary-amd64/Packages",
    ),
    "usr/share/doc/gcc-10-base/copyright",
)
DEBIAN_12_TEXT = Text(
    Package(
        name="gcc-12-base",
        version="12.2.0-14+deb12u1",
        path="pool/main/g/gcc-12/gcc-12-base_12.2.0-14+deb12u1_arm64.deb",
        size=37624,
        sha256="674cf6cba6d432bd200c45fe866c1652c7a53523cc2e7a613e05bc4abf7b5440",
        source="Debian 12 bookworm, main, binary-arm64/Packages",
    ),
    "usr/share/doc/gcc-12-base/copyright",
)


def _package(release: tuple[str, str, str, str], name: str, debian: str, size: int, sha256: str) -> Package:
    suite, version, source, _library = release
    return Package(
        name=name,
        version=version,
        path=f"pool/main/g/{source}/{name}_{version}_{debian}.deb",
        size=size,
        sha256=sha256,
        source=f"{suite}, main, binary-{debian}/Packages",
    )


def _pair(
    release: tuple[str, str, str, str],
    arch: tuple[str, str],
    cxx: tuple[int, str],
    gcc: tuple[int, str],
) -> tuple[Companion, ...]:
    """libstdc++ and libgcc of one architecture. arch: Debian's name, triplet; cxx, gcc: size, digest."""
    debian, triplet = arch
    return (
        Companion(
            "libstdc++.so.6",
            _package(release, "libstdc++6", debian, *cxx),
            f"usr/lib/{triplet}/libstdc++.so.{release[3]}",
        ),
        Companion(
            "libgcc_s.so.1", _package(release, "libgcc-s1", debian, *gcc), f"lib/{triplet}/libgcc_s.so.1"
        ),
    )


DEBIAN_11: Mapping[str, tuple[Companion, ...]] = {
    "x86_64": _pair(
        _DEBIAN_11,
        ("amd64", "x86_64-linux-gnu"),
        (492540, "5c155c58935870bf3b4bfe769116841c0d286a74f59eccfd5645693ac23f06b1"),
        (41400, "e478f2709d8474165bb664de42e16950c391f30eaa55bc9b3573281d83a29daf"),
    ),
    "aarch64": _pair(
        _DEBIAN_11,
        ("arm64", "aarch64-linux-gnu"),
        (450672, "7869aa540cc46e9f3d4267d5bde2af0e5b429a820c1d6f1a4cfccfe788c31890"),
        (34572, "e2fcdb378d3c1ad1bcb64d4fb6b37aab44011152beca12a4944f435a2582df1f"),
    ),
}
DEBIAN_12: Mapping[str, tuple[Companion, ...]] = {
    "aarch64": _pair(
        _DEBIAN_12,
        ("arm64", "aarch64-linux-gnu"),
        (556608, "26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2"),
        (34816, "576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3"),
    ),
}
