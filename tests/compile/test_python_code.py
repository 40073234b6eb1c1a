"""Steps of ``pre`` and ``post`` in Python: arrays over a pipe, and whatever Python does costs one picture."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgepack.catalog import targets
from edgepack.catalog.paths import data
from edgepack.compile import python_code
from edgepack.compile.blocks import Block
from edgepack.compile.errors import CompileError
from edgepack.compile.render import ProgramSpec, PythonSpec
from edgepack.errors import EdgepackError, InputError, ToolError
from edgepack.manifest import project as manifest
from tests.compile import program_project as tiny
from tests.compile.test_program_run import Box

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
TIMEOUT_S = 20.0  # of a call: a busy machine is no slow Python

PRE = """\
import numpy as np
def gray(image):
    if len(image) != 3:
        raise ValueError("not a colour image")
    return np.tensordot([0.5, 0.3, 0.2], image, 1)[None]
"""
POST = """\
import numpy as np
def decode(outputs, record):
    print("a word on stdout is no answer")
    chances, heat = outputs
    record["class"] = np.argmax(chances)
    record["confidence"] = chances.max()
    record["name"], record["chances"] = 'n\\u00e4me "quoted"', chances
    record["sure"] = bool(chances.max() > 0.5)
    record["empty"], record["words"], record["whole"] = [], ["a", "b"], [1, -(2**40)]
    return {"hottest": heat.max(), "moment": record.when[1] > 0}
"""
SPEC: ProgramSpec = dataclasses.replace(
    tiny.SPEC,
    pre=(Block("code", file="src/pre.py", entry="gray"), *tiny.SPEC.pre[1:]),
    post=(Block("softmax"), Block("code", file="src/post.py", entry="decode")),
    python=PythonSpec(VERSION, sys.executable, int(TIMEOUT_S * 1000)),
)


@dataclasses.dataclass(frozen=True)
class Release:
    """A release whose Python can be changed, as that is read when the program starts it."""

    program: Path

    @property
    def folder(self) -> Path:
        return self.program.parents[1]

    def write(self, name: str, text: str) -> None:
        (self.folder / "lib" / "python" / "code" / "src" / name).write_text(text)

    def said(
        self, *words: str | Path, code: int = 0, env: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        done = subprocess.run(
            [self.program, *words], capture_output=True, check=False, env={**os.environ, **(env or {})}
        )
        assert done.returncode == code, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    made = tiny.build(tiny.write_project(folder / "project"), folder / "work", SPEC)
    release, known = made.program.parents[1], tiny.weights()
    tiny.write_model(release, known)
    tiny.write_golden(release / "golden", tiny.computed(tiny.images(5), known))
    place = release / "lib" / "python"
    (place / "code" / "src").mkdir(parents=True)
    shutil.copy(data("templates/program") / "python" / "worker.py", place)
    (place / "site").symlink_to(Path(np.__file__).parents[1])
    return made.program


@pytest.fixture
def release(built: Path) -> Release:
    made = Release(built)
    made.write("pre.py", PRE)
    made.write("post.py", POST)
    return made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "a.ppm"
    file.write_bytes(tiny.ppm(tiny.images(1)[0]))
    return file


@pytest.mark.slow
def test_golden_vectors_hold_through_python(release: Release) -> None:
    (report,) = release.said("verify")
    assert (report["ok"], report["samples"]) == (True, 5)


@pytest.mark.slow
def test_the_record_has_what_python_set_and_returned(release: Release, picture: Path) -> None:
    (answer,) = release.said("infer", picture)
    known = tiny.computed(tiny.images(1), tiny.weights())
    assert answer["class"] == known["record.class"][0]
    assert answer["confidence"] == pytest.approx(known["record.confidence"][0], rel=1e-5)
    assert answer["hottest"] == pytest.approx(known["record.hottest"][0], rel=1e-5)
    assert answer["name"] == 'näme "quoted"'
    assert (answer["empty"], answer["words"], answer["whole"]) == ([], ["a", "b"], [1, -(2**40)])
    assert answer["moment"] is True
    assert len(answer["chances"]) == 3
    assert isinstance(answer["sure"], bool)


WITHOUT_A_WORD = "import os\ndef decode(o, r): os._exit(3)\n"
KILLED = "import os, signal\ndef decode(o, r): os.kill(os.getpid(), signal.SIGKILL)\n"
LAST_WORDS = "import os, sys\ndef decode(o, r):\n    sys.stderr.write('out of\x1b luck\\n'); os._exit(1)\n"

BROKEN: dict[str, tuple[str, str]] = {
    "it raises": ("def decode(o, r):\n    raise KeyError('x')\n", "src/post.py: post.py:2: KeyError: 'x'"),
    "it cannot be imported": ("import no_such_package\n", "post.py:1: ModuleNotFoundError"),
    "its function is another": ("def other(outputs, record): pass\n", "AttributeError"),
    "it says nothing and goes": (WITHOUT_A_WORD, "Python: it ended with 3"),
    "it is killed": (KILLED, "Python: it ended by signal 9"),
    "its last words are told": (LAST_WORDS, "out of? luck"),
    "a record that cannot be": (
        "def decode(o, r): r['x'] = object()\n",
        "the record's field 'x' is a object",
    ),
    "a field of edgepack's own": ("def decode(o, r): r['error'] = 1\n", "'error'"),
    "too large a number": ("def decode(o, r): r['x'] = 2**70\n", "out of range"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BROKEN)
def test_what_goes_wrong_in_python_costs_the_picture_and_is_told(
    release: Release, picture: Path, case: str
) -> None:
    text, words = BROKEN[case]
    release.write("post.py", text)
    (answer,) = release.said("infer", picture, code=1)
    assert words in answer["error"]


@pytest.mark.slow
def test_an_array_that_cannot_be_is_refused(release: Release, picture: Path) -> None:
    release.write("pre.py", "import numpy as np\ndef gray(image): return np.zeros((1, 0, 4))\n")
    (answer,) = release.said("infer", picture, code=1)
    assert "an axis that cannot be" in answer["error"]


@pytest.mark.slow
def test_another_python_than_the_packages_are_for_is_told(release: Release) -> None:
    worker = release.folder / "lib" / "python" / "worker.py"
    argv = [sys.executable, "-ISB", worker, "3.6", "src/post.py", "decode"]
    said = subprocess.run(argv, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert f"Python is {VERSION}, and the packages in the bundle are for 3.6".encode() in said.stdout


@pytest.mark.slow
def test_packages_are_loaded_before_the_first_pictures_time_runs(release: Release) -> None:
    release.write("post.py", "def decode(outputs, record): pass\n")
    worker = release.folder / "lib" / "python" / "worker.py"
    argv = [sys.executable, "-ISB", worker, VERSION, "src/post.py", "decode"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.read(9)[8:] == b"+"
        assert "_multiarray_umath" in Path(f"/proc/{process.pid}/maps").read_text()
        process.stdin.close()


SLOW = """\
import os, time
def decode(outputs, record):
    record["pid"] = os.getpid()
    if os.path.exists({flag!r}):
        os.remove({flag!r})
        {what}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "words"), [("time.sleep(3600)", "no answer within"), ("os._exit(1)", "it ended")]
)
def test_python_is_started_again_and_the_app_goes_on(
    release: Release, tmp_path: Path, what: str, words: str
) -> None:
    flag = tmp_path / "flag"
    release.write("post.py", SLOW.format(flag=str(flag), what=what))
    box = Box(dataclasses.make_dataclass("Tiny", ["program"])(release.program), tmp_path / "data")
    box.start()
    try:
        picture = tiny.ppm(tiny.images(1)[0])
        box.put("0.ppm", picture)
        wait(lambda: len(box.lines()) == 1, "an answer")
        flag.touch()
        box.put("1.ppm", picture)
        wait((box.inbox / ".rejected" / "1.ppm").exists, "the one that it costs")
        assert words in (box.data / "log").read_text()
        box.put("2.ppm", picture)
        wait(lambda: len(box.lines()) == 2, "an answer by another process")
        first, last = box.lines()
        assert first["pid"] != last["pid"]
        assert not lives(first["pid"])
    finally:
        assert box.stop() == 0
    assert not lives(last["pid"])


@pytest.mark.slow
def test_python_dies_with_the_program(release: Release, tmp_path: Path) -> None:
    release.write("post.py", SLOW.format(flag=str(tmp_path / "no"), what="pass"))
    box = Box(dataclasses.make_dataclass("Tiny", ["program"])(release.program), tmp_path / "data")
    box.start()
    box.put("0.ppm", tiny.ppm(tiny.images(1)[0]))
    wait(lambda: len(box.lines()) == 1, "an answer")
    assert box.stop(signal.SIGKILL) != 0
    wait(lambda: not lives(box.lines()[0]["pid"]), "its end")


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait(holds: Any, what: str) -> None:
    end = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


def project(
    folder: Path, post: str = POST, python: str = "{version: '3.11', requirements: r.txt}"
) -> manifest.Project:
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns(".edgepack", "dist", "train", "val"))
    (folder / "data" / "val").mkdir()
    text = (folder / "edgepack.yaml").read_text()
    text = text.replace("src/post.cpp", "src/post.py") + (f"python: {python}\n" if python else "")
    (folder / "edgepack.yaml").write_text(text)
    (folder / "src" / "post.py").write_text(post)
    (folder / "r.txt").write_text("numpy==2.1.3\n")
    return manifest.load(folder)


WRONG = {
    "no function": "x = 1\n",
    "another name": "def decoded(outputs, record): pass\n",
    "too few parameters": "def decode(outputs): pass\n",
    "no Python": "def decode(outputs, record:\n",
}


@pytest.mark.parametrize("case", WRONG)
def test_python_that_cannot_be_called_is_refused_before_anything_is_fetched(
    case: str, tmp_path: Path
) -> None:
    given = project(tmp_path / "digits", WRONG[case])
    spec = dataclasses.replace(SPEC, pre=())
    with pytest.raises(CompileError, match=r"src/post\.py") as refused:
        python_code.files(given, targets.load("x86_64", None), spec, tmp_path / "log", lambda _line: None)
    assert refused.value.where.startswith("src/post.py")


MISTAKES = {
    "no section": ("", "a section `python`"),
    "no such file": ("{version: '3.11', requirements: none.txt}", "there is no none.txt"),
    "a version": ("{version: 3.11, requirements: r.txt}", "YAML reads 3.11"),
    "an old version": ("{version: '2.7', requirements: r.txt}", "must be like `3.11`"),
    "a shell": ("{version: '3.11', requirements: r.txt, program: 'python3; rm'}", "this must be a program"),
    "no time": ("{version: '3.11', requirements: r.txt, timeout_s: 0}", "timeout_s"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_the_manifest_is_told(case: str, tmp_path: Path) -> None:
    python, words = MISTAKES[case]
    with pytest.raises(EdgepackError) as refused:
        project(tmp_path / "digits", python=python)
    told = " ".join(f"{p.message} {p.path} {p.hint}" for p in refused.value.problems)
    assert words in told, told


def target(arch: str, libc: str | None) -> Any:
    return SimpleNamespace(id=arch, arch=arch, libc=libc)


@pytest.mark.parametrize(
    ("arch", "libc", "place"),
    [
        ("x86_64", None, "x86_64-manylinux_2_28"),
        ("aarch64", "glibc 2.35", "aarch64-manylinux_2_35"),
        ("aarch64", "glibc 2.30", "aarch64-manylinux_2_28"),
        ("x86_64", "glibc 2.41", "x86_64-manylinux_2_39"),
        ("armhf", None, ""),
        ("x86_64", "musl", ""),
        ("x86_64", "glibc 2.12", ""),
    ],
)
def test_packages_are_for_the_targets_own_glibc(arch: str, libc: str | None, place: str) -> None:
    if place:
        assert python_code.platform(target(arch, libc)) == place
        return
    with pytest.raises(InputError, match="no packages of Python for"):
        python_code.platform(target(arch, libc))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["numpy==2.1.3\n", "numpy==2.1.3 --hash=sha256:" + "0" * 64 + "\n"],
    ids=["no digest", "another digest"],
)
def test_a_package_that_is_not_pinned_or_another_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    lock = tmp_path / "r.txt"
    lock.write_text(text)
    with pytest.raises(
        ToolError, match=r"the packages for Python 3\.11 on x86_64-manylinux_2_28 cannot be had"
    ):
        python_code.packages(lock, "3.11", "x86_64-manylinux_2_28", tmp_path / "log", lambda _line: None)
    assert not [p for p in (tmp_path / "cache" / "python").glob("*") if p.is_dir()]
