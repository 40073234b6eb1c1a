"""How the helper on a box and the encoder on this host are built: sources, pins, and what names a build.

The helper is what a shell cannot do (``edgepack/box/native``); the encoder is the other half of its codec.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Literal

from edgepack.catalog.toolchains import pins
from edgepack.tools.sdist import Source

# zstd as one C file, and libsodium, each inside the source release of a Python package that carries it.
ZSTD = Source(
    project="zstandard",
    filename="zstandard-0.25.0.tar.gz",
    sha256="7713e1179d162cf5c7906da876ec2ccb9c3a9dcbdffef0cc7f70c3667a205f0b",
)
ZSTD_VERSION = "1.5.7"
ZSTD_FOLDER = "zstd"
ZSTD_FILE = "zstd.c"
ZSTD_LICENCE = "zstd/LICENSE"

SODIUM = Source(
    project="pynacl",
    filename="pynacl-1.6.2.tar.gz",
    sha256="018494d6d696ae03c7e656e5e74cdfd8ea1326962cc401bcf018f1ed8436811c",
)
SODIUM_VERSION = "1.0.20"
SODIUM_FOLDER = "src/libsodium/src/libsodium"
SODIUM_LICENCE = "src/libsodium/LICENSE"
SODIUM_FILES = (
    "crypto_hash/sha256/cp/hash_sha256_cp.c",
    "crypto_hash/sha512/cp/hash_sha512_cp.c",
    "crypto_sign/ed25519/ref10/open.c",
    "crypto_sign/ed25519/ref10/sign.c",
    "crypto_core/ed25519/ref10/ed25519_ref10.c",
    "crypto_verify/verify.c",
    "sodium/utils.c",
)
# What libsodium's configure would write: its version, and that only a part of it is compiled.
SODIUM_HEADER = """\
#ifndef sodium_version_H
#define sodium_version_H
#define SODIUM_VERSION_STRING "1.0.20"
#define SODIUM_LIBRARY_VERSION_MAJOR 26
#define SODIUM_LIBRARY_VERSION_MINOR 2
#define SODIUM_LIBRARY_MINIMAL 1
#endif
"""

Kind = Literal["helper", "encoder"]

_BOTH = ("parcel.c", "delta.c", "io.c", "chunks.c")
FILES: dict[Kind, tuple[str, ...]] = {
    "helper": (*_BOTH, "main.c", "receive.c", "files.c", "signature.c"),
    "encoder": (*_BOTH, "encode.c", "anchors.c", "held.c"),
}
# Small on a box, quick on this host. What is not called is left out by the linker, section by section.
OPTIMISED: dict[Kind, str] = {"helper": "-Os", "encoder": "-O2"}
COMPILED = ("-std=c11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-ffunction-sections", "-fdata-sections")
LINKED = ("-Wl,--gc-sections", "-pthread")
MOST_BYTES = 300_000
"""A helper that is larger than this is a mistake: boxes are small, and so are links."""


@dataclass(frozen=True)
class HelperSpec:
    """One of the two programs, for one architecture."""

    arch: str
    kind: Kind = "helper"

    def key(self) -> str:
        """A digest of everything the program's bytes depend on."""
        inputs = {
            "spec": asdict(self),
            "files": {name: hashlib.sha256(text).hexdigest() for name, text in sources().items()},
            "zstd": ZSTD.sha256,
            "sodium": [SODIUM.sha256, *SODIUM_FILES, SODIUM_HEADER],
            "flags": [OPTIMISED[self.kind], *COMPILED, *LINKED],
            "pins": pins("zig", self.arch),
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def sources() -> dict[str, bytes]:
    """edgepack's own C: name → text."""
    folder = resources.files("edgepack.box") / "native"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith((".c", ".h"))}
