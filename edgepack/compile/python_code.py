"""The project's Python in a bundle: its files, the worker, and the packages for the target's platform.

Packages are resolved and unpacked by uv, as wheels alone: nothing of them runs here, whichever the target is.
"""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from edgepack.catalog import paths
from edgepack.catalog.runtimes import glibc_floor
from edgepack.catalog.targets import Target
from edgepack.compile.errors import CompileError
from edgepack.compile.render import ProgramSpec, PythonSpec
from edgepack.errors import InputError, Problem, ToolError
from edgepack.manifest.project import Manifest, Project
from edgepack.manifest.python import SUFFIX
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
    check(project, target)
    lock = project.file(project.manifest.python.requirements)
    folder = packages(lock, spec.python.version, platform(target), log, say)
    worker = paths.template("program", project.folder) / "python" / "worker.py"
    found = {f"{PLACE}/worker.py": worker}
    found |= {f"{PLACE}/code/{file}": project.file(file) for file, _, _ in _entries(project.manifest)}
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


def asked_of_box(said: PythonSpec, target: Target) -> dict[str, str]:
    """For ``release.json``: what the deployer holds the box's Python to. Raises InputError."""
    return {"version": said.version, "program": said.program, "platform": platform(target)}


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
                fix=_anew(lock.name, version, place),
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


def check(project: Project, target: Target) -> None:
    """What ``files`` refuses, as far as shows without fetching: nothing where there is no Python.

    Raises CompileError and InputError as it does.
    """
    said = project.manifest.python
    if said is None:
        return
    for entry in _entries(project.manifest):
        _check_entry(project, *entry)
    try:
        place = platform(target)
    except InputError as error:
        error.where = f"edgepack.yaml:{project.document.line(('targets', target.id))}"
        raise
    lock = said.requirements
    _check_lock(project.file(lock), lock, _anew(lock, said.version, place))


def _anew(lock: str, version: str, place: str) -> str:
    return (
        "write the file anew: uv pip compile --generate-hashes --only-binary :all: "
        f"--python-version {version} --python-platform {place} requirements.in -o {lock}"
    )


def _entries(manifest: Manifest) -> tuple[tuple[str, str, bool], ...]:
    """File, function, and whether it takes an image: each step in Python once."""
    blocks = [*((block, True) for block in manifest.pre), *((block, False) for block in manifest.post)]
    found = [(b.code, b.entry, is_image) for b, is_image in blocks if b.code and b.code.endswith(SUFFIX)]
    return tuple(dict.fromkeys((code, entry or "", is_image) for code, entry, is_image in found))


def _check_entry(project: Project, file: str, entry: str, is_image: bool) -> None:
    """The function is there and can be read, as far as shows without running it. Raises CompileError."""
    try:
        tree = ast.parse(project.file(file).read_bytes(), file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
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


def _check_lock(lock: Path, name: str, fix: str) -> None:
    """Each package with version and digest, NumPy among them; the rest is uv's. Raises InputError."""
    text = lock.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
    problems, packages, line = [], set(), 1
    for logical in re.split(r"(?<!\\)\n", text):
        said = re.sub(r"(^|\s)#.*", "", logical.replace("\\\n", " ")).strip()
        package = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", said)
        if package:
            packages.add(re.sub(r"[-_.]+", "-", package[0]).lower())
            if not re.search(r"(==| @ ).*\s--hash[= ]", said):
                problems.append(Problem(f"{package[0]} is not pinned with its digest", name, line))
        elif said:
            packages.add("numpy")  # an option: what it brings is uv's to say
        line += logical.count("\n") + 1
    if not problems and "numpy" not in packages:
        problems.append(Problem("numpy is not in it: arrays go to your function as NumPy's", name))
    if problems:
        raise InputError(
            f"{name} does not pin the packages",
            where=name,
            fix=fix,
            problems=tuple(problems),
        )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
