"""What a program needs to start, read from its ELF file; and the split of its debug information.

Sources: System V gABI (headers, sections, segments), GNU symbol versioning (LSB Core, chapter 10), and
gdb's "Debugging Information in Separate Files" for build ids.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgepack.catalog.architectures import architecture, of_elf
from edgepack.catalog.runtimes import ordered
from edgepack.compile.errors import LoadError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_FAMILIES = ("GLIBC", "GLIBCXX", "CXXABI", "GCC")
# Part of libc, or never a file on disk: not worth a question to the box.
_OF_LIBC = (
    *("libc.so", "libm.so.", "libpthread.so.", "libdl.so.", "librt.so.", "ld-linux", "libc.musl-"),
    *("ld-musl-", "ld-uClibc.so.", "ld64-uClibc.so."),
)
_UCLIBC = re.compile(r"/lib(64)?/ld(64)?-uClibc\.so\.[01]")


@dataclass(frozen=True)
class VersionNeed:
    """The highest version of one family that a file asks for, and a symbol that asks for it."""

    version: str
    symbol: str
    library: str


@dataclass(frozen=True)
class ElfInfo:
    """One ELF file. arch: edgepack's name, or None where the file is for none that edgepack knows.

    static: needs neither a loader nor a library. version_needs: family (``GLIBC``) → what it asks for.
    version_defs: family → the newest version that it defines for others.
    """

    path: Path
    arch: str | None
    static: bool
    interpreter: str | None
    soname: str | None
    needed: tuple[str, ...]
    version_needs: Mapping[str, VersionNeed]
    build_id: str
    stripped: bool
    version_defs: Mapping[str, str] = field(default_factory=dict)


def inspect(path: Path) -> ElfInfo:
    """Read ``path``. Raises LoadError where it is not an ELF file, or a damaged one."""
    from elftools.common.exceptions import ELFError
    from elftools.construct import ConstructError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as content:
            return _read(path, ELFFile(content))
    except (ELFError, ConstructError, OSError, ValueError, UnicodeDecodeError) as error:
        raise LoadError(
            f"{path.name} is not a program for Linux", where=str(path), why=f"not readable as ELF: {error}"
        ) from error


def exports(path: Path) -> frozenset[str]:
    """The symbols that a shared library gives to others. Raises as ``inspect`` does."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    inspect(path)
    with path.open("rb") as content:
        table = ELFFile(content).get_section_by_name(".dynsym")
        symbols = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
        return frozenset(
            symbol.name
            for symbol in symbols
            if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] != "STB_LOCAL"
        )


def _read(path: Path, elf: ELFFile) -> ElfInfo:
    from elftools.elf.segments import InterpSegment

    header = elf.header
    found = of_elf(elf.elfclass, _number(elf), header["e_flags"])
    tags = list(_dynamic(elf))
    needed = tuple(str(tag.needed) for tag in tags if tag.entry.d_tag == "DT_NEEDED")
    soname = next((str(tag.soname) for tag in tags if tag.entry.d_tag == "DT_SONAME"), None)
    named = [seg.get_interp_name() for seg in elf.iter_segments() if isinstance(seg, InterpSegment)]
    interpreter = named[0] if named else None
    return ElfInfo(
        path=path,
        arch=found.name if found else None,
        static=interpreter is None and not needed and soname is None,
        interpreter=interpreter,
        soname=soname,
        needed=needed,
        version_needs=_version_needs(elf),
        build_id=_build_id(elf),
        stripped=elf.get_section_by_name(".symtab") is None and not elf.has_dwarf_info(strict=True),
        version_defs=_version_defs(elf),
    )


def _number(elf: ELFFile) -> int:
    """``e_machine`` as the file has it: the library's names for it are not the ABI's numbers."""
    elf.stream.seek(18)
    return int.from_bytes(elf.stream.read(2), "little" if elf.little_endian else "big")


def _dynamic(elf: ELFFile) -> Iterator[Any]:
    from elftools.elf.dynamic import DynamicSegment

    for segment in elf.iter_segments():
        if isinstance(segment, DynamicSegment):
            yield from segment.iter_tags()


def _version_needs(elf: ELFFile) -> dict[str, VersionNeed]:
    from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
    from elftools.elf.sections import SymbolTableSection

    needs = elf.get_section_by_name(".gnu.version_r")
    versions = elf.get_section_by_name(".gnu.version")
    symbols = elf.get_section_by_name(".dynsym")
    if not (isinstance(needs, GNUVerNeedSection) and isinstance(versions, GNUVerSymSection)):
        return {}
    assert isinstance(symbols, SymbolTableSection)  # both sections speak of it
    wanted = {
        aux["vna_other"]: (aux.name, library.name)
        for library, auxiliaries in needs.iter_versions()
        for aux in auxiliaries
    }
    highest: dict[str, VersionNeed] = {}
    for index, symbol in enumerate(symbols.iter_symbols()):
        version, library = wanted.get(versions.get_symbol(index)["ndx"], ("", ""))
        family, _, number = version.partition("_")
        known = highest.get(family)
        if family in _FAMILIES and number[:1].isdigit() and (known is None or _less(known.version, number)):
            highest[family] = VersionNeed(number, symbol.name, library or "")
    return highest


def _version_defs(elf: ELFFile) -> dict[str, str]:
    from elftools.elf.gnuversions import GNUVerDefSection

    section = elf.get_section_by_name(".gnu.version_d")
    newest: dict[str, str] = {}
    if isinstance(section, GNUVerDefSection):
        for _, names in section.iter_versions():
            family, _, number = next(iter(names)).name.partition("_")
            if family in _FAMILIES and number[:1].isdigit() and _less(newest.get(family, ""), number):
                newest[family] = number
    return newest


def undefined(path: Path) -> frozenset[str]:
    """The symbols that an object file asks of others. Raises as ``inspect`` does."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with path.open("rb") as content:
        table = ELFFile(content).get_section_by_name(".symtab")
        symbols = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
        return frozenset(symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF")


def _less(first: str, second: str) -> bool:
    return ordered(first) < ordered(second)


def _build_id(elf: ELFFile) -> str:
    from elftools.elf.segments import NoteSegment

    for segment in elf.iter_segments():
        if isinstance(segment, NoteSegment):
            for note in segment.iter_notes():
                if note["n_type"] == "NT_GNU_BUILD_ID":
                    return str(note["n_desc"])
    return ""


def check_loads(info: ElfInfo, arch: str, floors: Mapping[str, str], provided: Collection[str] = ()) -> None:
    """Refuse a program that would not start on a box of ``arch``.

    floors: what the box has (``{"GLIBC": "2.31", "GLIBCXX": "3.4.28"}``; what is not known is left out
    and not judged). provided: sonames of libraries the bundle brings or the box is known to have; where
    one of them defines the versions of a family, the floor is its own.
    Raises LoadError naming the object, the symbol and what to do.
    """
    if info.arch != arch:
        raise LoadError(
            f"{info.path.name} is for {info.arch or 'an architecture edgepack does not know'}, not {arch}",
            where=str(info.path),
            why="it was compiled for another target",
            fix="build for this target again, or name the target it was compiled for",
        )
    if info.static:
        return
    _check_interpreter(info, arch)
    for family, need in info.version_needs.items():
        floor = floors.get(family)
        if floor is not None and _less(floor, need.version):
            raise LoadError(
                f"{info.path.name} needs {family}_{need.version}, {_has(need, provided)} {floor}",
                where=str(info.path),
                why=f"the symbol {need.symbol} is taken from {need.library} in that version",
                fix=_older(info, arch, family, floor),
            )
    absent = [name for name in info.needed if name not in provided and not name.startswith(_OF_LIBC)]
    if absent:
        raise LoadError(
            f"{info.path.name} needs {absent[0]}, which neither the bundle nor the target has",
            where=str(info.path),
            why=f"libraries it was linked with: {', '.join(info.needed)}",
            fix=f"put {absent[0]} into the bundle, or link it statically",
        )


def _has(need: VersionNeed, provided: Collection[str]) -> str:
    brought = need.library in provided and not need.library.startswith(_OF_LIBC)
    return f"the bundle's {need.library} has" if brought else "the target has"


def _older(info: ElfInfo, arch: str, family: str, floor: str) -> str:
    if info.interpreter is None:
        name = info.soname or info.path.name
        return f"take a build of {name} for {family}_{floor} or older, or the static `runtime: ncnn`"
    link = f", which links for it: -target {architecture(arch).zig_gnu}.{floor}" if family == "GLIBC" else ""
    return f"link it statically, or compile it with zig (`toolchain: zig`){link}"


def _check_interpreter(info: ElfInfo, arch: str) -> None:
    known = architecture(arch)
    if info.interpreter not in (None, known.loader) and libc_of(info) not in ("musl", "uClibc"):
        raise LoadError(
            f"{info.path.name} asks for the loader {info.interpreter}, which {arch} systems do not have",
            where=str(info.path),
            why="it was linked by a toolchain with its own system root",
            fix=f"link it with --dynamic-linker={known.loader}, or statically",
        )


def libc_of(info: ElfInfo) -> str:
    """Which libc a program is linked to, by its loader; empty for one that has none, and for any other.

    musl's of makers with processors of their own have those in the name: ``ld-musl-riscv64v0p7_xthead.so.1``.
    """
    loader, musl = info.interpreter or "", f"/lib/ld-musl-{info.arch}"
    if loader.startswith(musl) and loader.endswith(".so.1"):
        return "musl"
    if _UCLIBC.fullmatch(loader):
        return "uClibc"
    return "glibc" if info.arch and loader == architecture(info.arch).loader else ""


def split_debug(program: Path, stripped: Path, debug: Path) -> None:
    """Write ``program`` without symbols and debug information to ``stripped``, and whole to ``debug``.

    ``debug`` is the unstripped program itself, so that gdb with a core from a box needs one file; both
    have the same build id, by which they are matched. What is loaded stays where it is, byte for byte.
    Raises LoadError where ``program`` is not an ELF file.
    """
    from edgepack.compile import elf_strip

    inspect(program)
    whole = program.read_bytes()
    small = elf_strip.strip(whole)
    mode = program.stat().st_mode & 0o777
    for path, content in ((debug, whole), (stripped, small)):
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(content)
        part.chmod(mode)
        part.replace(path)
