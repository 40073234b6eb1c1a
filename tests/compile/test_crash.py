"""A crash is told of with its place, whatever kind it is, and the program ends as it would have."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgepack.catalog.paths import data
from edgepack.compile.render import TEMPLATE
from edgepack.compile.toolchains.select import toolchain
from edgepack.debug.crashes import Told
from edgepack.tools import qemu
from edgepack.tools.runner import command, run
from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny

pytestmark = pytest.mark.slow

PATIENCE_S = 120
HERE = Path(__file__).parent
BUILD_ID = "00112233445566778899aabbccddeeff00112233"

# Architectures whose compilers turn `__builtin_trap` into a breakpoint.
TRAPS = {"aarch64": signal.SIGTRAP}


@pytest.fixture(autouse=True)
def no_cores() -> Iterator[None]:
    """Nothing to look at later, and gigabytes of it."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@dataclass(frozen=True)
class Ended:
    """code: minus the signal, as Python has it. lines: of the crash, as `edgepack logs` shows them."""

    code: int
    lines: list[str]
    raw: list[str]

    def functions(self) -> list[str]:
        """In the frames' order, inlined ones too."""
        told = [line for line in self.lines if line.startswith(("crash: frame program+", "crash:   inlined"))]
        return [line.split(" ", 5 if "inlined into" in line else 3)[-1].split(", ")[0] for line in told]


def crash(argv: list[str | Path], debug: Path) -> Ended:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    raw = [line for line in done.stderr.splitlines() if line.startswith("crash: ")]
    told = Told(lambda _: debug, "")
    return Ended(done.returncode, [shown for line in raw for shown in told.lines(line)], raw)


# The driver: all kinds of crashes, on each architecture


@pytest.fixture(scope="module")
def driver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, list[str]]:
    """Architecture, program, and what runs it here."""
    arch = request.param
    tool = toolchain("zig", arch)
    parts = [data(TEMPLATE) / "src" / f"{name}.cpp" for name in ("crash", "crash_frames", "crash_threads")]
    program = tmp_path_factory.mktemp(f"crash-{arch}") / "crashes"
    words = (
        *tool.flags.compile,
        *tool.flags.release,
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pthread",
    )
    argv = (*tool.cxx, *words, *tool.flags.link, "-Wl,--wrap=pthread_create", f"-I{data(TEMPLATE) / 'src'}")
    made = run(command(*argv, *parts, HERE / "crash_driver.cpp", "-o", program, cwd=Path("/"), env=tool.env))
    assert made.ok, made.text()
    if arch == qemu.host_arch():
        return arch, program, []
    emulator = qemu.find(arch) or qemu.fetch(arch, print)
    return arch, program, [str(emulator)]


FOREIGN = [pytest.param(arch, marks=pytest.mark.heavy) for arch in qemu.NAMES if arch != qemu.host_arch()]
every_arch = pytest.mark.parametrize("driver", [qemu.host_arch(), *FOREIGN], indirect=True)


def signal_of(kind: str, arch: str) -> signal.Signals:
    if kind == "abort":
        return signal.SIGABRT
    return TRAPS.get(arch, signal.SIGILL) if kind == "trap" else signal.SIGSEGV


# What is planted → the functions that the frames begin with.
PLANTED = {
    "null": ["planted::null_pointer", "planted::plant", "main"],
    "trap": ["planted::plant", "main"],
    "called": ["planted::plant", "main"],
    "thread": ["planted::null_pointer", "planted::plant"],
}


@every_arch
def test_each_kind_names_its_place_and_ends_by_its_signal(driver: tuple[str, Path, list[str]]) -> None:
    arch, program, before = driver
    for kind, expected in PLANTED.items():
        ended = crash([*before, program, kind], program)
        number = signal_of(kind, arch)
        assert ended.code == -number, (kind, ended)
        begin = f"crash: begin build-id={BUILD_ID} signal={number.name} number={number.value} code="
        assert ended.raw[0].startswith(begin), kind
        assert ended.raw[-1] == "crash: end", kind
        functions = ended.functions()
        assert functions[: len(expected)] == expected, (kind, ended.lines)
    assert ended.lines[1].endswith("tests/compile/crash_driver.cpp:21")


@every_arch
def test_an_abort_is_told_with_the_way_to_it(driver: tuple[str, Path, list[str]]) -> None:
    _, program, before = driver
    ended = crash([*before, program, "abort"], program)
    assert ended.code == -signal.SIGABRT
    assert " signal=SIGABRT number=6 from=" in ended.raw[0]
    functions = ended.functions()
    assert functions.index("abort") < functions.index("planted::plant") < functions.index("main")


@every_arch
@pytest.mark.parametrize("kind", ["deep", "deep thread"])
def test_a_stack_that_ran_out_is_told_of_with_its_ends(
    driver: tuple[str, Path, list[str]], kind: str
) -> None:
    _, program, before = driver
    ended = crash([*before, program, kind], program)
    assert ended.code == -signal.SIGSEGV
    assert sum(line.startswith("crash: frame ") for line in ended.raw) == 40
    (skipped,) = (line for line in ended.raw if line.startswith("crash: skipped "))
    assert int(skipped.split()[-1]) > 1000
    functions = ended.functions()
    assert "planted::deeper" in functions[:2]  # or memset, called by it
    assert functions.index("planted::plant") > 30, "what it began with is told, too"


@every_arch
def test_a_damaged_stack_neither_hides_the_crash_nor_crashes_the_handler(
    driver: tuple[str, Path, list[str]],
) -> None:
    _, program, before = driver
    ended = crash([*before, program, "damaged"], program)
    assert -ended.code in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL)
    assert ended.raw[0].startswith(f"crash: begin build-id={BUILD_ID} ")
    assert ended.raw[-1] == "crash: end"


@every_arch
def test_of_four_threads_that_crash_at_once_one_is_told_of(driver: tuple[str, Path, list[str]]) -> None:
    _, program, before = driver
    for _ in range(5):
        ended = crash([*before, program, "four"], program)
        assert ended.code in (-signal.SIGSEGV, -signal.SIGABRT)
        assert ended.raw[0].startswith("crash: begin ")
        assert [line for line in ended.raw if line.startswith(("crash: begin", "crash: end"))] == [
            ended.raw[0],
            "crash: end",
        ]


@every_arch
def test_the_stages_last_times_are_told_the_latest_first(driver: tuple[str, Path, list[str]]) -> None:
    _, program, before = driver
    (stage,) = (line for line in crash([*before, program, "null"], program).raw if "stage" in line)
    words = stage.split()
    times = "ms=10.010,9.009,8.008,7.007,6.006,5.005,4.004,3.003"
    assert words[:5] == ["crash:", "stage", "pre", "images=10", times]
    assert words[5].startswith("at_work_ms=")
    assert words[6] == "crashed=1"


# The program as it is


def test_the_app_tells_of_a_crash_in_the_users_code_and_in_which_stage(program: Tiny, tmp_path: Path) -> None:
    project = (program.project / "src" / "pre.cpp").read_text().splitlines()
    line = next(n for n, text in enumerate(project, 1) if "a null pointer" in text)
    inbox = tmp_path / "data" / "inbox"
    inbox.mkdir(parents=True)
    good = tiny.ppm(tiny.images(1)[0])
    (inbox / "a.ppm").write_bytes(good)
    (inbox / "b.ppm").write_bytes(b"P6\n1 13\n255\n" + bytes(39))
    ended = crash([program.program, "run", "--data", tmp_path / "data"], program.built.debug)
    assert ended.code == -signal.SIGSEGV
    assert f"build-id={program.built.build_id} signal=SIGSEGV" in ended.raw[0]
    assert ended.lines[1].endswith(f"mine::plant, src/pre.cpp:{line}")
    assert "mine::gray" in ended.functions()
    stages = {words.split()[2]: words for words in ended.raw if words.startswith("crash: stage ")}
    assert "images=1 ms=" in stages["pre"]
    assert stages["pre"].endswith(" crashed=1")
    assert "crashed" not in stages["decode"]


def test_what_the_users_code_throws_where_nobody_catches_it_is_told_of(program: Tiny, tmp_path: Path) -> None:
    """Also in a thread of its own, of which edgepack knows nothing."""
    picture = tmp_path / "c.ppm"
    picture.write_bytes(b"P6\n7 13\n255\n" + bytes(7 * 13 * 3))
    ended = crash([program.program, "infer", picture], program.built.debug)
    assert ended.code == -signal.SIGSEGV
    assert "mine::deeper" in ended.functions()[0]
    assert "mine::plant" in ended.functions()
