"""The small project's program for a runtime that comes in a package, built and laid out as a release."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from edgepack.catalog.architectures import architecture
from edgepack.catalog.packaged_runtimes import PackagedSpec
from edgepack.catalog.toolchains import OWN_GLIBC
from edgepack.compile import packaged
from edgepack.compile.program import build_program
from edgepack.compile.render import ProgramSpec, TensorSpec
from edgepack.compile.toolchains.select import prepare, toolchain
from edgepack.tools import cache
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run
from tests.compile import program_project as tiny


def spec(runtime: str, *, channels_last: bool = False) -> ProgramSpec:
    """The small project for that runtime, whose file names tensors as ONNX does."""
    last = channels_last
    return dataclasses.replace(
        tiny.SPEC,
        runtime=runtime,
        inputs=(TensorSpec("image", "image", (1, 1, 4, 4), last),),
        outputs=(TensorSpec("logits", "logits", (1, 3)), TensorSpec("heat", "heat", (1, 2, 3, 3), last)),
    )


def files(runtime: str) -> Path:
    """The pinned files for this host, in the cache where a build keeps them too."""
    wanted = PackagedSpec(runtime, host_arch())
    dest = cache.root() / "runtimes" / f"test-{wanted.key()[:16]}"
    dest.parent.mkdir(parents=True, exist_ok=True)
    packaged.fetch(wanted, dest, lambda _line: None)
    return dest


def build(folder: Path, runtime: Path, spec: ProgramSpec, name: str = "zig") -> Path:
    """The program in ``folder/release/bin``, by the toolchain of that name."""
    tool = toolchain(name, spec.arch, glibc=architecture(spec.arch).glibc if name == "zig" else OWN_GLIBC)
    prepare(tool, lambda _line: None)
    made = build_program(
        spec,
        project=tiny.write_project(folder / "my project"),
        build=folder / "work",
        toolchain=tool,
        runtime=runtime,
        dest=folder / "release" / "bin",
        log=folder / "log.txt",
    )
    return made.program


def release(folder: Path, runtime: str, *, channels_last: bool = False, name: str = "zig") -> Path:
    """A release without its model: program, libraries, five golden vectors."""
    there = files(runtime)
    place = build(folder, there, spec(runtime, channels_last=channels_last), name).parent.parent
    shutil.copytree(there / "lib", place / "lib")
    (place / "model").mkdir()
    tiny.write_golden(place / "golden", tiny.computed(tiny.images(5), tiny.weights()))
    return place


def loaded(release: Path, names: Sequence[str]) -> list[str]:
    """Where the loader took libraries of these names from, by its own words."""
    program = command(release / "bin" / "tiny", "verify", cwd=Path("/"), env={"LD_DEBUG": "files"})
    said = run(program).stderr.decode()
    found = re.findall(r"calling init: (\S+)", said)
    return sorted({path for path in found if Path(path).name in names})


def verified(release: Path) -> tuple[int, dict[str, object]]:
    """Exit code and report of the program's own `verify`."""
    done = run(command(release / "bin" / "tiny", "verify", cwd=Path("/")))
    return done.returncode, json.loads(done.stdout)


def expect_refusal(release: Path, says: str) -> None:
    """Nothing is computed, `verify` says what is wrong, and no pass is in its report."""
    code, report = verified(release)
    assert (code, report["ok"]) == (4, False)
    assert says in str(report["error"])


def expect_one_image_lost(release: Path, tmp_path: Path) -> None:
    """Of three images the one with other channels than the model's has an error, and no other."""
    good, bad = tmp_path / "good.ppm", tmp_path / "bad.pgm"
    good.write_bytes(tiny.ppm(tiny.images(1)[0]))
    bad.write_bytes(tiny.ppm(tiny.images(1)[0, :, :, 0]))
    done = run(command(release / "bin" / "tiny", "infer", "--outputs", good, bad, good))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert ["error" in line for line in lines] == [False, True, False]
    assert lines[0]["outputs"] == lines[2]["outputs"]
