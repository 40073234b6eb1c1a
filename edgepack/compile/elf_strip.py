"""A linked ELF file without what only debuggers read.

Done here because no stripper of ours handles foreign architectures everywhere: zig's is not
implemented for ELF, and a host's binutils knows its own architecture alone.

A Dockerfile takes this file along as it is, and calls it with the linked file and the name for the other: it
imports nothing but Python's own.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import astuple, dataclass, replace
from pathlib import Path

_SHF_ALLOC = 0x2
_SHT_NULL, _SHT_STRTAB, _SHT_NOBITS = 0, 3, 8
_SHF_INFO_LINK = 0x40
_PT_LOAD = 1
_SHT_REL_KINDS = (4, 9)  # SHT_RELA, SHT_REL: sh_info is a section's index there


@dataclass(frozen=True)
class _Section:
    """A section header, in the order of Elf32_Shdr and Elf64_Shdr alike."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


@dataclass(frozen=True)
class _Header:
    """The file header from ``e_phoff`` on, in the order of Elf32_Ehdr and Elf64_Ehdr alike."""

    segments_at: int
    sections_at: int
    flags: int
    size: int
    segment_size: int
    segment_count: int
    section_size: int
    section_count: int
    names_index: int


@dataclass(frozen=True)
class _Layout:
    """How the file's class and byte order lay those out: ``struct`` formats and the header's place."""

    order: str
    header: str
    header_at: int
    section: str
    segment: str  # p_offset and p_filesz
    segment_at: int


def _layout(image: bytes) -> _Layout:
    order = "<" if image[5] == 1 else ">"
    if image[4] == 2:
        return _Layout(order, order + "QQIHHHHHH", 32, order + "IIQQQQIIQQ", order + "Q16xQ", 8)
    return _Layout(order, order + "IIIHHHHHH", 28, order + "IIIIIIIIII", order + "I8xI", 4)


def strip(image: bytes) -> bytes:
    """``image`` (a linked program or library) without the sections that are not loaded.

    Loaded bytes are not touched, and a build id is among them; a program header that speaks of bytes
    which are gone (RISC-V's attributes) becomes PT_NULL. There is no ``.gnu_debuglink``: its checksum of
    the debug file would carry the names of this machine's folders into a program that is otherwise the
    same wherever it is built.
    """
    layout = _layout(image)
    header = _Header(*struct.unpack_from(layout.header, image, layout.header_at))
    sections = [
        _Section(*struct.unpack_from(layout.section, image, header.sections_at + i * header.section_size))
        for i in range(header.section_count)
    ]
    kept = [i for i, s in enumerate(sections) if s.kind == _SHT_NULL or s.flags & _SHF_ALLOC]
    names = [_name(image, sections[header.names_index], sections[i]) for i in kept]
    table = b"".join(name + b"\0" for name in [*names, b".shstrtab"])
    starts = _starts(table)
    renumbered = {old: new for new, old in enumerate(kept)}
    table_of = [_moved(sections[old], starts[new], renumbered) for old, new in renumbered.items()]

    end = _loaded_end(image, layout, header, sections)
    body = bytearray(image[:end])
    for at, _, offset, size in _segments(image, layout, header):
        if offset + size > end:
            body[at : at + header.segment_size] = bytes(header.segment_size)
    table_of.append(_Section(starts[-1], _SHT_STRTAB, 0, 0, len(body), len(table), 0, 0, 1, 0))
    body += table
    body += b"\0" * (-len(body) % 8)
    written = replace(
        header, sections_at=len(body), section_count=len(table_of), names_index=len(table_of) - 1
    )
    struct.pack_into(layout.header, body, layout.header_at, *astuple(written))
    return bytes(body) + b"".join(struct.pack(layout.section, *astuple(entry)) for entry in table_of)


def _loaded_end(image: bytes, layout: _Layout, header: _Header, sections: list[_Section]) -> int:
    """The end of the last byte that a loader or a kept section looks at."""
    ends = [s.offset + s.size for s in sections if s.flags & _SHF_ALLOC and s.kind != _SHT_NOBITS]
    ends.append(header.segments_at + header.segment_size * header.segment_count)
    loaded = [s for s in _segments(image, layout, header) if s[1] == _PT_LOAD]
    return max([*ends, *(offset + size for _, _, offset, size in loaded)])


def _segments(image: bytes, layout: _Layout, header: _Header) -> list[tuple[int, int, int, int]]:
    """Where each program header stands, its ``p_type``, ``p_offset`` and ``p_filesz``."""
    found = []
    for i in range(header.segment_count):
        at = header.segments_at + i * header.segment_size
        (kind,) = struct.unpack_from(layout.order + "I", image, at)
        offset, size = struct.unpack_from(layout.segment, image, at + layout.segment_at)
        found.append((at, kind, offset, size))
    return found


def _name(image: bytes, strings: _Section, section: _Section) -> bytes:
    start = strings.offset + section.name
    return image[start : image.index(b"\0", start)]


def _starts(table: bytes) -> list[int]:
    starts, at = [], 0
    for name in table[:-1].split(b"\0"):
        starts.append(at)
        at += len(name) + 1
    return starts


def _moved(section: _Section, name: int, renumbered: dict[int, int]) -> _Section:
    points = section.kind in _SHT_REL_KINDS or section.flags & _SHF_INFO_LINK
    info = renumbered.get(section.info, 0) if points else section.info
    return replace(section, name=name, link=renumbered.get(section.link, 0), info=info)


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(strip(Path(sys.argv[1]).read_bytes()))
    Path(sys.argv[2]).chmod(0o755)
