"""How gdbserver is built for a box: the pinned source, what its configure is told, and what names a build.

GPL-3: built on the user's host, sent to a box for a debug session, never a part of edgepack or of a bundle.
"""

from __future__ import annotations

import hashlib
import json

from edgepack.catalog.toolchains import pins
from edgepack.tools.debian import Package

SOURCE = Package(
    name="gdb",
    version="13.1-3",
    path="pool/main/g/gdb/gdb_13.1.orig.tar.xz",
    size=24327276,
    sha256="d861181d5fa473787ed647895ec22d6ab001bb0a2354d76537fc0d6e244f5a15",
    source="Debian 12 bookworm, main, source/Sources",
)

# Everything of the tree but gdbserver and the three libraries it is linked with.
OPTIONS = (
    *("--disable-gdb", "--disable-binutils", "--disable-ld", "--disable-gas", "--disable-gprof"),
    *("--disable-gprofng", "--disable-sim", "--disable-libctf", "--disable-nls", "--disable-werror"),
    *("--disable-inprocess-agent", "--disable-dependency-tracking", "--enable-gdbserver"),
)
# musl's pread is the one for large files; gdb 13 asks for it under glibc's name.
COMPILED = ("-w", "-DHAVE_PREAD64=1", "-Dpread64=pread", "-Dpwrite64=pwrite")
LINKED = ("-static",)
MOST_BYTES = 2_000_000
"""A gdbserver that is larger than this is a mistake: 1.0 MB was seen."""


def key(arch: str) -> str:
    """A digest of everything the program's bytes depend on."""
    inputs = {
        "arch": arch,
        "source": SOURCE.sha256,
        "words": [*OPTIONS, *COMPILED, *LINKED],
        "pins": pins("zig", arch),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
