"""The small program of program_project.py, built once for all tests of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edgepack.compile.program import ProgramBuild
from tests.compile import program_project as tiny


@dataclass(frozen=True)
class Tiny:
    """project: the user's files. work: the build's folders. release: program, model and golden vectors."""

    project: Path
    work: Path
    release: Path
    built: ProgramBuild

    @property
    def program(self) -> Path:
        return self.built.program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    # A space, because users' folders have them.
    project = tiny.write_project(folder / "my project")
    work = folder / "work"
    built = tiny.build(project, work)
    release = work / "release"
    known = tiny.weights()
    tiny.write_model(release, known)
    tiny.write_golden(release / "golden", tiny.computed(tiny.images(5), known))
    return Tiny(project, work, release, built)
