"""Build-id and architecture of an ELF image from its first bytes: a box's program is not fetched whole.

By hand, because pyelftools wants the section headers, which stand at a file's end. Sources: System V gABI
(headers, program headers, notes), GNU ld's manual (``--build-id``).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edgepack.catalog.architectures import of_elf

MOST = 64 << 10
"""Bytes from a file's beginning in which headers and notes stand, by every linker there is."""

_PT_NOTE = 4
_NT_GNU_BUILD_ID = 3
_MOST_SEGMENTS = 128


@dataclass(frozen=True)
class Image:
    """A program. arch: edgepack's name, or None where it has none. build_id: empty where there is none."""

    arch: str | None
    build_id: str


def image_of(head: bytes) -> Image | None:
    """What the first bytes of a file tell; None where they are no ELF image's, or a damaged one's."""
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    order, wide = "<" if head[5] == 1 else ">", head[4] == 2
    (machine,) = struct.unpack_from(order + "H", head, 18)
    fields = struct.unpack_from(order + ("QQIHHH" if wide else "IIIHHH"), head, 32 if wide else 28)
    at, _, flags, _, size, count = fields
    arch = of_elf(64 if wide else 32, machine, flags)
    segment = struct.Struct(order + ("I4xQ16xQ" if wide else "II8xI"))
    found = ""
    for n in range(min(count, _MOST_SEGMENTS)):
        start = at + n * size
        if size < segment.size or start + segment.size > len(head):
            break
        kind, offset, length = segment.unpack_from(head, start)
        if kind == _PT_NOTE and not found:
            found = _build_id(head[offset : offset + length], order)
    return Image(arch.name if arch else None, found)


def _build_id(notes: bytes, order: str) -> str:
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from(order + "III", notes, at)
        name_at = at + 12
        value_at = name_at + (name_size + 3 & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[name_at : name_at + 4] == b"GNU\0":
            value = notes[value_at : value_at + size]
            return value.hex() if len(value) == size and 4 <= size <= 64 else ""
        at = value_at + (size + 3 & ~3)
    return ""
