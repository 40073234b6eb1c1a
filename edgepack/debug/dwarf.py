"""From an address in a program to the functions and lines it is of, by the program's debug file.

Inlined ones too. Source: DWARF Debugging Information Format 4 and 5; the numbers of tags and attributes are
those of section 7.5.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from edgepack.debug import dwarf_forms as forms
from edgepack.debug import dwarf_lines
from edgepack.debug.dwarf_forms import Abbreviation, Damaged, Shape

_CLASS, _STRUCT, _UNION, _NAMESPACE = 0x02, 0x13, 0x17, 0x39
_SUBPROGRAM, _INLINED = 0x2E, 0x1D
_SCOPES = frozenset((_CLASS, _STRUCT, _UNION, _NAMESPACE))
_FUNCTIONS = frozenset((_SUBPROGRAM, _INLINED))
_TAGS = _SCOPES | _FUNCTIONS

_NAME, _STMT_LIST, _LOW, _HIGH, _COMP_DIR = 0x03, 0x10, 0x11, 0x12, 0x1B
_ORIGIN, _SPECIFICATION, _RANGES, _CALL_FILE, _CALL_LINE = 0x31, 0x47, 0x55, 0x58, 0x59
_STR_OFFSETS, _ADDR_BASE, _RNGLISTS = 0x72, 0x73, 0x74

_LONGEST_NAME = 160


@dataclass(frozen=True)
class Frame:
    """A function at a line. file: as the build named it, or empty. inlined: into the next one."""

    function: str
    file: str = ""
    line: int = 0
    inlined: bool = False


@dataclass(frozen=True)
class Sections:
    """The debug information of a file, section by section; empty where it has none."""

    order: str
    address: int
    info: bytes
    abbrev: bytes
    line: bytes
    str: bytes
    line_str: bytes
    ranges: bytes
    rnglists: bytes
    addr: bytes
    str_offsets: bytes


@dataclass
class _Unit:
    begin: int
    root: int  # the first entry
    end: int
    shape: Shape
    abbreviations: dict[int, Abbreviation]
    top: dict[int, tuple[int, int]] = field(default_factory=dict)  # attribute → form, place
    base: int = 0  # of its ranges
    functions: list[_Function] | None = None
    names: dict[int, str] = field(default_factory=dict)  # entry → the scope that it is declared in
    lines: dwarf_lines.Lines | None = None


@dataclass(frozen=True)
class _Function:
    ranges: tuple[tuple[int, int], ...]
    entry: int
    inlined: bool
    call: tuple[int, int]  # the file's number, the line


class Symbols:
    """One debug file. Raises Damaged where it has no debug information that can be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sections = _sections(path)

    def at(self, address: int) -> tuple[Frame, ...]:
        """The frames at an address as the file has it, innermost first; none where nothing is known of it.

        An address to return to is one past its call: give one less.
        """
        try:
            return self._frames(address)
        except (IndexError, KeyError, ValueError, struct.error, RecursionError) as error:
            raise Damaged(f"{self._path.name}: {error}") from error

    def _frames(self, address: int) -> tuple[Frame, ...]:
        unit = self._unit(address)
        if unit is None:
            return self._by_symbol(address)
        if unit.functions is None:
            unit.functions = list(self._functions(unit))
        # Outer ones stand before those that are inlined into them.
        chain = [f for f in unit.functions if any(low <= address < high for low, high in f.ranges)]
        if not chain:
            return self._by_symbol(address)
        lines = self._lines(unit)
        file, line = lines.at(address)
        frames = []
        for function in reversed(chain):
            name = self._qualified(unit, function.entry) or "?"
            if len(name) > _LONGEST_NAME:
                name = name[:_LONGEST_NAME] + "…"
            frames.append(Frame(name, file, line, function.inlined))
            file, line = lines.files.get(function.call[0], ""), function.call[1]
        return tuple(frames)

    # Units

    @cached_property
    def _units(self) -> list[_Unit]:
        info, order = self._sections.info, self._sections.order
        sign = "<" if order == "little" else ">"
        tables: dict[tuple[int, int], dict[int, Abbreviation]] = {}
        units, at = [], 0
        while at + 11 <= len(info):
            length, version = struct.unpack_from(sign + "IH", info, at)
            if length >= 0xFFFFFFF0 or at + 4 + length > len(info):
                raise Damaged("units of another kind")
            if version in (4, 5):
                table, root, size = self._unit_head(at, version, sign)
                shape = Shape(version, size, order)
                if (table, version) not in tables:
                    tables[table, version] = forms.abbreviations(self._sections.abbrev, table, shape)
                unit = _Unit(at, root, at + 4 + length, shape, tables[table, version])
                code, attributes = forms.unsigned(info, root)
                if code:
                    unit.top = self._attributes(unit, unit.abbreviations[code], attributes)
                    unit.base = self._number(unit, unit.top, _LOW)
                units.append(unit)
            at += 4 + length
        return units

    def _unit_head(self, at: int, version: int, sign: str) -> tuple[int, int, int]:
        """Where its abbreviations are, where its entries begin, how long an address is."""
        if version == 4:
            table, size = struct.unpack_from(sign + "IB", self._sections.info, at + 6)
            return table, at + 11, size
        kind, size, table = struct.unpack_from(sign + "BBI", self._sections.info, at + 6)
        return table, at + 12 + {4: 8, 5: 8, 2: 12, 6: 12}.get(kind, 0), size

    @cached_property
    def _places(self) -> tuple[list[int], list[tuple[int, _Unit]]]:
        """The beginnings of all pieces of code, and where each ends and whose it is."""
        pieces = sorted(
            (
                (low, high, n)
                for n, unit in enumerate(self._units)
                for low, high in self._ranges(unit, unit.top)
            ),
            key=lambda piece: piece[0],
        )
        return [low for low, _, _ in pieces], [(high, self._units[n]) for _, high, n in pieces]

    def _unit(self, address: int) -> _Unit | None:
        starts, ends = self._places
        index = bisect_right(starts, address) - 1
        return ends[index][1] if index >= 0 and address < ends[index][0] else None

    def _lines(self, unit: _Unit) -> dwarf_lines.Lines:
        if unit.lines is None:
            if _STMT_LIST in unit.top:
                at = self._number(unit, unit.top, _STMT_LIST)
                folder = self._string(unit, unit.top, _COMP_DIR)
                unit.lines = dwarf_lines.read(self._sections, at, unit.shape.address, folder)
            else:
                unit.lines = dwarf_lines.Lines((), (), {})
        return unit.lines

    # Entries

    def _functions(self, unit: _Unit) -> Iterator[_Function]:
        """Of all entries those that have code, outer before inner; scopes are noted on the way."""
        info, shape, table = self._sections.info, unit.shape, unit.abbreviations
        scopes: list[str] = []  # the name that each open entry adds
        at = unit.root
        while at < unit.end:
            entry = at
            code = info[at]
            at += 1
            if code >= 0x80:
                code, at = forms.unsigned(info, entry)
            if code == 0:
                if not scopes:
                    return
                scopes.pop()
                continue
            known = table[code]
            named = ""
            if known.tag in _TAGS:
                attributes = self._attributes(unit, known, at)
                if known.tag in _SCOPES:
                    named = self._string(unit, attributes, _NAME) or "(anonymous)"
                else:
                    unit.names[entry] = "::".join(name for name in scopes if name)
                    ranges = tuple(self._ranges(unit, attributes))
                    if ranges:
                        call = tuple(self._number(unit, attributes, key) for key in (_CALL_FILE, _CALL_LINE))
                        yield _Function(ranges, entry, known.tag == _INLINED, (call[0], call[1]))
            if known.fixed is not None:
                at += known.fixed
            else:
                for _, form, _ in known.attributes:
                    at = forms.past(form, info, at, shape)
            if known.children:
                scopes.append(named)

    def _attributes(self, unit: _Unit, known: Abbreviation, at: int) -> dict[int, tuple[int, int]]:
        """Each one's form, and its place in the section; of a constant that is in the table, the constant."""
        found: dict[int, tuple[int, int]] = {}
        for name, form, constant in known.attributes:
            while form == forms.INDIRECT:
                form, at = forms.unsigned(self._sections.info, at)
            found[name] = (form, constant if form == forms.IMPLICIT else at)
            at = forms.past(form, self._sections.info, at, unit.shape)
        return found

    def _qualified(self, unit: _Unit, entry: int, depth: int = 0) -> str:
        """The name with its scopes; a definition may have it from the entry that declares it."""
        code, at = forms.unsigned(self._sections.info, entry)
        if code == 0 or depth > 8:
            return ""
        attributes = self._attributes(unit, unit.abbreviations[code], at)
        for key in (_SPECIFICATION, _ORIGIN):
            if key in attributes:
                form = attributes[key][0]
                to = self._number(unit, attributes, key)
                if form in forms.UNIT_REFERENCES:
                    return self._qualified(unit, unit.begin + to, depth + 1)
                other = next((each for each in self._units if each.begin < to < each.end), None)
                if other is None:
                    return ""
                if other.functions is None:
                    other.functions = list(self._functions(other))
                return self._qualified(other, to, depth + 1)
        name = self._string(unit, attributes, _NAME)
        scope = unit.names.get(entry, "")
        return f"{scope}::{name}" if scope and name else name

    # Values

    def _number(self, unit: _Unit, attributes: dict[int, tuple[int, int]], key: int) -> int:
        """0 where it is not there."""
        if key not in attributes:
            return 0
        form, at = attributes[key]
        if form == forms.IMPLICIT:
            return at
        value = forms.plain(form, self._sections.info, at, unit.shape)
        if form in forms.ADDRESS_INDEXES:
            size = unit.shape.address
            return self._table(self._sections.addr, self._base(unit, _ADDR_BASE) + value * size, size)
        return value

    def _string(self, unit: _Unit, attributes: dict[int, tuple[int, int]], key: int) -> str:
        if key not in attributes:
            return ""
        form, at = attributes[key]
        sections = self._sections
        if form == forms.STRING:
            return forms.text(sections.info, at)
        value = forms.plain(form, sections.info, at, unit.shape)
        if form in forms.STRING_INDEXES:
            value = self._table(sections.str_offsets, self._base(unit, _STR_OFFSETS) + value * 4, 4)
        return forms.text(sections.line_str if form == forms.LINE_STRP else sections.str, value)

    def _base(self, unit: _Unit, key: int) -> int:
        """Where a unit's part of a table begins: behind the table's head, where the unit does not say."""
        return self._number(unit, unit.top, key) if key in unit.top else 8

    def _table(self, data: bytes, at: int, size: int) -> int:
        if at + size > len(data):
            raise Damaged("a table that is too short")
        return int.from_bytes(data[at : at + size], self._sections.order)  # type: ignore[arg-type]

    def _ranges(self, unit: _Unit, attributes: dict[int, tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Where an entry's code is. What the linker left out begins at 0."""
        if _RANGES in attributes:
            form, _ = attributes[_RANGES]
            value = self._number(unit, attributes, _RANGES)
            pieces = (
                self._ranges5(unit, form, value) if unit.shape.version >= 5 else self._ranges4(unit, value)
            )
            yield from ((low, high) for low, high in pieces if 0 < low < high)
        elif _HIGH in attributes and _LOW in attributes:
            low, high = self._number(unit, attributes, _LOW), self._number(unit, attributes, _HIGH)
            if attributes[_HIGH][0] != forms.ADDRESS and attributes[_HIGH][0] not in forms.ADDRESS_INDEXES:
                high += low
            if 0 < low < high:
                yield low, high

    def _ranges4(self, unit: _Unit, at: int) -> Iterator[tuple[int, int]]:
        data, size, base = self._sections.ranges, unit.shape.address, unit.base
        while True:
            low, high = self._table(data, at, size), self._table(data, at + size, size)
            at += 2 * size
            if low == 0 and high == 0:
                return
            if low == (1 << 8 * size) - 1:
                base = high
            elif low < high:
                yield base + low, base + high

    def _ranges5(self, unit: _Unit, form: int, at: int) -> Iterator[tuple[int, int]]:
        data, size, base = self._sections.rnglists, unit.shape.address, unit.base
        if form == forms.RANGES_INDEX:
            first = self._number(unit, unit.top, _RNGLISTS) or 12
            at = first + self._table(data, first + 4 * at, 4)

        def indexed(index: int) -> int:
            return self._table(self._sections.addr, self._base(unit, _ADDR_BASE) + index * size, size)

        while data[at] != 0:
            kind = data[at]
            at += 1
            if kind in (1, 2, 3, 4):  # base_addressx, startx_endx, startx_length, offset_pair
                first, at = forms.unsigned(data, at)
                second = 0
                if kind != 1:
                    second, at = forms.unsigned(data, at)
                if kind == 1:
                    base = indexed(first)
                elif kind == 4:
                    yield base + first, base + second
                else:
                    low = indexed(first)
                    yield low, indexed(second) if kind == 2 else low + second
            elif kind in (5, 6, 7):  # base_address, start_end, start_length
                low = self._table(data, at, size)
                at += size
                if kind == 5:
                    base = low
                elif kind == 6:
                    yield low, self._table(data, at, size)
                    at += size
                else:
                    length, at = forms.unsigned(data, at)
                    yield low, low + length
            else:
                raise Damaged("a list of ranges of another kind")

    # Where no unit says anything: libraries without debug information, assembler

    def _by_symbol(self, address: int) -> tuple[Frame, ...]:
        starts, found = self._symbols
        index = bisect_right(starts, address) - 1
        if index < 0 or address >= found[index][0]:
            return ()
        return (Frame(found[index][1][:_LONGEST_NAME]),)

    @cached_property
    def _symbols(self) -> tuple[list[int], list[tuple[int, str]]]:
        from elftools.elf.elffile import ELFFile

        with self._path.open("rb") as content:
            table: Any = ELFFile(content).get_section_by_name(".symtab")
            named = [] if table is None else list(table.iter_symbols())
        functions = sorted(
            (each["st_value"], each["st_value"] + each["st_size"], each.name)
            for each in named
            if each["st_info"]["type"] == "STT_FUNC" and each["st_shndx"] != "SHN_UNDEF"
        )
        return [low for low, _, _ in functions], [(high, name) for _, high, name in functions]


def _sections(path: Path) -> Sections:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as content:
            file = ELFFile(content)
            names = ("info", "abbrev", "line", "str", "line_str", "ranges", "rnglists", "addr", "str_offsets")
            found = [file.get_section_by_name(f".debug_{name}") for name in names]
            parts = [b"" if section is None else section.data() for section in found]
            order = "little" if file.little_endian else "big"
            return Sections(order, file.elfclass // 8, *parts)
    except (ELFError, OSError, ValueError) as error:
        raise Damaged(f"{path.name}: {error}") from error
