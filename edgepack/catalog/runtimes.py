"""How a program is linked with each runtime that ``templates/program`` can drive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Linkage = Literal["static", "shared", "box"]

# static: the runtime is in a static program. shared: it lies beside a glibc program, in the release's lib/;
# a static program has no dlopen. box: a program for the box's libc loads what the box's vendor put
# there, or what the user gave for it.
LINKED: Mapping[str, Linkage] = {
    "ncnn": "static",
    **dict.fromkeys(("onnxruntime", "openvino", "litert"), "shared"),
    **dict.fromkeys(("rknn", "sophon", "bmruntime", "acl", "tensorrt", "viplite"), "box"),
    **dict.fromkeys(("nncase-v2", "magicmind", "mnn"), "box"),
}

DEFAULT_GLIBC = "2.28"
"""Taken for a target that does not say its ``libc``: that of Debian 10 and RHEL 8, and of manylinux_2_28."""


def linkage(runtime: str) -> Linkage:
    """How a program with that runtime is linked."""
    return LINKED[runtime]


def glibc_floor(libc: str | None) -> str | None:
    """The oldest glibc to expect, from a target's fact ``libc`` ("glibc 2.31"); None for another libc."""
    if libc is None:
        return DEFAULT_GLIBC
    family, _, version = libc.partition(" ")
    return (version or DEFAULT_GLIBC) if family == "glibc" else None


def libc_family(libc: str | None) -> str:
    """``glibc`` of "glibc 2.31", and for a target that does not say its ``libc``."""
    return libc.partition(" ")[0] if libc else "glibc"


def ordered(version: str) -> tuple[int, ...]:
    """A version as numbers, to compare: "2.31" → (2, 31)."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


FROM_MEMORY = frozenset({"litert", "ncnn", "onnxruntime", "openvino"})
"""What takes a model from memory in edgepack's program, and so may have an encrypted one."""
