"""One relocatable object whose symbols are its own, but for those that are its interface.

For a static library: the C++ library inside of it must not meet the one of whoever links it. Done here
because zig's linker makes one object of many and leaves every symbol global, zig's objcopy has nothing for
it, and a host's binutils knows its own architecture alone. Little endian, as every architecture here is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_RELOCATABLE = 1
_SYMTAB, _STRTAB, _RELA, _NOBITS, _REL, _GROUP, _XINDEX = 2, 3, 4, 8, 9, 17, 18
_INFO_LINK, _LINK_ORDER = 0x40, 0x80
_LOCAL = 0
_COMMON = 0xFFF2
_LORESERVE = 0xFF00  # section indices from here on are names for something else
_FORGOTTEN = (".debug_", ".gdb_index", ".llvm_addrsig", ".llvm.call-graph-profile", ".comment")

_SECTION_FIELDS = ("name", "kind", "flags", "address", "offset", "size", "link", "info", "align", "entry")
_TABLES = ("symtab", "strtab", "names")  # which are written anew, in this order


@dataclass(frozen=True)
class _Class:
    """How a file of 32 or 64 bits lays out what is read here. sections_at: e_shoff, its type and place."""

    sections_at: tuple[str, int]
    counts_at: int  # e_shentsize, e_shnum, e_shstrndx
    section: np.dtype[Any]
    symbol: np.dtype[Any]
    relocation: np.dtype[Any]  # without the addend of SHT_RELA
    shift: int  # r_info is the symbol's index, so many bits to the left, and the kind


_words32 = np.dtype([(name, "<u4") for name in _SECTION_FIELDS])
_wide = ("flags", "address", "offset", "size", "align", "entry")
_words64 = np.dtype([(name, "<u8" if name in _wide else "<u4") for name in _SECTION_FIELDS])
_symbol32 = np.dtype(
    [("name", "<u4"), ("value", "<u4"), ("size", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2")]
)
_symbol64 = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_relocation32 = np.dtype([("at", "<u4"), ("info", "<u4")])
_relocation64 = np.dtype([("at", "<u8"), ("info", "<u8")])
_CLASSES = {
    1: _Class(("<u4", 32), 46, _words32, _symbol32, _relocation32, 8),
    2: _Class(("<u8", 40), 58, _words64, _symbol64, _relocation64, 32),
}


def localise(image: bytes, is_public: Callable[[str], bool]) -> bytes:
    """``image``, one relocatable object without section groups, as another one.

    is_public: of a defined symbol's name, whether others may link to it; every other definition becomes local
    and nameless. What is not defined stays asked for. Debug information goes. Raises ValueError for a file
    that is no such object, or defines nothing that is public.
    """
    return _Object(image, is_public).written()


class _Object:
    def __init__(self, image: bytes, is_public: Callable[[str], bool]) -> None:
        if image[:4] != b"\x7fELF" or image[4] not in _CLASSES or image[5] != 1:
            raise ValueError("no little-endian ELF file")
        if int.from_bytes(image[16:18], "little") != _RELOCATABLE:
            raise ValueError("no relocatable object")
        self.image, self.of = image, _CLASSES[image[4]]
        kind, at = self.of.sections_at
        start = int(np.frombuffer(image, kind, 1, at)[0])
        size, count, names = np.frombuffer(image, "<u2", 3, self.of.counts_at).tolist()
        if not start or not 0 < count < _LORESERVE or size != self.of.section.itemsize:
            raise ValueError("its sections cannot be counted")
        self.sections = np.frombuffer(image, self.of.section, count, start).copy()
        self.names = self._strings(names)
        if np.isin(self.sections["kind"], (_GROUP, _XINDEX)).any():
            raise ValueError("it has groups of sections, or too many of them")
        (table,) = np.flatnonzero(self.sections["kind"] == _SYMTAB).tolist()
        self.symbols = np.frombuffer(self._bytes(table), self.of.symbol).copy()
        self.symbol_names = self._strings(int(self.sections["link"][table]))
        self.kept = self._kept_sections()
        self._choose(is_public)

    def _bytes(self, index: int) -> bytes:
        section = self.sections[index]
        begin, size = int(section["offset"]), int(section["size"])
        if section["kind"] == _NOBITS:
            return b""
        if begin + size > len(self.image):
            raise ValueError("a section ends behind the file")
        return self.image[begin : begin + size]

    def _strings(self, index: int) -> Callable[[int], str]:
        table = self._bytes(index)
        return lambda at: table[at : table.index(b"\0", at)].decode("utf-8", "surrogateescape")

    def _relocations(self, index: int) -> Any:
        """Of one section, as a table; SHT_RELA has an addend behind each."""
        word = self.of.relocation["at"].str.replace("u", "i")
        rela = self.sections["kind"][index] == _RELA
        fields = [*self.of.relocation.descr, *([("addend", word)] if rela else [])]
        return np.frombuffer(self._bytes(index), np.dtype(fields)).copy()

    def _kept_sections(self) -> list[int]:
        """In their order; not those that only debuggers read, nor the tables that are written anew."""
        sections = self.sections
        gone = {i for i, at in enumerate(sections["name"]) if self.names(int(at)).startswith(_FORGOTTEN)}
        gone |= set(np.flatnonzero(np.isin(sections["kind"], (_SYMTAB, _STRTAB))).tolist())
        related = np.isin(sections["kind"], (_RELA, _REL))
        gone |= {i for i in np.flatnonzero(related).tolist() if int(sections["info"][i]) in gone}
        return [i for i in range(len(sections)) if i not in gone]

    def _choose(self, is_public: Callable[[str], bool]) -> None:
        """Which symbols stay, which of them are public, and the new order: local ones first."""
        symbols = self.symbols
        names = [self.symbol_names(int(at)) for at in symbols["name"]]
        binding = symbols["info"] >> 4
        defined = symbols["section"] != 0
        public = defined & (binding != _LOCAL)
        public &= np.fromiter((is_public(name) for name in names), bool, len(names))
        if not public.any():
            raise ValueError("it defines nothing that is public")
        if (~public & (symbols["section"] == _COMMON)).any():
            raise ValueError("it has a common symbol, which cannot be local")
        used = np.zeros(len(symbols), bool)
        for index in self.kept:
            if self.sections["kind"][index] in (_RELA, _REL):
                asked = self._relocations(index)["info"] >> self.of.shift
                used[asked.astype(np.int64)] = True
        # Arm's and RISC-V's say where code is and where data.
        mapping = np.fromiter((name.startswith("$") for name in names), bool, len(names))
        in_kept = np.isin(symbols["section"], self.kept) | (symbols["section"] >= _LORESERVE)
        stays = public | ((used | mapping) & (in_kept | ~defined))
        local = stays & ((binding == _LOCAL) | (defined & ~public))
        local[0] = True  # the first is none
        self.order = np.concatenate([np.flatnonzero(local), np.flatnonzero(stays & ~local)])
        self.local_count = int(local.sum())
        symbols["info"][local] &= 0xF
        symbols["other"][local | public] &= 0xFC  # default visibility
        self.kept_names = [names[i] if not local[i] or mapping[i] else "" for i in self.order.tolist()]

    def written(self) -> bytes:
        """The new file."""
        new_index = np.zeros(_LORESERVE, np.int64)
        new_index[self.kept] = np.arange(len(self.kept))
        new_symbol = np.zeros(len(self.symbols), np.int64)
        new_symbol[self.order] = np.arange(len(self.order))
        table_at = len(self.kept)
        headers = np.zeros(len(self.kept) + len(_TABLES), self.of.section)
        headers[: len(self.kept)] = self.sections[self.kept]
        body = bytearray(self.image[: 64 if self.image[4] == 2 else 52])
        for new, old in enumerate(self.kept):
            header, content = headers[new], self._bytes(old)
            if header["kind"] in (_RELA, _REL):
                rows = self._relocations(old)
                kinds = rows["info"] & ((1 << self.of.shift) - 1)
                symbols = new_symbol[(rows["info"] >> self.of.shift).astype(np.int64)]
                rows["info"] = (symbols.astype(rows["info"].dtype) << self.of.shift) | kinds
                content = rows.tobytes()
                header["link"], header["info"] = table_at, new_index[header["info"]]
            elif header["flags"] & _LINK_ORDER:
                header["link"] = new_index[header["link"]]
            if new:
                _append(body, header, content)
        self._tables(body, headers, new_index)
        body += bytes(-len(body) % 8)
        kind, at = self.of.sections_at
        body[at : at + np.dtype(kind).itemsize] = len(body).to_bytes(np.dtype(kind).itemsize, "little")
        counts = np.array([self.of.section.itemsize, len(headers), len(headers) - 1], "<u2")
        body[self.of.counts_at : self.of.counts_at + 6] = counts.tobytes()
        return bytes(body) + headers.tobytes()

    def _tables(self, body: bytearray, headers: Any, new_index: Any) -> None:
        """The symbols, their names, and the names of the sections."""
        symbols = self.symbols[self.order]
        ordinary = symbols["section"] < _LORESERVE
        symbols["section"][ordinary] = new_index[symbols["section"][ordinary]]
        symbols["name"], strings = _table(self.kept_names)
        names = [*(self.names(int(at)) for at in headers["name"][: len(self.kept)])]
        headers["name"], section_names = _table([*names, ".symtab", ".strtab", ".shstrtab"])
        symtab, strtab, shstrtab = headers[-3], headers[-2], headers[-1]
        symtab["kind"], symtab["link"], symtab["info"] = _SYMTAB, len(headers) - 2, self.local_count
        symtab["align"], symtab["entry"] = 8, self.of.symbol.itemsize
        strtab["kind"] = shstrtab["kind"] = _STRTAB
        strtab["align"] = shstrtab["align"] = 1
        for header, content in ((symtab, symbols.tobytes()), (strtab, strings), (shstrtab, section_names)):
            _append(body, header, content)


def _append(body: bytearray, header: Any, content: bytes) -> None:
    body += bytes(-len(body) % max(1, int(header["align"])))
    header["offset"] = len(body)
    if header["kind"] != _NOBITS:
        header["size"] = len(content)
        body += content


def _table(names: list[str]) -> tuple[Any, bytes]:
    """Where each name begins, and the bytes; names that are empty share the first byte."""
    starts: dict[str, int] = {"": 0}
    table = bytearray(b"\0")
    for name in names:
        if name not in starts:
            starts[name] = len(table)
            table += name.encode("utf-8", "surrogateescape") + b"\0"
    return np.array([starts[name] for name in names], "<u4"), bytes(table)
