"""The program of one target: rendered, compiled, linked, named after what it is made of, and stripped."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgepack.catalog import paths
from edgepack.compile import elf, sdk, sdk_static
from edgepack.compile.diagnostics import Origin, compile_error
from edgepack.compile.errors import CompileError
from edgepack.compile.inputs import drop_stale, remember
from edgepack.compile.render import USER_PRESETS, ProgramSpec, entries, render_program, template_names
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.tools.runner import command, run, run_lines

OBJECTS = ("core", "backend", "generated")  # CMake's object libraries; "user" where the project has code

FORM_OBJECTS = {"sdk": ("interface", "client"), "service": ("service",)}

_STEP = re.compile(r"\[(\d+)/(\d+)\] (.*)")


@dataclass(frozen=True)
class ProgramBuild:
    """What came of a build.

    program: stripped, for the box. debug: its symbols, for a debugger here. build_id: 40 hex digits, in both.
    compiled: C++ files that had to be compiled, of ``total``. sdk: what a partner gets besides, by its path
    in the SDK; empty for other forms. objects: what was linked, in the build's folder.
    """

    program: Path
    debug: Path
    build_id: str
    compiled: int
    total: int
    sdk: Mapping[str, Path] = field(default_factory=dict)
    objects: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Places:
    """The folders of one build, absolute. work: ours, kept between builds; the others: the caller's.

    runtime: None for `pre` and `post` alone. libraries: of C, each with ``include/``
    and ``lib/``, in a linker's order.
    """

    project: Path
    work: Path
    runtime: Path | None
    log: Path
    libraries: tuple[Path, ...] = ()

    @property
    def source(self) -> Path:
        return self.work / "program"

    @property
    def build(self) -> Path:
        return self.work / "build"


def build_program(
    spec: ProgramSpec,
    *,
    project: Path,
    build: Path,
    toolchain: Toolchain,
    runtime: Path,
    dest: Path,
    log: Path,
    libraries: tuple[Path, ...] = (),
    progress: Callable[[str], None] = lambda _line: None,
) -> ProgramBuild:
    """Render, configure where needed, compile what changed, link, and split off the debug symbols.

    project: the folder that the spec's C++ files are relative to. build: a folder of ours that is kept
    between builds: with nothing changed nothing is compiled. runtime: its ``include/`` and ``lib/``; so
    with ``libraries``, those of C that it is linked with besides.
    ``dest`` gets ``<name>``, ``<name>.debug``, and ``sdk/`` in that form; ``log`` what the tools say.
    ``progress`` gets lines like ``compiling 3/7``. Raises CompileError with the user's own file and line,
    LoadError where the result is for another architecture than ``spec.arch``, InputError for a spec that
    cannot be a program.
    """
    places = Places(project.resolve(), build.resolve(), runtime.resolve(), log.resolve(), libraries)
    render_program(spec, places.source, templates(spec, places.project))
    _configure(spec, places, toolchain, progress)
    drop_stale(places.build, "CMakeFiles/user*.dir/**/*.o")
    is_sdk = spec.form == "sdk"
    objects = (*OBJECTS, *FORM_OBJECTS.get(spec.form, ()), *spec.more_objects())
    compiled = _ninja(spec, places, toolchain, objects, progress)
    remember(places.build, toolchain.ninja, places.project)
    build_id = _name_build(spec, places, toolchain, _archives((runtime, *libraries)))
    if is_sdk:
        sdk.name_library(places.build, build_id)
    progress("linking")
    _ninja(spec, places, toolchain, ("program",), lambda _line: None)
    dest.mkdir(parents=True, exist_ok=True)
    program, debug = dest / spec.name, dest / f"{spec.name}.debug"
    elf.split_debug(places.build / "bin" / spec.name, program, debug)
    needs = (sdk.library(spec).soname,) if is_sdk else of_box(runtime)
    floors = {"GLIBC": toolchain.arch.glibc} if is_sdk else {}
    elf.check_loads(elf.inspect(program), spec.arch, floors, needs)
    made = tuple(_objects(places))
    files: dict[str, Path] = {}
    if is_sdk:
        files = sdk.collect(spec, toolchain, places.build, dest / "sdk", places.log)
        archives = _archives((runtime, *libraries))
        files |= sdk_static.archive(spec, toolchain, made, archives, dest / "sdk", places.log)
    return ProgramBuild(program, debug, build_id, compiled, len(made), files, made)


def of_box(runtime: Path) -> tuple[str, ...]:
    """What a program is linked to that the box has: the vendor's, and gcc's C++ library, whose types pass."""
    linked = tuple(path.name for path in sorted((runtime / "link").glob("*.so")))
    return (*linked, "libstdc++.so.6", "libgcc_s.so.1") if linked else ()


def build_blocks(
    spec: ProgramSpec,
    places: Places,
    toolchain: Toolchain,
    progress: Callable[[str], None] = lambda _line: None,
) -> Path:
    """``pre`` and ``post`` of a spec as a program for the toolchain's architecture, without a model.

    What it can be asked: templates/program/src/blocks.cpp. Raises as ``build_program`` does.
    """
    render_program(spec, places.source, templates(spec, places.project))
    _configure(spec, places, toolchain, progress)
    drop_stale(places.build, "CMakeFiles/user*.dir/**/*.o")
    _ninja(spec, places, toolchain, ("blocks",), progress)
    return places.build / "blocks"


def templates(spec: ProgramSpec, project: Path) -> tuple[Path, ...]:
    """The templates that win, each: the project's own, then the user's, then the shipped one."""
    return tuple(
        next(
            place
            for layer in paths.layers("templates", project)
            if (place := layer / Path(name).name).is_dir()
        )
        for name in template_names(spec.form)
    )


def _configure(
    spec: ProgramSpec, places: Places, toolchain: Toolchain, progress: Callable[[str], None]
) -> None:
    """Run CMake for the first time; later, Ninja itself runs it again when one of its files changed."""
    maps = {places.project: "/user"}
    file = toolchain.cmake_toolchain_file(places.work / "toolchain", maps=maps, moves=places.work)
    libraries = ";".join(map(str, places.libraries))
    variables = {"EDGEPACK_PROJECT": str(places.project), "EDGEPACK_LIBRARIES": libraries}
    if places.runtime is None:
        variables["EDGEPACK_BLOCKS"] = "ON"
    else:
        variables["EDGEPACK_RUNTIME"] = str(places.runtime)
    words = (f"-D{name}={value}" for name, value in variables.items())
    argv = (*toolchain.configure(places.source, places.build, file), *words)
    compiler = [toolchain.name, toolchain.version, *toolchain.cxx]
    place = str(places.build)
    wanted = {"argv": list(argv), "compiler": compiler, "place": place}
    said = places.work / "configured.json"
    before = _configured(said)
    if before == wanted and (places.build / "build.ninja").is_file():
        return
    if before.get("compiler") != compiler or before.get("place") != place:
        # Ninja cannot see that the compiler behind the same wrapper is another one, and CMake refuses a
        # build folder that came here with a copied project.
        shutil.rmtree(places.build, ignore_errors=True)
    progress("configuring")
    _write_presets(places, toolchain, file, variables)
    said.unlink(missing_ok=True)
    done = run(command(*argv), log=places.log)
    if not done.ok:
        raise CompileError(
            f"CMake cannot configure {spec.name} for {spec.target}",
            where=str(places.log),
            why=f"it ended with {done.returncode}",
            fix=f"see the log, or remove {places.work} to start anew",
            detail=done.text().strip()[-2000:],
        )
    said.write_text(json.dumps(wanted))


def _configured(said: Path) -> dict[str, Any]:
    """How the build folder was configured, or nothing where that is not known for certain."""
    try:
        known = json.loads(said.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_presets(places: Places, toolchain: Toolchain, file: Path, variables: dict[str, str]) -> None:
    """What an editor needs to open the project with the target's compiler."""
    preset = {
        "name": "edgepack",
        "inherits": "base",
        "binaryDir": str(places.build),
        "toolchainFile": str(file),
        "cmakeExecutable": str(toolchain.cmake),
        "cacheVariables": {**variables, "CMAKE_MAKE_PROGRAM": str(toolchain.ninja)},
    }
    presets = {
        "version": 3,
        "configurePresets": [preset],
        "buildPresets": [{"name": "edgepack", "configurePreset": "edgepack"}],
    }
    (places.source / USER_PRESETS).write_text(json.dumps(presets, indent=2) + "\n")


def _ninja(
    spec: ProgramSpec,
    places: Places,
    toolchain: Toolchain,
    targets: tuple[str, ...],
    progress: Callable[[str], None],
) -> int:
    """Build ``targets``; the number of C++ files that were compiled. Raises CompileError."""
    compiled = 0

    def heard(line: str) -> None:
        nonlocal compiled
        step = _STEP.match(line)
        if step and "Building CXX object" in step[3]:
            compiled += 1
            progress(f"compiling {step[1]}/{step[2]}")

    # Errors in all of the user's files at once, not in the first that fails.
    words = (f"-j{len(os.sched_getaffinity(0))}", "-k0", *targets)
    ninja = command(toolchain.ninja, "-C", places.build, *words, env={"NINJA_STATUS": "[%f/%t] "})
    done = run_lines(ninja, heard, log=places.log)
    if not done.ok:
        origin = Origin(places.project, places.source, entries(spec))
        raise compile_error(done.text(), origin, places.log)
    return compiled


def _objects(places: Places) -> list[Path]:
    """The objects of this build, as CMake's own list of compile commands has them."""
    listed = json.loads((places.build / "compile_commands.json").read_text())
    return [places.build / item["output"] for item in listed]


def _archives(places: tuple[Path, ...]) -> list[Path]:
    return [archive for place in places for archive in sorted((place / "lib").glob("*.a"))]


def _name_build(spec: ProgramSpec, places: Places, toolchain: Toolchain, libraries: list[Path]) -> str:
    """Give the link its build-id: a digest of all that is linked, the same wherever it was compiled."""
    digest = hashlib.sha256()
    for part in (spec.target, spec.arch, toolchain.name, toolchain.version, *toolchain.flags.link):
        digest.update(part.encode() + b"\0")
    for path in (*_objects(places), *libraries):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    build_id = digest.hexdigest()[:40]
    words = f"-Wl,--build-id=0x{build_id}\n"
    response = places.build / "link.rsp"
    if not response.is_file() or response.read_text() != words:
        response.write_text(words)
    return build_id
