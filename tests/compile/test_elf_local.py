"""An object whose symbols became its own: what it does is the same, on every architecture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from edgepack.catalog.architectures import ARCHITECTURES, architecture
from edgepack.compile.elf_local import localise
from edgepack.compile.toolchains import zig
from edgepack.tools.runner import command, run

SOURCES = {
    "one.cpp": """
        #include <string>
        template <class T> __attribute__((noinline)) T twice(T x) { return x + x; }
        extern int count; int more; thread_local int mine = 3; static int table[4] = {1, 2, 3, 4};
        int helper(int); extern "C" int from_outside(int);
        extern "C" int api_go(int x) {
          try { if (x > 3) throw x; return twice(x) + helper(x) + count + ++mine + table[x & 3] + more; }
          catch (int thrown) { return from_outside(thrown); }
        }
        const char* const names[] = {"a", "b"}; extern "C" const char* api_name(int i) { return names[i]; }
    """,
    "two.cpp": """
        template <class T> __attribute__((noinline)) T twice(T x) { return x + x; }
        int count = 7; extern "C" int api_go(int);
        int helper(int x) { return twice(x) + (x > 100 ? api_go(1) : 0); }
    """,
}
PUBLIC = {"api_go", "api_name"}


def is_public(name: str) -> bool:
    return name.startswith("api_")


def merged(arch: str, folder: Path) -> bytes:
    """The sources as one object, groups left out, as the static SDK has it."""
    tool = zig.toolchain(architecture(arch), glibc=architecture(arch).glibc)
    for name, text in SOURCES.items():
        (folder / name).write_text(text)
        flags = (*tool.flags.compile, "-std=c++17", "-O1", "-g", "-fPIC", "-ffunction-sections")
        done = run(command(*tool.cxx, *flags, "-c", folder / name, "-o", folder / f"{name}.o", env=tool.env))
        assert done.ok, done.text()
    objects = [folder / f"{name}.o" for name in SOURCES]
    words = ("ld.lld", "-r", "--force-group-allocation", "-o", folder / "whole.o", *objects)
    done = run(command(tool.cxx[0], *words, env=tool.env))
    assert done.ok, done.text()
    return (folder / "whole.o").read_bytes()


def symbols(image: bytes) -> Iterator[Any]:
    table = ELFFile(io.BytesIO(image)).get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    yield from table.iter_symbols()


def relocations(image: bytes) -> list[tuple[object, ...]]:
    """Where each is, its kind, and what it means: a place in a section, or a name from outside."""
    elf = ELFFile(io.BytesIO(image))
    found: list[tuple[object, ...]] = []
    for section in elf.iter_sections():
        if not isinstance(section, RelocationSection) or ".debug_" in section.name:
            continue
        known = elf.get_section(section["sh_link"])
        where = elf.get_section(section["sh_info"]).name
        assert section.name == f"{'.rela' if section.is_RELA() else '.rel'}{where}"
        for one in section.iter_relocations():
            symbol = known.get_symbol(one["r_info_sym"])
            inside = isinstance(symbol["st_shndx"], int)
            to = elf.get_section(symbol["st_shndx"]).name if inside else symbol.name
            addend = one["r_addend"] if section.is_RELA() else 0
            found.append((where, one["r_offset"], one["r_info_type"], to, symbol["st_value"], addend))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_only_the_interface_is_left_and_every_relocation_means_the_same(arch: str, tmp_path: Path) -> None:
    before = merged(arch, tmp_path)
    after = localise(before, is_public)
    table = list(symbols(after))
    outside = [symbol for symbol in table if symbol["st_info"]["bind"] != "STB_LOCAL"]
    assert {symbol.name for symbol in outside if symbol["st_shndx"] != "SHN_UNDEF"} == PUBLIC
    asked = {s.name for s in symbols(before) if s["st_shndx"] == "SHN_UNDEF" and s.name}
    assert {symbol.name for symbol in outside if symbol["st_shndx"] == "SHN_UNDEF"} <= asked
    local = [symbol["st_info"]["bind"] == "STB_LOCAL" for symbol in table]
    assert local == sorted(local, reverse=True)  # as the format wants it
    assert ELFFile(io.BytesIO(after)).get_section_by_name(".symtab")["sh_info"] == sum(local)
    named = {symbol.name for symbol, is_local in zip(table, local, strict=True) if is_local and symbol.name}
    assert all(name.startswith("$") for name in named)
    assert relocations(after) == relocations(before)
    assert len(relocations(after)) > 20
    assert not [s.name for s in ELFFile(io.BytesIO(after)).iter_sections() if ".debug_" in s.name]
    assert localise(after, is_public) == after


@pytest.mark.slow
def test_it_refuses_what_it_would_break(tmp_path: Path) -> None:
    whole = merged("x86_64", tmp_path)
    with pytest.raises(ValueError, match="nothing that is public"):
        localise(whole, lambda _name: False)
    grouped = (tmp_path / "one.cpp.o").read_bytes()
    with pytest.raises(ValueError, match="groups of sections"):
        localise(grouped, is_public)
    for at in (0, 4, 16):
        with pytest.raises(ValueError, match=r"no (little-endian ELF file|relocatable object)"):
            localise(whole[:at] + b"\3\3" + whole[at + 2 :], is_public)
    for end in range(64, len(whole), len(whole) // 40):
        with pytest.raises(ValueError):  # noqa: PT011 - cut off anywhere: in words, and never another object
            localise(whole[:end], is_public)
