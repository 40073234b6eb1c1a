"""DWARF's line tables: address → file and line. Source: DWARF 5, section 6.2, and the same of version 4."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgepack.debug.dwarf_forms import Damaged, Shape, past, plain, signed, text, unsigned

if TYPE_CHECKING:
    from edgepack.debug.dwarf import Sections

_PATH, _FOLDER = 1, 2  # DW_LNCT_path, DW_LNCT_directory_index
_STRINGS = {0x0E: "str", 0x1F: "line_str"}


@dataclass(frozen=True)
class Lines:
    """starts: the rows' addresses, ascending. rows: (file's number, line; 0 is a gap). files: by number."""

    starts: tuple[int, ...]
    rows: tuple[tuple[int, int], ...]
    files: dict[int, str]

    def at(self, address: int) -> tuple[str, int]:
        """File and line; the file is empty where the table has none."""
        index = bisect_right(self.starts, address) - 1
        if index < 0 or self.rows[index][1] == 0:
            return "", 0
        number, line = self.rows[index]
        return self.files.get(number, ""), line


@dataclass(frozen=True)
class _Header:
    shape: Shape
    program: int
    end: int
    least: int
    base: int
    span: int
    opcode_base: int
    lengths: bytes
    files: dict[int, str]


def read(sections: Sections, at: int, address: int, folder: str) -> Lines:
    """The table at ``at``. address: bytes of one. folder: the unit's own. Raises Damaged, IndexError."""
    header = _header(sections, at, address, folder)
    found: list[tuple[int, int, int]] = []
    for sequence in _sequences(sections.line, header):
        # What the linker left out begins at 0.
        if sequence[0][0] > 0:
            found += sequence
    found.sort(key=lambda row: row[0])
    return Lines(tuple(row[0] for row in found), tuple((row[1], row[2]) for row in found), header.files)


def _header(sections: Sections, at: int, address: int, folder: str) -> _Header:
    data, order = sections.line, sections.order
    sign = "<" if order == "little" else ">"
    length, version = struct.unpack_from(sign + "IH", data, at)
    end = at + 4 + length
    if length >= 0xFFFFFFF0 or not 2 <= version <= 5 or end > len(data):
        raise Damaged("a line table of another kind")
    shape = Shape(version, address, order)
    at += 6 + (2 if version >= 5 else 0)
    (size,) = struct.unpack_from(sign + "I", data, at)
    program = at + 4 + size
    at += 4
    least = data[at]
    at += 1 + (1 if version >= 4 else 0)
    base = struct.unpack_from("b", data, at + 1)[0]
    span, opcode_base = data[at + 2], data[at + 3]
    lengths = data[at + 4 : at + 3 + opcode_base]
    at += 3 + opcode_base
    files = _files5(sections, at, shape) if version >= 5 else _files4(data, at, folder)
    if span == 0 or opcode_base == 0:
        raise Damaged("a line table without opcodes")
    return _Header(shape, program, end, least, base, span, opcode_base, lengths, files)


def _joined(folder: str, name: str) -> str:
    return name if name.startswith("/") or not folder else f"{folder}/{name}"


def _files4(data: bytes, at: int, unit_folder: str) -> dict[int, str]:
    folders = [unit_folder]
    while data[at] != 0:
        name = text(data, at)
        at = data.index(b"\0", at) + 1
        folders.append(_joined(unit_folder, name))
    at += 1
    files: dict[int, str] = {}
    while data[at] != 0:
        name = text(data, at)
        at = data.index(b"\0", at) + 1
        index, at = unsigned(data, at)
        at = unsigned(data, unsigned(data, at)[1])[1]  # its time and size
        files[len(files) + 1] = _joined(folders[index], name)
    return files


def _files5(sections: Sections, at: int, shape: Shape) -> dict[int, str]:
    folders, at = _entries5(sections, at, shape)
    files, _ = _entries5(sections, at, shape)
    first = folders[0][0] if folders else ""
    whole = [_joined(first, name) for name, _ in folders]
    return {number: _joined(whole[index], name) for number, (name, index) in enumerate(files)}


def _entries5(sections: Sections, at: int, shape: Shape) -> tuple[list[tuple[str, int]], int]:
    data = sections.line
    formats = []
    count = data[at]
    at += 1
    for _ in range(count):
        kind, at = unsigned(data, at)
        form, at = unsigned(data, at)
        formats.append((kind, form))
    entries = []
    total, at = unsigned(data, at)
    if total > len(data):
        raise Damaged("more files than bytes")
    for _ in range(total):
        name, index = "", 0
        for kind, form in formats:
            value = plain(form, data, at, shape)
            if kind == _PATH:
                place = getattr(sections, _STRINGS[form]) if form in _STRINGS else data
                name = text(place, value if form in _STRINGS else at)
            elif kind == _FOLDER:
                index = value
            at = past(form, data, at, shape)
        entries.append((name, index))
    return entries, at


def _sequences(data: bytes, header: _Header) -> list[list[tuple[int, int, int]]]:
    """Rows (address, file, line) of each piece of code, the end of each as a row of line 0."""
    sequences: list[list[tuple[int, int, int]]] = []
    rows: list[tuple[int, int, int]] = []
    at, end = header.program, header.end
    least, base, span, first = header.least, header.base, header.span, header.opcode_base
    address, file, line = 0, 1, 1
    while at < end:
        code = data[at]
        at += 1
        if code >= first:  # special: both move, and there is a row
            code -= first
            address += code // span * least
            line += base + code % span
            rows.append((address, file, line))
        elif code == 0:
            size, at = unsigned(data, at)
            if size and data[at] == 1:  # end_sequence
                rows.append((address, file, 0))
                sequences.append(rows)
                rows, address, file, line = [], 0, 1, 1
            elif size and data[at] == 2:  # set_address
                address = int.from_bytes(data[at + 1 : at + size], header.shape.order)  # type: ignore[arg-type]
            at += size
        elif code == 1:  # copy
            rows.append((address, file, line))
        elif code == 3:  # advance_line
            value, at = signed(data, at)
            line += value
        elif code == 4:  # set_file
            file, at = unsigned(data, at)
        else:
            moved, at = _moved(code, data, at, header)
            address += moved
    return [sequence for sequence in sequences if sequence]


def _moved(code: int, data: bytes, at: int, header: _Header) -> tuple[int, int]:
    """What a standard opcode adds to the address, mostly 0; and where it ends."""
    if code == 2:  # advance_pc
        value, at = unsigned(data, at)
        return value * header.least, at
    if code == 8:  # const_add_pc
        return (255 - header.opcode_base) // header.span * header.least, at
    if code == 9:  # fixed_advance_pc
        return int.from_bytes(data[at : at + 2], header.shape.order), at + 2  # type: ignore[arg-type]
    for _ in range(header.lengths[code - 1]):
        at = unsigned(data, at)[1]
    return 0, at
