"""A target's C++ project as it is compiled in a container's image, without edgepack: files by their paths.

The compiler is called with the same words as here, from other folders. Those are mapped to the same names,
and the build id is the one that is known: what comes out is the same program, to the byte.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgepack.catalog.toolchains import by_path, elsewhere
from edgepack.compile import elf_strip, library_step, program, runtime_step
from edgepack.compile.program_step import program_spec
from edgepack.compile.render import render_program
from edgepack.compile.toolchains.select import toolchain
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import InputError
from edgepack.plan.program_steps import glibc_of
from edgepack.plan.snapshot import source_tree
from edgepack.plan.step import Choice, Work

TOOLS = Path("/opt/tools")  # where pip puts zig, CMake and Ninja in the image
PLACE = Path("/work")  # where the project lies in the image
CMAKE = TOOLS / "cmake" / "data" / "bin" / "cmake"
NINJA = TOOLS / "bin" / "ninja"
STRIP, LINK_WORDS = "strip.py", "link.rsp"

Content = bytes | Path


def files(work: Work, build_id: str) -> dict[str, Content]:
    """What lies below ``PLACE``. Raises InputError for a compiler that no image can be given by its name."""
    check(work.choice)
    folder = work.project.folder
    found: dict[str, Content] = {LINK_WORDS: f"-Wl,--build-id=0x{build_id}\n".encode()}
    found[STRIP] = Path(elf_strip.__file__)
    with tempfile.TemporaryDirectory(prefix="edgepack-dockerfile-") as temporary:
        place = Path(temporary)
        render_program(program_spec(work), place / "program", program.templates(program_spec(work), folder))
        _toolchain(work).cmake_toolchain_file(
            place / "toolchain", maps={PLACE / "user": "/user"}, later=PLACE / "toolchain"
        )
        found |= {name: path.read_bytes() for name, path in _below(place).items()}
    found |= {f"user/{path.relative_to(folder).as_posix()}": path for path in source_tree(folder)[0]}
    found |= {f"runtime/{name}": path for name, path in _linked(runtime_step.folder(work.step("runtime")))}
    for number, library in enumerate(library_step.folders(work)):
        found |= {f"libraries/{number}/{name}": path for name, path in _linked(library)}
    return found


def variables(work: Work) -> Mapping[str, str]:
    """What CMake is told in the image."""
    count = len(library_step.folders(work))
    libraries = ";".join(str(PLACE / "libraries" / str(number)) for number in range(count))
    return {
        "EDGEPACK_PROJECT": str(PLACE / "user"),
        "EDGEPACK_RUNTIME": str(PLACE / "runtime"),
        "EDGEPACK_LIBRARIES": libraries,
    }


def check(choice: Choice) -> None:
    """Raises InputError where the target's compiler is not known by a name that an image can have."""
    if by_path(choice.toolchain) or elsewhere(choice.toolchain):
        raise InputError(
            f"no Dockerfile for {choice.target.id}: it is compiled by {choice.toolchain.partition('=')[0]}",
            where=f"edgepack.yaml, targets: {choice.target.id}",
            why="a Dockerfile compiles with zig, or with the `gcc` of its builder's image",
            fix="leave the target out, or `edgepack image`, which compiles nothing",
        )


def _toolchain(work: Work) -> Toolchain:
    """This host's, called as it is in the image."""
    choice = work.choice
    glibc = glibc_of(work.project, choice)
    here = toolchain(choice.toolchain, choice.target.arch, choice.target.cpu, work.progress, glibc)
    is_zig = here.name == "zig"

    def called(argv: tuple[str, ...]) -> tuple[str, ...]:
        return (str(TOOLS / "ziglang" / "zig") if is_zig else Path(argv[0]).name, *argv[1:])

    return replace(
        here,
        cc=called(here.cc),
        cxx=called(here.cxx),
        ar=called(here.ar),
        ranlib=called(here.ranlib),
        cmake=CMAKE,
        ninja=NINJA,
        env={},
        prefix_maps={TOOLS / "ziglang" / "lib": "/zig"} if is_zig else {},
        cached=False,
    )


def _below(place: Path) -> dict[str, Path]:
    return {p.relative_to(place).as_posix(): p for p in sorted(place.rglob("*")) if p.is_file()}


def _linked(place: Path) -> list[tuple[str, Path]]:
    """What a compiler and a linker read of a runtime or a library."""
    return [
        (name, path)
        for name, path in _below(place).items()
        if name.partition("/")[0] in ("include", "lib", "link")
    ]
