"""The project's Python in a bundle: its files, the worker, and the packages for the target's platform.

Packages are resolved and unpacked by uv, as wheels alone: nothing of them runs here, whichever the target is.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from edgepack.catalog import paths
from edgepack.catalog.runtimes import glibc_floor
from edgepack.catalog.targets import Target
from edgepack.compile.errors import CompileError
from edgepack.compile.render import ProgramSpec
from edgepack.errors import InputError, ToolError
from edgepack.manifest.project import Project
from edgepack.tools import cache, uv
from edgepack.tools.runner import command, run

PLACE = "lib/python"

_MARKER = ".edgepack-complete"
# What uv calls platforms, by the glibc that their wheels need; the newest that the target has is taken.
_GLIBCS = ("2.17", "2.28", "2.31", "2.34", "2.35", "2.36", "2.39")
_ARCHES = ("x86_64", "aarch64")


def files(
    project: Project, target: Target, spec: ProgramSpec, log: Path, say: Callable[[str], None]
) -> dict[str, Path]:
    """What lies beside the program, by its place in the release.

    Raises CompileError for Python that cannot be called, InputError for a target that packages cannot be had
    for, ToolError where the index does not give them.
    """
    if spec.python is None or project.manifest.python is None:
        return {}
    _check(project, spec)
    lock = project.file(project.manifest.python.requirements)
    folder = packages(lock, spec.python.version, platform(target), log, say)
    worker = paths.template("program", project.folder) / "python" / "worker.py"
    found = {f"{PLACE}/worker.py": worker}
    found |= {f"{PLACE}/code/{file}": project.file(file) for file, _, _ in spec.python_entries()}
    found |= {
        f"{PLACE}/site/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _MARKER
    }
    return found


def platform(target: Target) -> str:
    """What uv calls the target's: ``x86_64-manylinux_2_28``. Raises InputError."""
    floor = glibc_floor(target.libc)
    if target.arch not in _ARCHES or floor is None:
        raise InputError(
            f"no packages of Python for {target.id}",
            why=f"the index has wheels for {', '.join(_ARCHES)} with glibc",
            fix="write these steps as blocks or in C++",
        )
    had = [glibc for glibc in _GLIBCS if _numbers(glibc) <= _numbers(floor)]
    if not had:
        raise InputError(
            f"no packages of Python for {target.id}", why=f"its glibc {floor} is older than 2.17"
        )
    return f"{target.arch}-manylinux_{had[-1].replace('.', '_')}"


def packages(lock: Path, version: str, place: str, log: Path, say: Callable[[str], None]) -> Path:
    """The folder of what ``lock`` pins, for that Python and platform; made once. Raises ToolError."""
    digest = hashlib.sha256(f"{version} {place}\0".encode() + lock.read_bytes()).hexdigest()
    folder = cache.root() / "python" / digest[:32]
    with cache.locked(folder):
        if (folder / _MARKER).is_file():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        say(f"packages of Python {version} for {place}")
        which = ("--python-version", version, "--python-platform", place, "--only-binary", ":all:")
        how = ("--require-hashes", "--no-deps", "--no-compile-bytecode", "--link-mode", "copy")
        install = (uv.program(), "pip", "install", "--quiet", "--target", folder)
        done = run(command(*install, *which, *how, "-r", lock), log=log)
        if not done.ok:
            shutil.rmtree(folder, ignore_errors=True)
            raise ToolError(
                f"the packages for Python {version} on {place} cannot be had",
                where=str(lock),
                why="one has no wheel for it, is not pinned with its digest, or the index did not answer",
                fix="write the file anew: uv pip compile --generate-hashes --only-binary :all: "
                f"--python-version {version} --python-platform {place} requirements.in -o {lock.name}",
                detail=done.text().strip()[-2000:],
            )
        for left in ("bin", ".lock"):
            shutil.rmtree(folder / left, ignore_errors=True)
        (folder / ".lock").unlink(missing_ok=True)
        if not (folder / "numpy").is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            raise ToolError(
                f"{lock.name} has no numpy",
                where=str(lock),
                why="arrays go to your function as NumPy's",
                fix="add it to what the file is written from",
            )
        (folder / _MARKER).touch()
    return folder


def _check(project: Project, spec: ProgramSpec) -> None:
    """Each function is there and can be read, as far as shows without running it. Raises CompileError."""
    for file, entry, is_image in spec.python_entries():
        try:
            tree = ast.parse(project.file(file).read_bytes(), file)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            where = f"{file}:{line}" if line else file
            raise CompileError(
                f"{file} is not Python", where=where, why=str(error), fix=f"correct {file}"
            ) from error
        defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        wanted = 1 if is_image else 2
        found = defined.get(entry)
        told = "(image)" if is_image else "(outputs, record)"
        if found is None or len(found.args.args) + len(found.args.posonlyargs) != wanted:
            raise CompileError(
                f"{file} does not define `def {entry}{told}`",
                where=f"{file}:{found.lineno}" if found else file,
                why=f"edgepack.yaml names the entry `{entry}`",
                fix="write it with exactly these parameters, outside any class",
            )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
