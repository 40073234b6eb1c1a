"""What a box makes of a model by itself: the script, run in the shells that boxes have, with a stand-in."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.catalog import recipes
from edgepack.convert import sdk_box
from edgepack.convert.recipe import Request
from edgepack.errors import Exit
from edgepack.package import on_box
from edgepack.package.errors import PackageError
from edgepack.tools.runner import Command, Completed, command, run
from tests.box.boxsh import SHELLS, shells
from tests.standins import toolkits
from tests.standins.models import LENET, with_operator

TENSORRT = recipes.load_all(None)["onnx-tensorrt"]
ODD = 'a box\'s $(name) "*" [x]'


@dataclass
class Box:
    """A folder that was copied to a box, the box's toolkit, and the shell there."""

    folder: Path
    shell: Sequence[str]

    @property
    def model(self) -> Path:
        return self.folder / "digits.model"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def log(self) -> str:
        return (self.out / "make-engine.log").read_text()

    def pack(self, precision: str = "fp16", model: Path = LENET, timeout_s: int = 60, **options: Any) -> Box:
        shutil.rmtree(self.model, ignore_errors=True)
        self.model.mkdir()
        steps = [step.model_copy(update={"timeout_s": timeout_s}) for step in TENSORRT.about.steps]
        recipe = recipes.Recipe(
            TENSORRT.id, TENSORRT.folder, TENSORRT.about.model_copy(update={"steps": steps})
        )
        request = Request(model, precision, self.model, options=options)
        if precision == "int8":
            np.savez(self.folder / "c.npz", image=np.ones((2, 1, 28, 28), np.float32))
            request = Request(model, precision, self.model, calibration=self.folder / "c.npz")
        packed = sdk_box.pack(recipe, request)
        assert on_box.write(self.model, packed.files) is not None
        return self

    def toolkit(self, lie: str = "") -> Path:
        shutil.rmtree(self.folder / "tensorrt", ignore_errors=True)
        return toolkits.install("tensorrt", self.folder, lie)

    def make(self, *, env: Mapping[str, str] | None = None) -> Completed:
        seen = {
            "PATH": f"{self.folder / 'gpu'}:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "EDGEPACK_SDK_TENSORRT": str(self.folder / "tensorrt"),
            **(env or {}),
        }
        argv = (*self.shell, str(self.model / on_box.SCRIPT), str(self.out), str(self.cache))
        return run(Command(argv, env=seen, only_env=True, timeout_s=60))

    def gpu(self, said: str = "NVIDIA Orin, 540.4.0") -> None:
        place = self.folder / "gpu/nvidia-smi"
        place.parent.mkdir(exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(self.folder / "tensorrt/bin/nvidia-smi")
        (self.folder / "tensorrt/standin-gpu").write_text(said)


@pytest.fixture(params=[name for name in shells() if name != "bash"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    return _box(tmp_path / ODD, SHELLS[request.param])


@pytest.fixture
def one(tmp_path: Path) -> Box:
    """The same in one shell, for what does not hang on the shell."""
    return _box(tmp_path / "box", SHELLS["dash"])


def _box(folder: Path, shell: Sequence[str]) -> Box:
    folder.mkdir()
    box = Box(folder, shell)
    box.toolkit()
    box.gpu()
    return box.pack()


def test_it_passes_shellcheck(one: Box) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck here")
    done = run(command("shellcheck", "-s", "sh", one.model / on_box.SCRIPT))
    assert done.ok, done.text()


def test_it_is_made_once(box: Box) -> None:
    first = box.make()
    assert first.ok, first.text()
    engine = box.out / "model.engine"
    assert engine.read_text().startswith("stand-in for trtexec")
    assert f"make-engine: {engine} (made in" in first.text()
    assert "&&&& PASSED TensorRT.trtexec" in box.log
    assert f"--onnx={box.model}/model.onnx" in box.log
    assert "--memPoolSize=workspace:1024" in box.log
    engine.unlink()
    second = box.make()
    assert "(made before of the same model, options, runtime and device)" in second.text()
    assert "&&&&" not in box.log
    assert engine.read_text().startswith("stand-in for trtexec")
    assert sorted(p.name for p in box.out.iterdir()) == ["make-engine.log", "model.engine"]


def _option(box: Box) -> None:
    box.pack(workspace_mb=2048)


def _model(box: Box) -> None:
    box.pack(model=with_operator(box.folder, b"Tanh"))


def _precision(box: Box) -> None:
    box.pack("fp32")


def _version(box: Box) -> None:
    (box.folder / "tensorrt/standin-version").write_text("8601")


def _driver(box: Box) -> None:
    box.gpu("NVIDIA Orin, 550.1")


def _device(box: Box) -> None:
    box.gpu("NVIDIA RTX A2000, 540.4.0")


def _rotten(box: Box) -> None:
    (kept,) = box.cache.glob("*/model.engine")
    kept.write_text("stand-in, and a bit of it fell over")


@pytest.mark.parametrize("change", [_option, _model, _precision, _version, _driver, _device, _rotten])
def test_it_is_made_anew_where_something_changed(one: Box, change: Callable[[Box], None]) -> None:
    assert one.make().ok
    change(one)
    again = one.make()
    assert again.ok, again.text()
    assert "(made in" in again.text()
    assert "&&&& PASSED" in one.log


def test_older_ones_are_thrown_away(one: Box) -> None:
    for number in range(3):
        script = one.pack(workspace_mb=1024 + number).model / on_box.SCRIPT
        script.write_text(script.read_text().replace("KEPT=8", "KEPT=2"))
        assert one.make().ok
    assert len(list(one.cache.iterdir())) == 2
    assert "(made before" in one.make().text()


LIES = {
    "exit-0-without-artifact": "trtexec ended with exit code 0 and wrote no model.engine",
    "empty-artifact": "trtexec ended with exit code 0 and wrote no model.engine",
    "failure-words-exit-0": "trtexec says that it failed (exit code 0)",
    "failure-exit-0": "trtexec says that it failed (exit code 0)",
    "silent-exit-0": "trtexec ended with exit code 0 and did not say &&&& PASSED, as it does where",
    "success-words-and-nonzero": "trtexec ended with exit code 1",
}


@pytest.mark.parametrize(("lie", "told"), LIES.items())
def test_a_lie_is_not_believed(box: Box, lie: str, told: str) -> None:
    if lie == "failure-exit-0":
        box.pack(model=with_operator(box.folder, b"Foox"))
    box.toolkit(lie)
    box.gpu()
    done = box.make()
    assert done.returncode == Exit.CONVERT, done.text()
    assert told in done.text()
    assert str(box.out / "make-engine.log") in done.text()
    assert not (box.out / "model.engine").exists()
    assert not list(box.cache.iterdir())


def test_what_does_not_end_is_ended(box: Box) -> None:
    box.pack(timeout_s=1).toolkit("hangs")
    box.gpu()
    began = time.monotonic()
    done = box.make()
    assert time.monotonic() - began < 30
    assert done.returncode == Exit.CONVERT
    assert "trtexec did not finish in 1 s" in done.text()
    assert not _alive(str(box.folder))
    assert [p.name for p in box.out.iterdir()] == ["make-engine.log"]


def _alive(word: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        found += [argv] if word in argv else []
    return found


def _no_toolkit(box: Box) -> None:
    shutil.rmtree(box.folder / "tensorrt/bin")


def _no_gpu(box: Box) -> None:
    box.gpu("none")


def _no_driver(box: Box) -> None:
    box.gpu("no driver")


def _torn(box: Box) -> None:
    model = box.model / "model.onnx"
    model.write_bytes(model.read_bytes()[:-100])


def _half(box: Box) -> None:
    (box.model / "model.onnx").unlink()


def _unknown_operator(box: Box) -> None:
    box.pack(model=with_operator(box.folder, b"Foox"))


def _no_precision(box: Box) -> None:
    program = box.folder / "tensorrt/bin/trtexec"
    program.write_text(program.read_text().replace('"fp16": False,', ""))


MISSING: dict[Callable[[Box], None], tuple[int, str]] = {
    _no_toolkit: (Exit.TOOL, "trtexec is not on this box"),
    _no_gpu: (Exit.TOOL, "no device for tensorrt is here"),
    _no_driver: (Exit.TOOL, "no device for tensorrt is here"),
    _torn: (Exit.MODEL, "model.onnx is damaged"),
    _half: (Exit.MODEL, "model.onnx is not beside this script"),
    _unknown_operator: (Exit.CONVERT, "why: this TensorRT does not know an operator"),
    _no_precision: (Exit.CONVERT, "why: TensorRT 11 took out precision flags"),
}


@pytest.mark.parametrize(("what", "told"), MISSING.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_what_is_missing_is_told(box: Box, what: Callable[[Box], None], told: tuple[int, str]) -> None:
    what(box)
    done = box.make()
    assert (done.returncode, done.stderr.decode().count("Traceback")) == (told[0], 0), done.text()
    assert told[1] in done.text()
    assert "fix: " in done.text()
    assert not (box.out / "model.engine").exists()


def test_int8_finds_its_ranges_first(box: Box) -> None:
    box.pack("int8")
    done = box.make()
    assert done.ok, done.text()
    assert "make-engine: python\nmake-engine: trtexec\n" in done.text()
    assert "--calib=" in box.log


def test_the_old_trtexec_gets_its_own_words(box: Box) -> None:
    _version(box)
    assert box.make().ok
    assert "--memPoolSize=workspace:1024" in box.log
    program = box.folder / "tensorrt/bin/trtexec"
    program.write_text(
        program.read_text().replace('"memPoolSize": True,', "").replace('"skipInference": False,', "")
    )
    assert box.make().ok
    assert "    --workspace=1024\n    --buildOnly\n" in box.log


def test_it_is_found_where_the_package_puts_it(one: Box) -> None:
    place = one.folder / "usr/src/tensorrt"
    place.parent.mkdir(parents=True)
    script = one.model / on_box.SCRIPT
    script.write_text(script.read_text().replace("/usr/src/tensorrt", str(place)))
    (one.folder / "tensorrt").rename(place)
    (one.folder / "gpu/nvidia-smi").unlink()
    (one.folder / "gpu/nvidia-smi").symlink_to(place / "bin/nvidia-smi")
    done = one.make(env={"EDGEPACK_SDK_TENSORRT": ""})
    assert done.ok, done.text()


def test_a_script_that_came_only_in_part_does_nothing(one: Box) -> None:
    script = one.model / on_box.SCRIPT
    whole = script.read_bytes()
    for end in range(0, len(whole), len(whole) // 7):
        script.write_bytes(whole[:end])
        one.make()
    assert not one.out.exists()


PATTERNS = {
    "&&&& FAILED": "&&&& FAILED",
    r"Traceback \(most": r"Traceback \(most",
    r"a(?:b|c)\d+": "a(b|c)[0-9]+",
    r"[^\]]x": None,
    r"[]a]b": "[]a]b",
    r"^start": None,
    r"\bword": None,
    r"(?i)x": None,
    r".*?x": None,
}


@pytest.mark.parametrize(("pattern", "as_grep"), PATTERNS.items())
def test_patterns_for_grep(pattern: str, as_grep: str | None) -> None:
    if as_grep is None:
        with pytest.raises(PackageError, match="cannot be used on a box"):
            on_box.ere(pattern)
    else:
        assert on_box.ere(pattern) == as_grep


@pytest.mark.parametrize(
    "word", ["", "it's", "$(id)", "`id`", "a b", '"', "\\", "-n", "new\nline", "@OUT@/x y"]
)
def test_a_word_stays_a_word(word: str) -> None:
    done = run(command("dash", "-c", f"made='/a b'; printf '%s' {on_box.shell_word(word)}"))
    assert done.stdout.decode() == word.replace("@OUT@", "/a b")
