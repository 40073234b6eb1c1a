from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from edgepack.catalog.architectures import ARCHITECTURES, architecture
from edgepack.ship.machine import HEADER, built_for, foreign
from edgepack.tools.qemu import host_arch
from tests.releases import Program, bundle


def header(arch: str) -> bytes:
    """The first bytes of a program for that architecture (gABI, chapter 4)."""
    about = architecture(arch)
    wide = about.bits == 64
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    address = "Q" if wide else "I"
    fields = struct.pack(f"<HHI3{address}I", 2, about.elf_machine, 1, 0, 64, 0, about.elf_flags)
    return (ident + fields).ljust(HEADER, b"\0")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_program_says_for_which_architecture_it_is(arch: str) -> None:
    assert built_for(header(arch)) == arch


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"#!/bin/sh\n" * 10,
        header("aarch64")[:-1],  # cut off
        header("aarch64").replace(b"\x7fELF\x02\x01", b"\x7fELF\x02\x02"),  # the other byte order
        header("aarch64").replace(b"\x7fELF\x02", b"\x7fELF\x07"),
        header("aarch64").replace(b"\xb7\0", b"\xff\xff"),  # a machine that edgepack has no name for
    ],
)
def test_what_is_no_program_or_for_an_unknown_machine_says_nothing(program: bytes) -> None:
    assert built_for(program) is None


def test_a_real_program_of_this_machine() -> None:
    assert built_for(Path(sys.executable).read_bytes()[:HEADER]) == host_arch()


def test_a_bundle_whose_program_is_another_than_it_says(tmp_path: Path) -> None:
    script = bundle(tmp_path / "script", Program(arch="armhf"))
    assert foreign(script) == ""
    for arch, words in (("armhf", ""), ("x86_64", "built for x86_64, though the bundle says armhf")):
        made = bundle(tmp_path / arch, Program(arch="armhf", text=header(arch).decode("ascii")))
        with made.open(made.file("bin/digits")) as program:
            assert built_for(program.read()) == arch
        assert words in foreign(made)
        assert bool(foreign(made)) == bool(words)
