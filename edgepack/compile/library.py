"""A C library from its pinned source: static, for one processor, by one toolchain. Kept for every project."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from edgepack.catalog.libraries import Library, LibrarySpec
from edgepack.compile.errors import CompileError
from edgepack.compile.toolchains.select import opened
from edgepack.compile.toolchains.site import Site
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.tools import cache, debian_files, sdist
from edgepack.tools.runner import Command, command, run

MARKER = "library.json"

_PROJECT = Path(__file__).with_suffix(".cmake")


def folder(spec: LibrarySpec) -> Path:
    """Where that build lies, or would lie."""
    return root() / spec.key()


def root() -> Path:
    """Where all builds of libraries lie, each under its key."""
    return cache.root() / "libraries"


def workshop() -> Path:
    """Where they are compiled."""
    return cache.root() / "building"


def build_library(
    spec: LibrarySpec, log: Path, progress: Callable[[str], None], project: Path | None = None
) -> Path:
    """Build it, after what it needs, where it is not there yet; returns its folder.

    project: whose nodes are meant, where one compiles.
    The folder has ``include/*.h``, ``lib/lib*.a``, ``licences/*.txt`` and ``library.json``. Raises ToolError
    where the toolchain or the source cannot be had, CompileError where it does not compile.
    """
    needed = [build_library(each, log, progress, project) for each in spec.needs()]
    dest = folder(spec)
    work = workshop() / f"{spec.name}-{spec.arch}-{spec.key()[:16]}"
    with cache.locked(work):
        if (dest / MARKER).is_file():
            return dest
        source = _source(spec.library, progress)
        shutil.rmtree(work, ignore_errors=True)
        site = Site((work,), (source, *needed), project)
        with opened(spec.toolchain, spec.arch, site, spec.cpu, progress, spec.glibc) as tools:
            progress(f"{spec.name} {spec.library.version}: compiling for {spec.arch}")
            # One that is its headers alone has nothing to compile.
            build = _compile(spec, tools, source, needed, work, log) if spec.library.archive else source
            _collect(spec, tools, {"source": source, "build": build}, dest)
        shutil.rmtree(work, ignore_errors=True)
    return dest


def _source(library: Library, progress: Callable[[str], None]) -> Path:
    if isinstance(library.source, sdist.Source):
        return sdist.unpack(library.source, progress)
    return debian_files.source(library.source, progress)


def _compile(
    spec: LibrarySpec, tools: Toolchain, source: Path, needed: list[Path], work: Path, log: Path
) -> Path:
    library, build, project = spec.library, work / "build", source
    words = [f"-D{name}={value}" for name, value in spec.options().items()]
    if library.files:
        # Within the project, since CMake names the objects of others after their whole paths.
        project = work / "project"
        shutil.copytree(source, project)
        shutil.copyfile(_PROJECT, project / "CMakeLists.txt")
        listed = {
            "FILES": library.files,
            "DEFINES": library.defines,
            "FLAGS": library.flags,
            "INCLUDES": (*library.includes, *(str(place / "include") for place in needed)),
            "ARCHIVE": (library.archive,),
        }
        words += [f"-DEDGEPACK_{name}={';'.join(values)}" for name, values in listed.items()]
    file = tools.cmake_toolchain_file(work / "toolchain", maps={source: f"/{spec.name}"})
    argv = (*tools.configure(project, build, file), "-Wno-dev", *words)
    target = library.target or "edgepack_library"
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    for cmd in (command(*argv), command(tools.ninja, "-C", build, jobs, target)):
        _checked(cmd, spec, log)
    return build


def _checked(cmd: Command, spec: LibrarySpec, log: Path) -> None:
    done = run(cmd, log=log)
    if not done.ok:
        raise CompileError(
            f"{spec.name} does not compile for {spec.arch}",
            where=str(log),
            why="the toolchain refused its source: edgepack's pins and this host do not fit together",
            fix="see the log; the other toolchain may do: 'toolchain: gcc' or 'toolchain: zig'",
            detail=done.text().strip()[-2000:],
        )


def _collect(spec: LibrarySpec, tools: Toolchain, places: dict[str, Path], dest: Path) -> None:
    """Copy what a program needs beside ``dest``, and give it its name when it is whole."""
    library = spec.library
    part = dest.with_name(f".{dest.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    wanted = {f"include/{name}": path for name, path in library.headers.items()}
    if library.archive:
        wanted[f"lib/lib{library.archive}.a"] = f"build/lib{library.archive}.a"
    for name in library.texts:
        file = spec.name if len(library.texts) == 1 else f"{spec.name}-{Path(name).name}"
        wanted[f"licences/{file.removesuffix('.md')}.txt"] = f"source/{name}"
    for name, path in wanted.items():
        top, _, below = path.partition("/")
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(places[top] / below, part / name)
    about = {
        "library": spec.name,
        "version": library.version,
        "source": asdict(library.source),
        "spec": asdict(spec),
        "key": spec.key(),
        "toolchain": {"name": tools.name, "version": tools.version},
    }
    (part / MARKER).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    part.replace(dest)
