"""What protects a program against its own mistakes, read off its file and not off the words of its link.

Sources: System V gABI (ET_DYN, PT_GNU_STACK), the GNU additions in glibc's elf.h (PT_GNU_RELRO, DF_BIND_NOW,
DF_1_NOW); __stack_chk_fail and __x_chk as gcc and clang call them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgepack.compile import elf
from edgepack.compile.errors import LoadError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_BIND_NOW, _NOW = 0x8, 0x1  # DF_BIND_NOW, DF_1_NOW
_EXECUTABLE = 0x1  # PF_X
_CHECKED = re.compile(r"__(memcpy|memmove|memset|strcpy|strcat|v?sn?printf|v?f?printf|read|fread|fgets)_chk")

_FLAGS = {
    "pie": "compile with -fPIE and link with -static-pie or -pie",
    "relro": "link with -Wl,-z,relro",
    "bind_now": "link with -Wl,-z,now",
    "no_exec_stack": "link with -Wl,-z,noexecstack",
    "stack_protector": "compile with -fstack-protector-strong",
}


@dataclass(frozen=True)
class Hardening:
    """pie: loaded anywhere. relro, bind_now: its tables of addresses are not writable once it runs.

    stack_protector: some function of it checks its frame. fortified: it calls glibc's checked functions.
    """

    pie: bool
    relro: bool
    bind_now: bool
    no_exec_stack: bool
    stack_protector: bool
    fortified: bool


def read(path: Path) -> Hardening:
    """Of a program with its symbols. Raises LoadError where it is not an ELF file."""
    from elftools.elf.elffile import ELFFile

    elf.inspect(path)
    with path.open("rb") as content:
        file = ELFFile(content)
        names = _names(file)
        segments = {segment["p_type"]: segment for segment in file.iter_segments()}
        stack = segments.get("PT_GNU_STACK")
        return Hardening(
            pie=file["e_type"] == "ET_DYN",
            relro="PT_GNU_RELRO" in segments,
            bind_now=_binds_now(file),
            no_exec_stack=stack is not None and not stack["p_flags"] & _EXECUTABLE,
            stack_protector="__stack_chk_fail" in names,
            fortified=any(_CHECKED.fullmatch(name) for name in names),
        )


def check(path: Path, *, pie: bool = True) -> Hardening:
    """Refuse a program without its protection; its symbols must be in it still.

    pie: False where the toolchain's libc cannot be in such a program. Whether it is fortified is told and
    not asked for: musl has no checked functions, and not every program calls one. Raises LoadError naming
    the flag.
    """
    found = read(path)
    exempt = {"fortified", *(() if pie else ("pie", "relro", "bind_now"))}
    missing = [name for name, there in asdict(found).items() if not there and name not in exempt]
    if missing:
        words = ", ".join(name.replace("_", " ") for name in missing)
        raise LoadError(
            f"{path.name} is not hardened: no {words}",
            where=str(path),
            why="a flag of the toolchain did not reach the compiler or the linker",
            fix="; ".join(_FLAGS[name] for name in missing),
        )
    return found


def _names(file: ELFFile) -> frozenset[str]:
    from elftools.elf.sections import SymbolTableSection

    tables = [file.get_section_by_name(name) for name in (".symtab", ".dynsym")]
    return frozenset(
        symbol.name
        for table in tables
        if isinstance(table, SymbolTableSection)
        for symbol in table.iter_symbols()
    )


def _binds_now(file: ELFFile) -> bool:
    from elftools.elf.dynamic import DynamicSegment

    for segment in file.iter_segments():
        if isinstance(segment, DynamicSegment):
            for tag in segment.iter_tags():
                if tag.entry.d_tag == "DT_BIND_NOW":
                    return True
                if tag.entry.d_tag == "DT_FLAGS" and tag.entry.d_val & _BIND_NOW:
                    return True
                if tag.entry.d_tag == "DT_FLAGS_1" and tag.entry.d_val & _NOW:
                    return True
    return False
