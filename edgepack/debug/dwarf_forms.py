"""DWARF's encodings: numbers, forms, and the table of abbreviations of a unit.

By hand, because of time: pyelftools makes an object of each of the 120,000 entries of a program's largest
unit, which takes 20 seconds where to step over their bytes takes a half. Source: DWARF Debugging Information
Format 5, sections 7.5 and 7.6, with what version 4 has in their place.
"""

from __future__ import annotations

from dataclasses import dataclass


class Damaged(Exception):
    """These bytes are not what the format says."""


@dataclass(frozen=True)
class Shape:
    """What the sizes in a unit depend on."""

    version: int
    address: int  # bytes
    order: str  # "little" or "big"


@dataclass(frozen=True)
class Abbreviation:
    """How entries of one code look. attributes: (name, form, the constant of ``implicit_const``).

    fixed: bytes of such an entry after its code, where that is the same for all of them, else None.
    """

    tag: int
    children: bool
    attributes: tuple[tuple[int, int, int], ...]
    fixed: int | None


def unsigned(data: bytes, at: int) -> tuple[int, int]:
    """A ULEB128, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 70:
            raise Damaged("a number without an end")


def signed(data: bytes, at: int) -> tuple[int, int]:
    """An SLEB128, and where it ends."""
    begin = at
    value, at = unsigned(data, at)
    bits = 7 * (at - begin)
    return (value - (1 << bits) if data[at - 1] & 0x40 else value), at


def text(data: bytes, at: int) -> str:
    """A string up to its zero; bytes that are no UTF-8 are replaced."""
    end = data.find(b"\0", at)
    if at > len(data) or end < 0:
        raise Damaged("a string without an end")
    return data[at:end].decode(errors="replace")


ADDRESS, STRING, FLAG_PRESENT, INDIRECT, IMPLICIT = 0x01, 0x08, 0x19, 0x16, 0x21
STRP, LINE_STRP, SEC_OFFSET = 0x0E, 0x1F, 0x17
STRING_INDEXES = {0x1A: 0, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4}
ADDRESS_INDEXES = {0x1B: 0, 0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4}
RANGES_INDEX = 0x23
UNIT_REFERENCES = (0x11, 0x12, 0x13, 0x14, 0x15)

_FIXED = dict(
    (
        *((0x0B, 1), (0x05, 2), (0x06, 4), (0x07, 8), (0x1E, 16)),  # data
        *((0x11, 1), (0x12, 2), (0x13, 4), (0x14, 8), (0x20, 8)),  # references
        *((0x0C, 1), (0x19, 0), (0x21, 0)),  # flags, and what is in the abbreviation
        *((0x0E, 4), (0x17, 4), (0x1F, 4), (0x10, 4), (0x1C, 4), (0x1D, 4), (0x24, 8)),  # offsets elsewhere
        *((0x25, 1), (0x26, 2), (0x27, 3), (0x28, 4), (0x29, 1), (0x2A, 2), (0x2B, 3), (0x2C, 4)),  # indexes
    )
)
_LEB = (0x0F, 0x0D, 0x15, 0x1A, 0x1B, 0x22, 0x23)
_BLOCKS = {0x0A: 1, 0x03: 2, 0x04: 4}
_LONG_BLOCKS = (0x09, 0x18)


def size_of(form: int, shape: Shape) -> int | None:
    """In bytes, or None where each value says it itself."""
    if form == ADDRESS:
        return shape.address
    if form == 0x10 and shape.version < 3:  # ref_addr was of an address's size
        return shape.address
    return _FIXED.get(form)


def past(form: int, data: bytes, at: int, shape: Shape) -> int:
    """Where a value of that form ends."""
    fixed = size_of(form, shape)
    if fixed is not None:
        return at + fixed
    if form in _LEB:
        return unsigned(data, at)[1]
    if form == STRING:
        return data.index(b"\0", at) + 1
    if form in _BLOCKS:
        length = int.from_bytes(data[at : at + _BLOCKS[form]], shape.order)  # type: ignore[arg-type]
        return at + _BLOCKS[form] + length
    if form in _LONG_BLOCKS:
        length, at = unsigned(data, at)
        return at + length
    if form == INDIRECT:
        form, at = unsigned(data, at)
        return past(form, data, at, shape)
    raise Damaged(f"an unknown form, {form:#x}")


def plain(form: int, data: bytes, at: int, shape: Shape) -> int:
    """The number in a value that is no string and no block; strings' places are such numbers too."""
    fixed = size_of(form, shape)
    if fixed is not None:
        return int.from_bytes(data[at : at + fixed], shape.order)  # type: ignore[arg-type]
    if form == 0x0D:
        return signed(data, at)[0]
    return unsigned(data, at)[0] if form in _LEB else 0


def abbreviations(data: bytes, at: int, shape: Shape) -> dict[int, Abbreviation]:
    """The table that begins there, by the entries' codes."""
    table: dict[int, Abbreviation] = {}
    while True:
        code, at = unsigned(data, at)
        if code == 0:
            return table
        tag, at = unsigned(data, at)
        children = data[at] != 0
        at += 1
        attributes = []
        while True:
            name, at = unsigned(data, at)
            form, at = unsigned(data, at)
            constant = 0
            if form == IMPLICIT:
                constant, at = signed(data, at)
            if name == 0 and form == 0:
                break
            attributes.append((name, form, constant))
        sizes = [size_of(form, shape) for _, form, _ in attributes]
        known = [size for size in sizes if size is not None]
        fixed = sum(known) if len(known) == len(sizes) else None
        table[code] = Abbreviation(tag, children, tuple(attributes), fixed)
