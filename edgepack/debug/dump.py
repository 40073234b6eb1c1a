"""A core dump: which program it is of, by the build-id in its memory, and that program's symbols."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgepack.debug import symbols
from edgepack.debug.build_id import MOST, Image, image_of
from edgepack.debug.errors import SymbolsError
from edgepack.errors import InputError


@dataclass(frozen=True)
class Core:
    """What a dump is of."""

    arch: str
    build_id: str
    symbols: Path


def of(core: Path) -> Core:
    """Read ``core``. Raises InputError where it is none, SymbolsError where no program's symbols are here."""
    images = _images(core)
    for image in images:
        if image.arch and image.build_id and (found := symbols.find(image.build_id)):
            return Core(image.arch, image.build_id, found)
    named = ", ".join(image.build_id for image in images if image.build_id)
    raise SymbolsError(
        f"the symbols of what dumped this core are not here: build-id {named or 'unknown'}",
        where=str(core),
        why="it was built on another machine" if named else "the dump has no first page of a program in it",
        fix=symbols.BRING
        if named
        else "on the box: echo 0x33 > /proc/PID/coredump_filter, core(5), and have it crash again",
    )


def _images(core: Path) -> list[Image]:
    """The ELF images whose first page is in the dump, in the order of their addresses."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    found = []
    try:
        with core.open("rb") as content:
            elf = ELFFile(content)
            if elf.header["e_type"] != "ET_CORE":
                raise InputError("this is a program, not a core dump", where=str(core))
            for segment in elf.iter_segments("PT_LOAD"):
                content.seek(segment["p_offset"])
                if (image := image_of(content.read(min(segment["p_filesz"], MOST)))) is not None:
                    found.append(image)
    except (OSError, ELFError, ValueError) as error:
        raise InputError(
            "this is no core dump", where=str(core), why=getattr(error, "strerror", "") or str(error)
        ) from error
    return found
