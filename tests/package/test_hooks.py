"""The script that asks a program's `/healthz` before a release is confirmed, run as a box runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from edgepack.manifest.project import load
from edgepack.package import hooks
from edgepack.tools.runner import command, run
from tests.box.boxsh import SHELLS, shells
from tests.digits import EXAMPLE

OWN = "#!/bin/sh\necho its own\nexit {code}\n"
PROGRAM = '#!/bin/sh\necho "$@"\nexit {code}\n'


def release(folder: Path, program: int, own: int | None) -> list[str]:
    """A release's folder as it lies on a box; returns the names of its hooks and their seconds."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("dist", ".edgepack"), dirs_exist_ok=True)
    body = yaml.safe_load((folder / "edgepack.yaml").read_text())
    body |= {"metrics": {"port": 9100}, "health": {"metrics": True}}
    if own is not None:
        body["hooks"] = {"healthy": {"file": "probe.sh", "timeout": 7}}
        (folder / "probe.sh").write_text(OWN.format(code=own))
    (folder / "edgepack.yaml").write_text(yaml.safe_dump(body))
    project = load(folder)
    made = hooks.files(project)
    for path, content in made.items():
        file = folder / "release" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(content.source, bytes)
        file.write_bytes(content.source)
        file.chmod(content.mode)
    bin_ = folder / "release" / "bin"
    bin_.mkdir()
    (bin_ / "digits").write_text(PROGRAM.format(code=program))
    (bin_ / "digits").chmod(0o755)
    return [f"{name} {seconds}" for name, seconds in hooks.seconds(project.manifest).items()]


@pytest.mark.parametrize("shell", shells())
@pytest.mark.parametrize(
    ("program", "own", "code", "says_own", "seconds"),
    [
        (0, None, 0, False, 10),
        (1, None, 1, False, 10),
        (0, 0, 0, True, 17),
        (0, 3, 3, True, 17),
        (1, 0, 1, False, 17),
    ],
)
def test_the_program_is_asked_and_then_the_project_s_own_probe(
    tmp_path: Path, shell: str, program: int, own: int | None, code: int, says_own: bool, seconds: int
) -> None:
    assert release(tmp_path, program, own) == [f"healthy {seconds}"]
    env = {
        "EDGEPACK_RELEASE": str(tmp_path / "release"),
        "EDGEPACK_DATA": "/the data",
        "PATH": "/usr/bin:/bin",
    }
    done = run(command(*SHELLS[shell], tmp_path / "release" / "hooks" / "healthy", env=env))
    said = done.stdout.decode().splitlines()
    assert said == ["health --metrics --data /the data", *(["its own"] if says_own else [])]
    assert done.returncode == code
