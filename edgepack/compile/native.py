"""The helper for a box and the encoder for this host: C files of ours, zstd, libsodium; a static program."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog import native_build as data
from edgepack.catalog.native_build import HelperSpec
from edgepack.compile.elf_strip import strip
from edgepack.compile.errors import CompileError
from edgepack.compile.toolchains.select import toolchain
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.tools import cache, sdist
from edgepack.tools.runner import command, run


def build_helper(spec: HelperSpec, progress: Callable[[str], None] = lambda _line: None) -> Path:
    """The program of ``spec``, from the cache or compiled now (some 40 s of CPU time, once).

    Raises ToolError where the toolchain or a source cannot be had, CompileError where it does not compile
    or is larger than a helper may be.
    """
    dest = cache.root() / "helpers" / spec.key() / f"edgepack-{spec.kind}"
    if dest.is_file():
        return dest
    with cache.locked(dest.parent):
        if not dest.is_file():
            _build(spec, dest, progress)
    return dest


def _build(spec: HelperSpec, dest: Path, progress: Callable[[str], None]) -> None:
    tool = toolchain("zig", spec.arch, None, progress)
    zstd = sdist.unpack(data.ZSTD, progress) / data.ZSTD_FOLDER
    sodium = sdist.unpack(data.SODIUM, progress) / data.SODIUM_FOLDER
    progress(f"{spec.kind} for {spec.arch}: compiling")
    with tempfile.TemporaryDirectory(prefix="edgepack-helper-") as temporary:
        units = _units(spec, zstd, sodium, Path(temporary))
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            objects = list(pool.map(lambda unit: _compile(tool, spec, unit), units))
        program = strip(_link(tool, spec, objects, Path(temporary)).read_bytes())
    if spec.kind == "helper" and len(program) > data.MOST_BYTES:
        raise CompileError(
            f"the helper for {spec.arch} has {len(program)} bytes",
            why=f"a box gets at most {data.MOST_BYTES}",
            fix="this is a fault of edgepack's own: please report it",
        )
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_suffix(".part")
    part.write_bytes(program)
    part.chmod(0o755)
    part.rename(dest)


@dataclass(frozen=True)
class _Unit:
    """One file to compile, and where to."""

    source: Path
    words: tuple[str, ...]
    made: Path


def _units(spec: HelperSpec, zstd: Path, sodium: Path, work: Path) -> list[_Unit]:
    """What is compiled, each as its authors want it; warnings are for what is ours."""
    own, generated = work / "own", work / "generated" / "sodium"
    own.mkdir()
    generated.mkdir(parents=True)
    for name, text in data.sources().items():
        (own / name).write_bytes(text)
    (generated / "version.h").write_text(data.SODIUM_HEADER)
    headers = (generated.parent, generated, sodium / "include", sodium / "include" / "sodium")
    theirs = ("-w", *(f"-I{folder}" for folder in headers), "-DCONFIGURED=1", "-DDEV_MODE=0")
    ours = ("-Wall", "-Wextra", f"-I{zstd}", *(f"-isystem{folder}" for folder in headers))
    return [
        _Unit(zstd / data.ZSTD_FILE, ("-w", "-DZSTD_TRACE=0"), work / "zstd.o"),
        *(_Unit(sodium / name, theirs, work / f"sodium-{Path(name).stem}.o") for name in data.SODIUM_FILES),
        *(_Unit(own / name, ours, work / f"{Path(name).stem}.o") for name in data.FILES[spec.kind]),
    ]


def _compile(tool: Toolchain, spec: HelperSpec, unit: _Unit) -> Path:
    """One object. No path of this host is in it: there is no debug information, and no name of a file."""
    words = (*tool.flags.compile, data.OPTIMISED[spec.kind], *data.COMPILED, *unit.words)
    _checked(tool, spec, (*tool.cc, *words, "-c", str(unit.source), "-o", str(unit.made)))
    return unit.made


def _link(tool: Toolchain, spec: HelperSpec, objects: Sequence[Path], work: Path) -> Path:
    made = work / "program"
    # With the words of every other program: zig's C library is then the one that is there already.
    words = (*tool.flags.release, *tool.flags.link, *data.LINKED)
    _checked(tool, spec, (*tool.cc, *words, "-static", *map(str, objects), "-o", str(made)))
    return made


def _checked(tool: Toolchain, spec: HelperSpec, argv: Sequence[str]) -> None:
    # From /, so that no folder of this host is in what is made.
    done = run(command(*argv, cwd=Path("/"), env=tool.env))
    if not done.ok:
        raise CompileError(
            f"the {spec.kind} does not compile for {spec.arch}",
            why="the toolchain refused its source: edgepack's pins and this host do not fit together",
            fix="this is a fault of edgepack's own: please report it",
            detail=done.text().strip()[-2000:],
        )
