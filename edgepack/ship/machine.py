"""For which architecture a program is built, from the first bytes of its file."""

from __future__ import annotations

import struct

from edgepack.bundle import Bundle, BundleError
from edgepack.catalog.architectures import of_elf

HEADER = 64  # bytes: as long as the header of a 64-bit ELF file
_FLAGS = {1: (32, 36), 2: (64, 48)}  # e_ident[EI_CLASS] → bits, and where e_flags stands (gABI, chapter 4)


def built_for(program: bytes) -> str | None:
    """The architecture of a little-endian ELF file that begins so; None for any other file or machine."""
    if len(program) < HEADER or program[:4] != b"\x7fELF" or program[4] not in _FLAGS or program[5] != 1:
        return None
    bits, at = _FLAGS[program[4]]
    (machine,) = struct.unpack_from("<H", program, 18)
    (flags,) = struct.unpack_from("<I", program, at)
    found = of_elf(bits, machine, flags)
    return found.name if found else None


def foreign(bundle: Bundle) -> str:
    """In words, that a bundle's program is for another architecture than the bundle; "" where it is not."""
    try:
        with bundle.open(bundle.file(f"bin/{bundle.name}")) as stream:
            found = built_for(stream.read(HEADER))
    except BundleError:
        return ""
    if found in (None, bundle.arch):
        return ""
    return f"its program is built for {found}, though the bundle says {bundle.arch}, as the box runs"
