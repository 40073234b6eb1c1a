"""The gcc of a box, over SSH: the program of this host's own gcc, and nothing left on the box."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.catalog.architectures import architecture
from edgepack.catalog.toolchains import elsewhere
from edgepack.compile import hardening
from edgepack.compile.toolchains import node, told
from edgepack.compile.toolchains.elsewhere import Facts, Wanted
from edgepack.compile.toolchains.select import opened, toolchain
from edgepack.compile.toolchains.site import Site
from edgepack.errors import ToolError
from edgepack.manifest import project as manifest
from edgepack.sandbox import box
from edgepack.tools import qemu
from edgepack.tools.runner import command, run
from tests.compile.test_elsewhere import project as digits
from tests.compile.test_toolchains import PROJECT, SAID, answer, compiled, digest

HOST = qemu.host_arch()
WITHIN_S = 120.0
BUILD = re.compile(r"edgepack-\w{8}")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose fleet has a box: a sandbox, which has this host's own gcc."""
    try:
        toolchain("gcc", HOST)
    except ToolError:
        pytest.skip("there is no gcc on this host")
    folder = tmp_path_factory.mktemp("it's a project") / "digits"
    digits(folder, "{node: edge-01}")
    up = box.up(folder, "edge-01", HOST, HOST, lambda *_: None, "builtin")
    about = {"target": HOST, "address": "127.0.0.1", "port": up.port, "user": up.user}
    about |= {"identity": str(up.identity), "host_key": up.host_key}
    (folder / "fleet.yaml").write_text(json.dumps({"nodes": {"edge-01": about}}))
    yield folder
    box.down(folder, "edge-01")


def wanted(word: str = "node:edge-01") -> Wanted:
    named = elsewhere(word)
    assert named is not None
    return Wanted(named, architecture(HOST), None, "")


def left(project: Path) -> list[Path]:
    """What lies on the box of any build."""
    found = os.walk(project / ".edgepack" / "sandbox")  # which goes on where a folder goes away under it
    return sorted(Path(top, name) for top, names, _ in found for name in names if BUILD.fullmatch(name))


def until_nothing_is_left(project: Path) -> None:
    end = time.monotonic() + WITHIN_S
    while left(project):
        assert time.monotonic() < end, left(project)
        time.sleep(0.05)


def test_its_program_is_that_of_the_same_gcc_here(project: Path, tmp_path: Path) -> None:
    facts = node.ask(wanted(), project)
    with opened(f"node:edge-01={facts.identity}", HOST, Site((tmp_path / "a",), (), project)) as tool:
        made = compiled(tool, tmp_path / "a")
        assert len(left(project)) == 1
    assert left(project) == []
    assert answer(made, HOST) == SAID
    hardening.check(made)
    assert digest(made) == digest(compiled(toolchain("gcc", HOST), tmp_path / "b"))


def test_what_a_compiler_says_is_of_this_hosts_files(project: Path, tmp_path: Path) -> None:
    source = tmp_path / "build" / "source"
    source.mkdir(parents=True)
    (source / "CMakeLists.txt").write_text(PROJECT)
    (source / "main.cpp").write_text('#include "mine.hpp"\nint main() { return missing; }\n')
    (source / "mine.hpp").write_text("int mine();\n")
    with node.opened(wanted(), Site((tmp_path / "build",), (), project), lambda _line: None) as tool:
        file = tool.cmake_toolchain_file(tmp_path / "build" / "toolchain")
        configured = run(command(*tool.configure(source, tmp_path / "build" / "b", file)))
        assert configured.ok, configured.text()
        made = run(command(tool.ninja, "-C", tmp_path / "build" / "b"))
        assert not made.ok
        assert f"{source}/main.cpp:2:21: error:" in made.text()
        (source / "main.cpp").write_text('#include "mine.hpp"\nint mine() { return 0; }\nint main() {}\n')
        assert run(command(tool.ninja, "-C", tmp_path / "build" / "b")).ok
        said = run(command(tool.ninja, "-C", tmp_path / "build" / "b", "-t", "deps")).stdout.decode()
        assert f"    {source}/mine.hpp" in said.splitlines()
        assert (
            run(command(tool.ninja, "-C", tmp_path / "build" / "b", "-n")).text().endswith("no work to do.\n")
        )


def test_another_compiler_than_was_written_down_is_refused(project: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(
            ToolError, match=r"edge-01 has another compiler than toolchain\.lock\.json says"
        ) as refused,
        opened("node:edge-01=gcc-4.8", HOST, Site((tmp_path,), (), project)),
    ):
        pass
    assert "remove `node:edge-01`" in refused.value.fix
    with pytest.raises(ToolError, match="no gcc for") as refused:
        node.ask(wanted("node:edge-01#no-such-gcc"), project)
    assert "apt-get install g++" in refused.value.fix


def test_what_it_is_is_asked_once_and_written_down(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = manifest.load(project)
    if HOST != "x86_64":
        pytest.skip("the example names a compiler for x86_64 alone")
    told.record(given, ("x86_64", "aarch64"))
    (word,) = told.told(given, ("x86_64", "aarch64")).values()
    assert word == f"node:edge-01={node.ask(wanted(), project).identity}"

    def never(_wanted: Wanted, _project: Path) -> Facts:
        raise AssertionError("it is asked again")

    monkeypatch.setattr(node, "ask", never)
    told.record(given, ("x86_64",))


HOLD = """\
import sys
from pathlib import Path
from tests.compile.test_node import wanted
from edgepack.compile.toolchains import node
from edgepack.compile.toolchains.site import Site
with node.opened(wanted(), Site((Path(sys.argv[2]),), (), Path(sys.argv[1])), print) as tool:
    print("open", flush=True)
    sys.stdin.read()
    raise ValueError("the build failed")
"""


@pytest.mark.parametrize("how", ["fails", "is interrupted", "is killed"])
def test_nothing_is_left_on_the_box_whatever_becomes_of_the_build(
    project: Path, tmp_path: Path, how: str
) -> None:
    words = [sys.executable, "-c", HOLD, str(project), str(tmp_path / "build")]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    ) as build:
        assert build.stdin is not None
        assert build.stdout is not None
        assert any(line == b"open\n" for line in build.stdout)
        (folder,) = left(project)
        assert (folder / ".edgepack").is_dir()
        if how == "fails":
            build.stdin.close()
        else:
            build.send_signal(signal.SIGINT if how == "is interrupted" else signal.SIGKILL)
        assert build.wait(WITHIN_S) != 0
    until_nothing_is_left(project)


def test_a_link_that_breaks_is_told_as_such(project: Path, tmp_path: Path) -> None:
    from edgepack.box.errors import UnreachableError

    def build() -> None:
        site = Site((tmp_path / "build",), (), project)
        with node.opened(wanted(), site, lambda _line: None) as tool:
            box.down(project, "edge-01")
            done = run(command(*tool.cc, "-c", "a.c", cwd=tmp_path / "build"))
            assert done.returncode == 255
            raise ToolError("the build ended without an error that edgepack can read")

    with pytest.raises(UnreachableError, match="the connection to the node broke"):
        build()
