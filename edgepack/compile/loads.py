"""Whether a program and the libraries beside it would load on a target, before anything is packaged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.runtimes import glibc_floor, libc_family, ordered
from edgepack.compile import elf
from edgepack.compile.elf import ElfInfo
from edgepack.compile.errors import LoadError


@dataclass(frozen=True)
class Needs:
    """What a release asks of a box. libc: "static", "glibc 2.28", "musl". object, symbol: who asks for it."""

    libc: str
    object: str = ""
    symbol: str = ""


def check(
    program: Path,
    libraries: Sequence[Path],
    arch: str,
    glibc: str,
    objects: Iterable[Path] = (),
    of_box: Collection[str] = (),
) -> Needs:
    """Hold each file to the target's floor and to the libraries that the bundle brings.

    glibc: the oldest to expect on the target. objects: what the program was linked from, to say which of
    them asks for a symbol. of_box: sonames of what the box's vendor put there. Raises
    LoadError naming file, symbol and what to do.
    """
    # What is loaded by its file's name alone, as a plugin is, has no soname.
    brought = {info.soname or info.path.name: info for info in map(elf.inspect, libraries)}
    own = elf.inspect(program)
    for info in (own, *brought.values()):
        floors = {"GLIBC": glibc, **_given(info, brought)}
        try:
            elf.check_loads(info, arch, floors, {*brought, *of_box})
        except LoadError as error:
            _name_object(error, info, floors, objects)
            raise
    return _needs((own, *brought.values()))


def check_for(
    program: Path,
    libraries: Sequence[Path],
    arch: str,
    libc: str | None,
    objects: Iterable[Path] = (),
    of_box: Collection[str] = (),
) -> Needs:
    """The same for a target's libc, which may be another than glibc. Raises LoadError."""
    wanted, linked = libc_family(libc), elf.libc_of(elf.inspect(program))
    if linked and linked != wanted:
        raise LoadError(
            f"{program.name} is linked to {linked}, the target has {libc or wanted}",
            where=str(program),
            why="its toolchain is for another system",
            fix=f"name the gcc of the box's maker, which links to {wanted}: `toolchain: {{gcc: PATH}}`",
        )
    needs = check(program, libraries, arch, glibc_floor(libc) or "0", objects, of_box)
    return needs if wanted == "glibc" else Needs(wanted)


def check_static(program: Path, arch: str) -> Needs:
    """Hold a program that is to need nothing of a box to that: its architecture, no loader, no library.

    Raises LoadError naming the first library that it asks for after all.
    """
    info = elf.inspect(program)
    elf.check_loads(info, arch, {}, info.needed)
    if not info.static:
        asked = info.needed[0] if info.needed else str(info.interpreter)
        raise LoadError(
            f"{program.name} asks for {asked}, and is to need nothing of the box",
            where=str(program),
            why="a library was linked by its .so: the linker found no archive of it",
            fix="give the linker the .a of it; the toolchain's flag for that is -static-pie",
        )
    return Needs("static")


def _given(info: ElfInfo, brought: Mapping[str, ElfInfo]) -> dict[str, str]:
    """Of each family (GLIBCXX, CXXABI, GCC) the newest version in the library of the bundle that has it."""
    given: dict[str, str] = {}
    for family, need in info.version_needs.items():
        library = brought.get(need.library)
        if library is not None:
            given[family] = library.version_defs.get(family, "0")
    return given


def _needs(infos: Sequence[ElfInfo]) -> Needs:
    found = [(info, info.version_needs["GLIBC"]) for info in infos if "GLIBC" in info.version_needs]
    if not found:
        return Needs("static")
    info, need = max(found, key=lambda one: ordered(one[1].version))
    return Needs(f"glibc {need.version}", info.path.name, need.symbol)


def _name_object(error: LoadError, info: ElfInfo, floors: Mapping[str, str], objects: Iterable[Path]) -> None:
    """Say in the error which of the program's objects asks for the symbol, where one does."""
    for family, need in info.version_needs.items():
        floor = floors.get(family)
        if floor is not None and ordered(floor) < ordered(need.version):
            asking = [path for path in objects if need.symbol in elf.undefined(path)]
            if asking and info.interpreter is not None:
                error.why += f"; {', '.join(_named(path) for path in asking)} asks for it"
            return


def _named(path: Path) -> str:
    """The source file of an object as CMake names it: ``…/user.dir/src/post.cpp.o`` → ``src/post.cpp``.

    CMake leaves out where a whole path begins: ``…/user.dir/srv/own/post.cpp.o`` → ``/srv/own/post.cpp``.
    """
    parts = path.parts
    start = max((i + 1 for i, part in enumerate(parts) if part.endswith(".dir")), default=len(parts) - 1)
    name = "/".join(parts[start:]).removesuffix(".o")
    return f"/{name}" if Path(f"/{name}").is_file() else name
