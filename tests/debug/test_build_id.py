from __future__ import annotations

import struct

import pytest

from edgepack.debug.build_id import Image, image_of

BUILD_ID = bytes(range(20))


def elf(bits: int, machine: int, flags: int = 0, note: bytes = b"", order: str = "<") -> bytes:
    """The beginning of a program: header, one PT_NOTE (4), its notes."""
    wide = bits == 64
    size, phsize = (64, 56) if wide else (52, 32)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    word = "Q" if wide else "I"
    head = ident + struct.pack(
        order + "HHI" + word * 3 + "IHHHHHH", 3, machine, 1, 0, size, 0, flags, size, phsize, 1, 0, 0, 0
    )
    at = size + phsize
    if wide:
        segment = struct.pack(order + "IIQQQQQQ", 4, 4, at, at, at, len(note), len(note), 4)
    else:
        segment = struct.pack(order + "IIIIIIII", 4, at, at, at, len(note), len(note), 4, 4)
    return head + segment + note + bytes(64)


def note(kind: int, value: bytes, owner: bytes = b"GNU\0", order: str = "<") -> bytes:
    return struct.pack(order + "III", len(owner), len(value), kind) + owner + value + bytes(-len(value) % 4)


@pytest.mark.parametrize(
    ("bits", "machine", "flags", "arch"),
    [
        (64, 62, 0, "x86_64"),
        (64, 183, 0, "aarch64"),
        (32, 40, 0x0500_0400, "armhf"),
        (64, 243, 5, "riscv64"),
        (32, 3, 0, None),
    ],
)
def test_the_architecture_and_the_build_id_behind_another_note(
    bits: int, machine: int, flags: int, arch: str | None
) -> None:
    head = elf(bits, machine, flags, note(1, b"abi") + note(3, BUILD_ID))
    assert image_of(head) == Image(arch, BUILD_ID.hex())


@pytest.mark.parametrize(
    "notes",
    [b"", note(3, BUILD_ID, b"ABC\0"), note(3, BUILD_ID)[:-4], note(3, b"x"), b"\xff" * 40],
    ids=["none", "another owner's", "cut off", "too short", "sizes that lie"],
)
def test_no_build_id_is_said_as_such(notes: bytes) -> None:
    image = image_of(elf(64, 62, note=notes)[: 64 + 56 + len(notes)])
    assert image == Image("x86_64", "")


@pytest.mark.parametrize("head", [b"", b"#!/bin/sh\n" * 20, b"\x7fELF", b"\x7fELF\x09\x01" + bytes(80)])
def test_what_is_no_program(head: bytes) -> None:
    assert image_of(head) is None


def test_any_damage_is_taken() -> None:
    whole = elf(64, 183, note=note(3, BUILD_ID))
    for at in range(4, len(whole)):
        spoilt = [whole[:at] + bytes([value]) + whole[at + 1 :] for value in (0, 0x7F, 0xFF)]
        for image in (*spoilt, whole[:at]):
            found = image_of(image)
            assert found is None or set(found.build_id) <= set("0123456789abcdef")
