"""Runs a recipe in its own environment: a JSON request in, files and a JSON report out.

An exit code is never trusted: the report must be there, and every file it names.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgepack.catalog.recipes import Recipe
from edgepack.convert.errors import ConvertError, ConvertParityError, ModelError
from edgepack.errors import EdgepackError
from edgepack.tools import uv
from edgepack.tools.runner import Command, Completed, command, run

MAX_REPORT_BYTES = 4 << 20


@dataclass(frozen=True)
class Request:
    """What to convert. ``out`` is an empty folder that the recipe writes to."""

    model: Path
    precision: str
    out: Path
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Converted:
    """The files a recipe wrote, by their names in a release's ``model/``, and its report."""

    files: Mapping[str, Path]
    report: Mapping[str, Any]


def convert(recipe: Recipe, request: Request, log: Path, progress: Callable[[str], None]) -> Converted:
    """Run the recipe. Raises ModelError, ConvertError, ConvertParityError or ToolError."""
    python = uv.environment(recipe.lock, recipe.about.python, progress)
    progress(f"{recipe.about.tool}, {request.precision}")
    with tempfile.TemporaryDirectory(prefix="edgepack-convert-") as private:
        work = Path(private)
        body = {
            "model": str(request.model.resolve()),
            "precision": request.precision,
            "options": dict(request.options),
            "out": str(request.out),
        }
        (work / "request.json").write_text(json.dumps(body))
        done = run(_command(recipe, python, work), log=log)
    return _answer(recipe, request, done, log)


def _command(recipe: Recipe, python: Path, work: Path) -> Command:
    """A private home, no environment of the user's, no network where the kernel allows that."""
    argv = (str(python), "-I", str(recipe.folder / "convert.py"), str(work / "request.json"))
    env = {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(work),
        "TMPDIR": str(work),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "2",
    }
    return Command(
        (*_without_network(), *argv),
        cwd=work,
        env=env,
        only_env=True,
        timeout_s=recipe.about.timeout_s,
        memory_mb=recipe.about.memory_mb,
    )


@functools.cache
def _without_network() -> tuple[str, ...]:
    prefix = ("unshare", "--map-current-user", "--net", "--")
    if shutil.which("unshare") and run(command(*prefix, "true")).ok:
        return prefix
    return ()


def _answer(recipe: Recipe, request: Request, done: Completed, log: Path) -> Converted:
    report_file = request.out / "report.json"
    if done.timed_out:
        raise ConvertError(
            f"{recipe.id} did not finish in {recipe.about.timeout_s} s",
            where=request.model.name,
            fix="convert a smaller model, or raise timeout_s in a copy of the recipe in your project",
        )
    try:
        raw = report_file.read_bytes()[: MAX_REPORT_BYTES + 1]
        report = json.loads(raw)
    except (OSError, ValueError):
        raise _known(recipe, request, done, log) from None
    if not isinstance(report, dict) or len(raw) > MAX_REPORT_BYTES:
        raise _known(recipe, request, done, log)
    if not report.get("ok"):
        raise _told(recipe, request, report.get("error") or {}, done)
    return Converted(_files(recipe, request, report), report)


def _files(recipe: Recipe, request: Request, report: Mapping[str, Any]) -> dict[str, Path]:
    names = [str(name) for name in report.get("files") or []]
    files = {}
    for name in names:
        path = request.out / name
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        if not inside or path.is_symlink() or not path.is_file() or path.stat().st_size == 0:
            raise ConvertError(
                f"{recipe.id} says that it wrote {name}, and it did not", where=request.model.name
            )
        files[name] = path
    if not files:
        raise ConvertError(f"{recipe.id} wrote no file", where=request.model.name)
    return files


_KINDS: dict[str, type[EdgepackError]] = {
    "not-a-model": ModelError,
    "unsupported-input": ModelError,
    "unsupported-operator": ConvertError,
    "converter-failed": ConvertError,
    "parity": ConvertParityError,
}


def _told(recipe: Recipe, request: Request, error: Mapping[str, Any], done: Completed) -> EdgepackError:
    """The recipe's own account of why not."""
    kind = _KINDS.get(str(error.get("kind")), ConvertError)
    why, fix = str(error.get("why") or ""), str(error.get("fix") or "")
    detail = str(error.get("detail") or "")
    for known in recipe.about.errors:
        if not fix and re.search(known.match, detail + done.text()):
            why, fix = why or known.why, known.fix
    return kind(
        str(error.get("what") or f"{recipe.id} failed"),
        where=request.model.name,
        why=why,
        fix=fix,
        detail=detail[-2000:],
    )


def _known(recipe: Recipe, request: Request, done: Completed, log: Path) -> EdgepackError:
    """The tool died without an account: match its noise with the recipe's table."""
    text = done.text()
    why, fix = f"exit code {done.returncode}, and no report", f"its output is in {log}"
    for known in recipe.about.errors:
        if re.search(known.match, text):
            why, fix = known.why, known.fix
    return ConvertError(
        f"{recipe.id} failed", where=request.model.name, why=why, fix=fix, detail=text.strip()[-1500:]
    )
