"""ncnn from its pinned source release: one static library per processor, layer tier and toolchain."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from edgepack.catalog.ncnn_build import SOURCE, VERSION, NcnnSpec, options
from edgepack.compile.errors import CompileError
from edgepack.compile.toolchains.select import opened
from edgepack.compile.toolchains.site import Site
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.tools import cache, sdist
from edgepack.tools.runner import Command, command, run, run_lines

__all__ = ["NcnnSpec", "build_ncnn"]

_PROJECT = Path(__file__).with_suffix(".cmake")
_STEP = re.compile(r"\[(\d+)/(\d+)\]")


def build_ncnn(
    spec: NcnnSpec,
    dest: Path,
    log: Path,
    progress: Callable[[str], None],
    project: Path | None = None,
) -> None:
    """Build the library of ``spec`` into ``dest``, which must not exist yet and appears when complete.

    Leaves ``dest/include/ncnn/*.h``, ``dest/lib/libncnn.a`` and ``dest/ncnn-build.json``; the toolchain's
    own libraries are made too, where it still has to. What an interrupted build has compiled is kept in
    the cache and not compiled again. ``progress`` gets lines like ``ncnn aarch64: 37/210``. project: whose
    nodes are meant, where one compiles. Raises
    ToolError where the toolchain or the source cannot be had, CompileError where ncnn does not compile.
    """
    work = cache.root() / "building" / f"ncnn-{spec.arch}-{spec.key()[:16]}"
    with cache.locked(work):
        if dest.exists():
            return
        source = sdist.unpack(SOURCE, progress)
        site = Site((work,), (source,), project)
        with opened(spec.toolchain, spec.arch, site, spec.cpu, progress, spec.glibc) as tool:
            _compile(spec, tool, source, work, log, progress)
            _collect(spec, tool, source, work, dest)
        shutil.rmtree(work, ignore_errors=True)


def _compile(
    spec: NcnnSpec, tool: Toolchain, source: Path, work: Path, log: Path, progress: Callable[[str], None]
) -> None:
    build = work / "build"
    project = _project(work / "project")
    where = tool.cmake_toolchain_file(work / "toolchain", maps={source: "/ncnn"})
    if not (build / "build.ninja").is_file():
        progress(f"ncnn {spec.arch}: configuring")
        shutil.rmtree(build, ignore_errors=True)
        words = [f"-D{name}={value}" for name, value in options(spec).items()]
        words += [f"-DEDGEPACK_NCNN={source}", f"-DCMAKE_INSTALL_PREFIX={work / 'installed'}"]
        argv = (*tool.configure(project, build, where), "-DCMAKE_INSTALL_LIBDIR=lib", "-Wno-dev")
        _checked(command(*argv, *words), spec, log)
    quiet = command(tool.ninja, "-C", build, f"-j{_jobs()}", "ncnn/all", env={"NINJA_STATUS": "[%f/%t] "})
    done = run_lines(quiet, lambda line: _report(line, spec, progress), log=log)
    if not done.ok:
        raise CompileError(
            f"ncnn does not compile for {spec.arch}",
            where=str(log),
            why="the toolchain refused its source: edgepack's pins and this host do not fit together",
            fix="see the log; the other toolchain may do: 'toolchain: gcc' or 'toolchain: zig'",
            detail=_errors(done.text()),
        )
    shutil.rmtree(work / "installed", ignore_errors=True)
    _checked(command(tool.cmake, "--install", build), spec, log)


def _project(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_PROJECT, folder / "CMakeLists.txt")
    return folder


def _checked(cmd: Command, spec: NcnnSpec, log: Path) -> None:
    done = run(cmd, log=log)
    if not done.ok:
        raise CompileError(
            f"CMake cannot configure ncnn for {spec.arch}",
            where=str(log),
            why=f"{Path(cmd.argv[0]).name} ended with {done.returncode}",
            fix="see the log",
            detail=done.text().strip()[-2000:],
        )


def _report(line: str, spec: NcnnSpec, progress: Callable[[str], None]) -> None:
    step = _STEP.match(line)
    if step:
        progress(f"ncnn {spec.arch}: {step[1]}/{step[2]}")


def _collect(spec: NcnnSpec, tool: Toolchain, source: Path, work: Path, dest: Path) -> None:
    """Copy what was installed beside ``dest``, and give it its name when it is whole."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_name(f".{dest.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    installed = work / "installed"
    shutil.copytree(installed / "include", part / "include")
    (part / "lib").mkdir()
    shutil.copy2(installed / "lib" / "libncnn.a", part / "lib" / "libncnn.a")
    shutil.copy2(source / "LICENSE.txt", part / "LICENSE.txt")
    about = {
        "ncnn": VERSION,
        "source": asdict(SOURCE),
        "spec": asdict(spec),
        "key": spec.key(),
        "toolchain": {"name": tool.name, "version": tool.version},
    }
    (part / "ncnn-build.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    part.rename(dest)


def _errors(text: str) -> str:
    """The compiler's own errors out of a build's output; its end where there are none."""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if "error:" in line or line.startswith("FAILED")), None)
    kept = lines[-20:] if first is None else lines[first : first + 20]
    return "\n".join(kept)


def _jobs() -> int:
    return len(os.sched_getaffinity(0))
