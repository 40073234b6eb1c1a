"""Runs a recipe in its own environment: a JSON request in, files and a JSON report out.

An exit code is never trusted: the report must be there, and every file it names. The contract:
docs/design/recipes.md.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edgepack.catalog.recipes import Recipe, kit
from edgepack.convert.errors import AskedError, ConvertError, ConvertParityError, ModelError
from edgepack.errors import EdgepackError, ToolError
from edgepack.tools import uv
from edgepack.tools.runner import Command, Completed, command, run

MAX_REPORT_BYTES = 16 << 20


@dataclass(frozen=True)
class Request:
    """What to convert. ``out``: an empty folder that the recipe writes to; the rest as the contract says."""

    model: Path
    precision: str
    out: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    chip: str | None = None  # the target's; the recipe's own name for it is looked up
    target: str = ""
    calibration: Path | None = None
    quantisation: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class Simulation:
    """What to compute: ``model`` is a folder with what ``convert`` wrote, ``report`` what it said.

    trained, calibration: what ``convert`` was given; some simulators do not load what their tool wrote.
    """

    model: Path
    report: Mapping[str, Any]
    inputs: Path
    out: Path
    chip: str | None = None
    taps: tuple[str, ...] = ()
    trained: Path | None = None
    calibration: Path | None = None


@dataclass(frozen=True)
class Converted:
    """The files a recipe wrote, by their names in a release's ``model/``, and its report."""

    files: Mapping[str, Path]
    report: Mapping[str, Any]


def convert(
    recipe: Recipe,
    request: Request,
    log: Path,
    progress: Callable[[str], None],
    program: str = "convert.py",
) -> Converted:
    """Run the recipe. Raises ModelError, ConvertError, ConvertParityError or ToolError.

    program: another one of the recipe's, which has a function of its own name and takes the same request.
    """
    body = {
        "model": str(request.model.resolve()),
        "weights": str(request.weights.resolve()) if request.weights else None,
        "precision": request.precision,
        "chip": recipe.chip(request.chip),
        "target": request.target,
        "options": dict(request.options),
        "calibration": str(request.calibration.resolve()) if request.calibration else None,
        "quantisation": dict(request.quantisation),
        "keep": list(request.keep),
    }
    progress(f"{recipe.about.tool}, {request.precision}")
    return _run(recipe, program, body, _Asked(request.model.name, request.out, log), progress)


def simulate(recipe: Recipe, simulation: Simulation, log: Path, progress: Callable[[str], None]) -> Converted:
    """Compute a converted model on this host: one file, ``outputs.npz``. Raises as ``convert`` does."""
    body = {
        "model": str(simulation.model.resolve()),
        "report": dict(simulation.report),
        "inputs": str(simulation.inputs.resolve()),
        "chip": recipe.chip(simulation.chip),
        "taps": list(simulation.taps),
        "trained": str(simulation.trained.resolve()) if simulation.trained else None,
        "calibration": str(simulation.calibration.resolve()) if simulation.calibration else None,
    }
    progress(f"computing it with {recipe.gives_back}")
    return _run(recipe, "run.py", body, _Asked("the converted model", simulation.out, log), progress)


@dataclass(frozen=True)
class _Asked:
    """What a run is about, for its messages, and where its answer goes."""

    what: str
    out: Path
    log: Path


def _run(
    recipe: Recipe, program: str, body: Mapping[str, Any], asked: _Asked, progress: Callable[[str], None]
) -> Converted:
    check_needs(recipe)
    python = uv.environment(recipe.lock, recipe.about.python, progress)
    with tempfile.TemporaryDirectory(prefix="edgepack-convert-") as private:
        work = Path(private)
        request = {**body, "out": str(asked.out.resolve()), "work": str(work / "work")}
        (work / "work").mkdir()
        (work / "request.json").write_text(json.dumps(request))
        done = run(_command(recipe, python, program, work), log=asked.log)
    return _answer(recipe, asked, done)


def check_needs(recipe: Recipe) -> None:
    """Raises ToolError where a program that the recipe starts is not on this host."""
    for need in recipe.about.needs:
        if shutil.which(need.program) is None:
            raise ToolError(
                f"{recipe.id} needs {need.program} {need.version}".rstrip() + ", which is not here",
                where=f"recipes/{recipe.id}",
                why=f"{recipe.about.tool} starts it",
                fix=need.fix,
            )


def _command(recipe: Recipe, python: Path, program: str, work: Path) -> Command:
    """A private home, no environment of the user's, no network where the kernel allows that."""
    # No bytecode beside the recipe: nobody may be able to write there, and builds look at its folders' times.
    launch = (str(python), "-IB", str(kit() / "launch.py"))
    env = {
        "PATH": ":".join([str(python.parent), *_beside(recipe), "/usr/bin", "/bin"]),
        "HOME": str(work),
        "TMPDIR": str(work),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",  # for what the recipe itself starts
        "OMP_NUM_THREADS": "2",
    }
    return Command(
        (*without_network(), *launch, str(recipe.folder / program), str(work / "request.json")),
        cwd=work / "work",
        env=env,
        only_env=True,
        timeout_s=recipe.about.timeout_s,
        memory_mb=recipe.about.memory_mb,
    )


def _beside(recipe: Recipe) -> list[str]:
    """The folders of programs that the recipe starts and that lie elsewhere than usual."""
    found = [shutil.which(need.program) for need in recipe.about.needs]
    return [str(Path(place).parent) for place in found if place]


@functools.cache
def without_network() -> tuple[str, ...]:
    """Words before a command that runs it without a network; none where the kernel forbids that."""
    prefix = ("unshare", "--map-current-user", "--net", "--")
    if shutil.which("unshare") and run(command(*prefix, "true")).ok:
        return prefix
    return ()


def _answer(recipe: Recipe, asked: _Asked, done: Completed) -> Converted:
    if done.timed_out:
        raise AskedError(
            f"{recipe.id} did not finish in {recipe.about.timeout_s} s",
            where=asked.what,
            fix="convert a smaller model, or raise timeout_s in a copy of the recipe in your project",
        )
    try:
        raw = (asked.out / "report.json").read_bytes()[: MAX_REPORT_BYTES + 1]
        report = json.loads(raw)
    except (OSError, ValueError):
        raise _crashed(recipe, asked, done) from None
    if not isinstance(report, dict) or len(raw) > MAX_REPORT_BYTES:
        raise _crashed(recipe, asked, done)
    if not report.get("ok"):
        error = report.get("error")
        raise _told(recipe, asked, error if isinstance(error, dict) else {}, done)
    return Converted(_files(recipe, asked, report), report)


def _files(recipe: Recipe, asked: _Asked, report: Mapping[str, Any]) -> dict[str, Path]:
    names = [str(name) for name in report.get("files") or []]
    files = {}
    for name in names:
        path = asked.out / name
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        if not inside or path.is_symlink() or not path.is_file() or path.stat().st_size == 0:
            raise ConvertError(f"{recipe.id} says that it wrote {name}, and it did not", where=asked.what)
        files[name] = path
    if not files:
        raise ConvertError(f"{recipe.id} wrote no file", where=asked.what)
    return files


_KINDS: dict[str, type[EdgepackError]] = {
    "not-a-model": ModelError,
    "unsupported-input": ModelError,
    "unsupported-operator": ConvertError,
    "converter-failed": ConvertError,
    "missing-tool": ToolError,
    "parity": ConvertParityError,
}


def _told(recipe: Recipe, asked: _Asked, error: Mapping[str, Any], done: Completed) -> EdgepackError:
    """The recipe's own account of why not."""
    kind = _KINDS.get(str(error.get("kind")), ConvertError)
    why, fix = str(error.get("why") or ""), str(error.get("fix") or "")
    detail = str(error.get("detail") or "")
    for known in recipe.about.errors:
        if not fix and re.search(known.match, detail + done.text()):
            why, fix = why or known.why, known.fix
    return kind(
        str(error.get("what") or f"{recipe.id} failed"),
        where=asked.what,
        why=why,
        fix=fix,
        detail=detail[-2000:],
    )


def _crashed(recipe: Recipe, asked: _Asked, done: Completed) -> EdgepackError:
    """The tool died without an account: match its noise with the recipe's table."""
    text = done.text()
    why, fix = f"exit code {done.returncode}, and no report", f"its output is in {asked.log}"
    for known in recipe.about.errors:
        if re.search(known.match, text):
            why, fix = known.why, known.fix
            break
    return ConvertError(
        f"{recipe.id} failed", where=asked.what, why=why, fix=fix, detail=text.strip()[-1500:]
    )
