"""What the building machine refuses, and who else is at work on it: told once, nothing half-built left."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgepack.cli.main import main
from edgepack.errors import Exit
from edgepack.tools.runner import command, run
from tests import digits
from tests.cli.told import BUILD, Cli, check, check_json, half_built, products
from tests.digits import TARGET, Digits, Said

pytestmark = pytest.mark.slow

# Root may write anywhere, unless it gives that up.
LESS = "--bounding-set=-dac_override,-dac_read_search,-fowner"
PLAIN_USER = ("setpriv", LESS, "--") if os.geteuid() == 0 else ()

OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount", "--")
ON_A_SMALL_DISK = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'


def test_no_compiler(project: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        said, as_json = cli(*BUILD, "--toolchain", "gcc"), cli(*BUILD, "--toolchain", "gcc", "--json")
    check(said, Exit.TOOL, "no aarch64-linux-gnu-g++", "sudo apt-get install g++-aarch64-linux-gnu")
    check_json(as_json, Exit.TOOL, "no aarch64-linux-gnu-g++")
    assert half_built(project) == []


@pytest.mark.parametrize(
    ("closed", "mode", "code", "place", "do"),
    [
        (".", 0o555, Exit.INPUT, "/digits", "make it writable"),
        ("dist", 0o555, Exit.TOOL, "/dist/digits@raspberry-pi-4", "make the folder writable"),
        (".edgepack", 0o500, Exit.INPUT, "/digits", "make it writable"),
        ("edgepack.yaml", 0o000, Exit.INPUT, "edgepack.yaml", "ls -ld"),
        ("model/lenet.onnx", 0o000, Exit.INPUT, "edgepack.yaml:", "ls -ld model/lenet.onnx"),
        ("data/golden.npz", 0o000, Exit.INPUT, "edgepack.yaml:", "ls -ld data/golden.npz"),
        ("src/post.cpp", 0o000, Exit.INPUT, "edgepack.yaml:", "ls -ld src/post.cpp"),
    ],
)
def test_no_permission(
    project: Digits, tmp_path: Path, closed: str, mode: int, code: int, place: str, do: str
) -> None:
    clone = digits.copy(tmp_path / "digits", project.kept)
    (clone.folder / "dist").mkdir()
    if closed == ".edgepack":
        (clone.folder / closed).mkdir()
    (clone.folder / closed).chmod(mode)
    said = clone.run(*BUILD, "-q", under=PLAIN_USER)
    (clone.folder / closed).chmod(0o755)
    check(said, code, "ermission denied", place, do)
    assert not any((clone.folder / "dist").iterdir())
    assert half_built(clone) == []
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main([*BUILD, "-C", str(clone.folder)]) == Exit.OK


def test_no_permission_in_the_cache(built: Digits, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    elsewhere = dataclasses.replace(built, kept=tmp_path / "closed")
    said = elsewhere.run(*BUILD, "-q", under=PLAIN_USER)
    check(said, Exit.TOOL, "does not let edgepack use", f"{tmp_path}/closed", "Permission denied", "ls -ld")


@pytest.mark.parametrize(
    ("full", "size"),
    [("dist", "64k"), ("store", "64k"), ("temporary", "1m"), (".edgepack", "64k"), (".edgepack", "400k")],
)
def test_full_disk(project: Digits, full: str, size: str) -> None:
    if not run(command(*OWN_MOUNTS, "true")).ok:
        pytest.skip("this kernel lets no plain user have mounts of its own")
    elsewhere = {"store": project.kept / "store", "temporary": project.temporary}
    place = elsewhere.get(full, project.folder / full)
    project.rewrite("edgepack.yaml", "version: 1.0.0", f"version: full-{size}-{full.strip('.')}")
    before = products(project)
    said = project.run(*BUILD, "-q", under=(*OWN_MOUNTS, "sh", "-c", ON_A_SMALL_DISK, "sh", size, str(place)))
    check(said, Exit.TOOL, "o space left on device", "do:")
    assert products(project) == before


def test_a_second_build_is_refused_and_ctrl_c_leaves_nothing(project: Digits, cli: Cli) -> None:
    project.rewrite("src/post.cpp", "#include <algorithm>", "#include <algorithm>  // changed")
    before = products(project)
    first = start(project, *BUILD, "--json")
    try:
        wait_for(lambda: any("src/post.cpp" in line for line in digits.processes(str(project.home)).values()))
        # Its compiler too, since what is stopped does not hear a SIGTERM.
        kill_all(project, signal.SIGSTOP)
        second = cli(*BUILD)
        check(second, Exit.LOCKED, "another build of this project is running", str(project.folder), "Ctrl-C")
        check_json(cli(*BUILD, "--json"), Exit.LOCKED)
        os.kill(first.pid, signal.SIGCONT)
        os.kill(first.pid, signal.SIGINT)
        out, err = first.communicate(timeout=60)
    except BaseException:
        kill_all(project, signal.SIGKILL)  # what is stopped would stay for ever
        first.communicate()
        for left in half_built(project):  # the project is other tests' too
            shutil.rmtree(left, ignore_errors=True)
        raise
    check_json(Said(first.returncode, out, err), Exit.INTERRUPTED, "goes on from there")
    assert digits.processes(str(project.home)) == {}
    assert products(project) == before
    assert half_built(project) == []
    again = project.said(*BUILD)
    assert sorted(again["ran"]) == [f"digits@{TARGET}/{stage}" for stage in ("compile", "package", "verify")]


def kill_all(project: Digits, sign: signal.Signals) -> None:
    for each in digits.processes(str(project.home)):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(each, sign)


def start(project: Digits, *words: str) -> subprocess.Popen[str]:
    build = project.command(*words)
    return subprocess.Popen(
        build.argv,
        cwd=build.cwd,
        env={**os.environ, **build.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(happened: Callable[[], bool], within_s: float = 120.0) -> None:
    until = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)
