"""From a compiler's or linker's output to what a user must know: their file, their line, what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from edgepack.compile.errors import CompileError
from edgepack.compile.render import Entry
from edgepack.errors import Problem

Place = tuple[str, int, int]  # file, line, column

SHOWN = 5  # errors beyond these are nearly always the first one's echo

_PLACE = r"(?P<file>[^\s:][^:\n]*):(?P<line>\d+)(?::(?P<column>\d+))?"
_MESSAGE = re.compile(rf"^{_PLACE}: (?P<kind>fatal error|error|note): (?P<text>.*)$")
_INCLUDED = re.compile(rf"^(?:In file included|\s+) from {_PLACE}[:,]")
_REQUIRED = re.compile(rf"^{_PLACE}:\s+required from")  # gcc's way to a template's user
_UNDEFINED = re.compile(r"undefined (?:symbol: |reference to [`'])(?P<symbol>[^\n'`]+)")
_DUPLICATE = re.compile(r"(?:duplicate symbol: |multiple definition of [`'])(?P<symbol>[^\n'`;]+)")


@dataclass(frozen=True)
class Diagnostic:
    """One error. file: as the compiler names it; column: 0 where it says none.

    excerpt: the source line and its caret. via: what led there: the users of a template, then the includes.
    """

    file: str
    line: int
    column: int
    message: str
    excerpt: str = ""
    via: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where the user's and the generated files lie, and what the user's must define."""

    project: Path
    generated: Path
    entries: tuple[Entry, ...] = ()


def parse(output: str) -> tuple[Diagnostic, ...]:
    """Every error that clang or gcc reported, in order; notes and includes become its ``via``."""
    found: list[Diagnostic] = []
    included: list[Place] = []
    required: list[Place] = []
    lines = output.splitlines()
    for i, line in enumerate(lines):
        if match := _INCLUDED.match(line):
            included.append(_place(match))
        elif match := _REQUIRED.match(line):
            required.append(_place(match))
        elif (match := _MESSAGE.match(line)) and match["kind"] != "note":
            excerpt = "\n".join(_excerpt(lines[i + 1 : i + 4]))
            via = (*required, *included)
            found.append(Diagnostic(*_place(match), match["text"], excerpt, via))
            included, required = [], []
        elif match and found:
            found[-1] = replace(found[-1], via=(_place(match), *found[-1].via))
    return tuple(found)


def _place(match: re.Match[str]) -> Place:
    return match["file"], int(match["line"]), int(match["column"] or 0)


def _excerpt(following: list[str]) -> list[str]:
    """The quoted source line and the caret under it: what stands before the next message."""
    kept = []
    for line in following:
        if _MESSAGE.match(line) or _INCLUDED.match(line) or not line.startswith(" "):
            break
        kept.append(line)
    return kept


def compile_error(output: str, origin: Origin, log: Path) -> CompileError:
    """What a failed build says, in the user's words: always an error to raise."""
    errors = parse(output)
    if errors:
        return _compiler_error(errors, origin, log)
    return _linker_error(output, origin) or CompileError(
        "the program could not be built",
        where=str(log),
        why="the build ended without an error that edgepack can read",
        fix="see the log",
        detail=_tail(output),
    )


def _compiler_error(errors: tuple[Diagnostic, ...], origin: Origin, log: Path) -> CompileError:
    theirs = [(e, place) for e in errors if (place := _in_project(e, origin)) is not None]
    if not theirs:
        first = errors[0]
        return CompileError(
            f"edgepack's own C++ does not compile: {first.message}",
            where=f"{_short(first.file, origin.generated)}:{first.line}",
            why="this is edgepack's fault, not your project's",
            fix=f"please report it, with {log}",
            detail=first.excerpt,
        )
    first, (file, line, column) = theirs[0]
    mismatch = _entry_mismatch(first, file, origin)
    return CompileError(
        mismatch or first.message,
        where=f"{file}:{line}" + (f":{column}" if column else ""),
        fix=f"correct {file}" + ("" if mismatch is None else ", or `entry` in edgepack.yaml"),
        why="" if mismatch is None else first.message,
        detail=first.excerpt,
        problems=tuple(Problem(e.message, place[0], place[1]) for e, place in theirs[:SHOWN]),
    )


def _in_project(error: Diagnostic, origin: Origin) -> Place | None:
    """Where in the user's own files an error lies, or what of theirs led to it."""
    for file, line, column in ((error.file, error.line, error.column), *error.via):
        path = Path(file)
        inside = path.is_absolute() and path.is_relative_to(origin.project)
        if inside and not path.is_relative_to(origin.generated):
            return path.relative_to(origin.project).as_posix(), line, column
    return None


def _entry_mismatch(error: Diagnostic, file: str, origin: Origin) -> str | None:
    """The sentence for a function that has the entry's name and parameters but returns something else."""
    declared = any(_short(via[0], origin.generated) == "src/entries.hpp" for via in error.via)
    if not declared:
        return None
    for entry in origin.entries:
        name = entry.name.rsplit("::", 1)[-1]
        if entry.file == file and re.search(rf"\b{re.escape(name)}\b", error.message + error.excerpt):
            return f"{file} does not define `{_qualified(entry)}`"
    return None


def _linker_error(output: str, origin: Origin) -> CompileError | None:
    missing = [m["symbol"].strip() for m in _UNDEFINED.finditer(output)]
    for entry in origin.entries:
        if any(symbol.split("(")[0].strip() == entry.name for symbol in missing):
            return CompileError(
                f"{entry.file} does not define `{_qualified(entry)}`",
                where=entry.file,
                why=f"edgepack.yaml names the entry `{entry.name}`, and the linker does not find it",
                fix="write it with exactly these types, outside any anonymous namespace and not static",
                detail=_tail(output),
            )
    twice = [m["symbol"].strip() for m in _DUPLICATE.finditer(output)]
    for symbols, what in ((missing, "is used and defined nowhere"), (twice, "is defined twice")):
        if symbols:
            return CompileError(
                f"`{symbols[0]}` {what}",
                why="the program compiles and does not link",
                fix="define it once in a file that edgepack.yaml names under `code`",
                detail=_tail(output),
            )
    return None


def _qualified(entry: Entry) -> str:
    bare = entry.name.rsplit("::", 1)[-1]
    return entry.signature.replace(f" {bare}(", f" {entry.name}(", 1)


def _short(file: str, folder: Path) -> str:
    path = Path(file)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else file


def _tail(output: str) -> str:
    """The tools' own last words, without Ninja's."""
    noise = ("[", "ninja:", "FAILED:", ": &&")
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith(noise)]
    return "\n".join(lines[-12:])
