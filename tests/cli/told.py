"""What a command told, and what it left: asserted in the same way for every mistake."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgepack.cli.main import main
from tests.digits import TARGET, Digits, Said

BUILD = ("build", TARGET)


@dataclass(frozen=True)
class Cli:
    """The command line in this process: what it says is caught."""

    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> Said:
        self.capture.readouterr()
        code = main(list(words))
        said = self.capture.readouterr()
        return Said(code, said.out, said.err)


def check(said: Said, code: int, *told: str) -> None:
    """One error, with everything that was to be told, and no more than one."""
    assert said.code == code, said
    for words in told:
        assert words in said.err, said.err
    assert sum(line.startswith("error: ") for line in said.err.splitlines()) == 1, said.err
    assert "Traceback" not in said.err
    assert "edgepack itself failed" not in said.err
    assert said.out == ""


def check_json(said: Said, code: int, *told: str) -> None:
    """The same error as one JSON object on stdout, with nothing beside it."""
    error: dict[str, Any] = said.json()
    assert (said.code, error["exit_code"], said.err) == (code, code, "")
    lines = [str(error[key]) for key in ("what", "where", "why", "fix", "detail")]
    for problem in error["problems"]:
        lines.append("{file}:{line} {path}: {message} {hint}".format(**problem))
    for words in told:
        assert words in "\n".join(lines)


def contents(folder: Path) -> dict[str, bytes]:
    """The user's own files, by name; not the many that no mistake is made in."""
    found = {}
    for place, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if name not in (".edgepack", "dist", "val", "train")]
        found.update({os.path.relpath(Path(place, n), folder): Path(place, n).read_bytes() for n in names})
    return found


def products(project: Digits) -> dict[str, bytes]:
    """What builds left for the user, by name."""
    bundles = [path for path in (project.folder / "dist").rglob("*") if path.is_file()]
    files = [*bundles, project.folder / "edgepack.lock"]
    return {str(path.relative_to(project.folder)): path.read_bytes() for path in files if path.exists()}


def half_built(project: Digits) -> list[Path]:
    """Files that only a step in the middle of its work should have."""
    state, results = project.folder / ".edgepack", project.kept / "store"
    unfinished = [*state.rglob("*.new"), *state.glob("quick.*"), *results.rglob(".new-*")]
    return [*unfinished, *project.temporary.iterdir()]
