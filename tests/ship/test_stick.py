"""A release in one file, installed on a box by busybox's shell alone: no network, the steps of a deploy."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.bundle import Bundle
from edgepack.observe.status import status
from edgepack.ship import stick
from edgepack.ship.deploy import DeployOptions, deploy
from edgepack.ship.errors import DeployError
from edgepack.ship.model_key import wrap
from edgepack.tools.runner import Command, Completed, command, run
from tests.box.boxsh import SHELLS, shells, until
from tests.model_keys import KEY, SOC
from tests.releases import APP, DIES, PASS, Program, bundle
from tests.ship.test_parcels import options, programs

__all__ = ["options", "programs"]
Install = Callable[..., Completed]


@pytest.fixture
def install(endpoint: Endpoint, tmp_path: Path) -> Install:
    """Runs a file's script on the box, as a person at its console would."""

    def installed(file: Path, *words: str, shell: str = "dash") -> Completed:
        argv = (*SHELLS[shell], str(file), *words, endpoint.root)
        return run(
            Command(
                argv, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, only_env=True, timeout_s=120
            )
        )

    return installed


def made(endpoint: Endpoint, of: Bundle, tmp_path: Path, **how: object) -> Path:
    file = tmp_path / "stick" / f"{of.version}.run"
    stick.write(endpoint, of, file, **how)  # type: ignore[arg-type]
    return file


def answers(endpoint: Endpoint, version: str) -> None:
    assert until(lambda: status(endpoint, APP).running and status(endpoint, APP).version == version)
    assert status(endpoint, APP).unconfirmed_s is None
    root = Path(endpoint.root)
    assert [p.name for p in [*root.glob("incoming/*"), *root.glob("lock*"), *root.glob(".stick*")]] == []


@pytest.mark.parametrize("shell", shells())
def test_a_release_comes_by_a_stick(endpoint: Endpoint, install: Install, tmp_path: Path, shell: str) -> None:
    file = made(endpoint, bundle(tmp_path / "1", Program(version="1")), tmp_path)
    check = install(file, "--check", shell=shell)
    assert (check.returncode, check.stdout.decode()) == (0, "it could be installed here\n"), check.text()
    assert not Path(endpoint.root).exists()
    done = install(file, shell=shell)
    assert done.ok, done.text()
    assert "the golden vectors" in done.text()
    answers(endpoint, "1")
    two = bundle(
        tmp_path / "2",
        Program(version="2", hooks={"after-switch": "#!/bin/sh\necho migrated\n", "healthy": "#!/bin/sh\n"}),
    )
    again = install(made(endpoint, two, tmp_path), shell=shell)
    assert again.ok, again.text()
    assert "  migrated" in again.text()
    assert "- the release's own probe" in again.text()
    answers(endpoint, "2")
    assert status(endpoint, APP).previous is not None
    assert [line.split()[1] for line in (Path(endpoint.root) / "journal").read_text().splitlines()][
        -1
    ] == "stick"


LIES = {**PASS, "ok": False}


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (Program(report=LIES), "does not compute on this box what was trained"),
        (Program(before_report="exit 139"), "does not compute on this box what was trained: exit 139"),
        (Program(report={**PASS, "samples": 1}), "does not compute"),
        (Program(each_round=DIES, health={"timeout": 4, "min_fps": 0}), "it ended by itself with 3"),
        (Program(fps=3.5, health={"timeout": 3, "min_fps": 25}), "did not show that it works in time"),
        (Program(hooks={"before-switch": "#!/bin/sh\nexit 1\n"}), "the hook before-switch failed"),
        (Program(hooks={"after-switch": "#!/bin/sh\nexit 1\n"}), "the hook after-switch failed"),
        (Program(arch="riscv64"), "the release is for riscv64, this box is"),
    ],
)
def test_what_does_not_hold_leaves_the_old_release(
    endpoint: Endpoint, install: Install, tmp_path: Path, program: Program, words: str
) -> None:
    one = deploy(endpoint, bundle(tmp_path / "1", Program(version="1")))
    bad = bundle(tmp_path / "2", dataclasses.replace(program, version="2"))
    done = install(made(endpoint, bad, tmp_path), shell="busybox" if "busybox" in shells() else "dash")
    assert (done.returncode, words in done.text()) == (1, True), done.text()
    answers(endpoint, "1")
    assert [p.name for p in Path(endpoint.root, "apps", APP, "releases").iterdir() if not p.suffix] == [
        one.release
    ]


LICENSED = """\
infer)
    [ "$2 ${4##*/}" = "--data no picture" ] || exit 2
    [ -s "$3/licence" ] || { echo "digits: there is no licence" >&2; exit 15; }
    exit 1 ;;
"""


def test_a_program_without_its_licence_is_not_switched_to(
    endpoint: Endpoint, install: Install, tmp_path: Path
) -> None:
    deploy(endpoint, bundle(tmp_path / "1", Program(version="1")))
    text = Program(version="2").script().decode().replace("run) data=", f"{LICENSED}run) data=", 1)
    of = bundle(tmp_path / "2", Program(version="2", text=text, licence={"keys": [], "required": True}))
    file = made(endpoint, of, tmp_path)
    refused = install(file, shell="busybox" if "busybox" in shells() else "dash")
    assert refused.returncode == 1
    assert "the program would not run: digits: there is no licence" in refused.text()
    assert "edgepack licence issue" in refused.text()
    assert "- switch" not in refused.text()
    answers(endpoint, "1")
    Path(endpoint.root, "apps", APP, "data", "licence").write_text("it is one\n")
    done = install(file)
    assert done.ok, done.text()
    answers(endpoint, "2")


def test_a_file_that_is_damaged_or_cut_changes_nothing(
    endpoint: Endpoint, install: Install, tmp_path: Path
) -> None:
    file = made(endpoint, bundle(tmp_path / "1"), tmp_path)
    whole = file.read_bytes()
    for broken in (whole[:-1000], whole[:-600] + bytes([whole[-600] ^ 1]) + whole[-599:]):
        file.write_bytes(broken)
        done = install(file)
        assert (done.returncode, "this file is damaged" in done.text()) == (1, True), done.text()
        assert not Path(endpoint.root).exists()


@pytest.mark.slow
def test_since_a_release_only_the_differences_are_in_the_file(
    endpoint: Endpoint, install: Install, tmp_path: Path, options: DeployOptions
) -> None:
    weights = os.urandom(300_000)
    one = bundle(tmp_path / "1", Program(version="1", weights=weights))
    first = deploy(endpoint, one, options)
    two = bundle(tmp_path / "2", Program(version="2", weights=weights[:-1000] + bytes(1000)))
    with pytest.raises(DeployError, match="fits 0 releases"):
        stick.write(endpoint, two, tmp_path / "x", since="f" * 12, tools=options.tools)
    file = tmp_path / "2.run"
    written = stick.write(endpoint, two, file, since=first.release[:12], tools=options.tools)
    assert options.tools is not None
    helper = options.tools.helper().stat().st_size
    assert (written.kind, written.since) == ("parcels", first.release)
    assert file.stat().st_size == written.size < helper + 150_000
    done = install(file)
    assert done.ok, done.text()
    answers(endpoint, "2")
    elsewhere = dataclasses.replace(endpoint, root=str(tmp_path / "other"))
    refused = run(command("sh", file, elsewhere.root))
    assert (refused.returncode, "was made for a box that has release" in refused.text()) == (1, True)
    assert not Path(elsewhere.root).exists()


def test_its_script_passes_shellcheck(endpoint: Endpoint, tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck here")
    text = made(endpoint, bundle(tmp_path / "1"), tmp_path).read_bytes().partition(b'\nmain "$@"\nexit\n')[0]
    place = tmp_path / "stick.sh"
    place.write_bytes(text + b'\nmain "$@"\n')
    done = run(command("shellcheck", "-s", "sh", place))
    assert done.ok, done.text()


def test_the_key_of_an_encrypted_model_goes_along(
    endpoint: Endpoint, install: Install, tmp_path: Path
) -> None:
    of = bundle(tmp_path / "1", Program(encryption={"key": KEY.id, "device": "any"}))
    without = install(made(endpoint, of, tmp_path))
    assert without.returncode == 1
    assert f"the model is encrypted, and its key {KEY.id} is not on this box" in without.text()
    assert not (Path(endpoint.root) / "apps").exists()

    line = wrap(KEY, APP, SOC)
    check = install(made(endpoint, of, tmp_path, model_key=line), "--check")
    assert check.returncode == 0, check.text()
    done = install(made(endpoint, of, tmp_path, model_key=line))
    assert done.returncode == 0, done.text()
    file = Path(endpoint.root) / "apps" / APP / "data" / "keys" / KEY.id
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{line}\n", 0o600)
    # From now on the box has it.
    again = install(made(endpoint, of, tmp_path))
    assert again.returncode == 0, again.text()
