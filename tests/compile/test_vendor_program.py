"""A whole program around a vendor's library that is linked: by gcc, with the stand-in. By contract only."""

from __future__ import annotations

import dataclasses
import platform
import shutil
from pathlib import Path

import pytest

from edgepack.catalog.toolchains import OWN_CPP
from edgepack.catalog.vendor_runtimes import VENDORS
from edgepack.compile import elf, loads, vendor
from edgepack.compile.errors import LoadError
from edgepack.compile.program import build_program, of_box
from edgepack.compile.render import TensorSpec
from edgepack.compile.toolchains.select import toolchain
from edgepack.manifest import project as manifests
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run
from tests.compile import program_project as tiny
from tests.standins.runtimes import build
from tests.standins.runtimes.build import Tensor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="its interface passes types of gcc's library"),
]
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
ABOUT = VENDORS["magicmind"]
SPEC = dataclasses.replace(
    tiny.SPEC,
    runtime="magicmind",
    inputs=(TensorSpec("image", "image", (1, 1, 4, 4)),),
    outputs=(TensorSpec("logits", "logits", (1, 3)), TensorSpec("heat", "heat", (1, 2, 3, 3))),
)


def neuware(folder: Path) -> Path:
    """The vendor's folder as it is installed: headers, and the stand-in in its libraries' place."""
    (folder / "include").mkdir(parents=True)
    for header in ABOUT.headers:
        (folder / "include" / header).symlink_to(build.include("magicmind") / header)
    build.library("magicmind", folder / "lib64")
    return folder


def model(release: Path) -> None:
    tiny.write_model(release, tiny.weights())
    folder = release / "model"
    param, weights = (folder / "model.param").read_text(), (folder / "model.bin").read_bytes()
    inputs = [Tensor("image", "in0", (1, 1, 4, 4))]
    outputs = [Tensor("logits", "out0", (1, 3)), Tensor("heat", "out1", (1, 2, 3, 3))]
    (folder / "model.mm").write_bytes(build.model("magicmind", param, weights, inputs, outputs))


def test_it_is_linked_to_the_boxs_library_and_proves_its_golden_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = neuware(tmp_path / "neuware")
    monkeypatch.setenv("EDGEPACK_SDK_NEUWARE", str(folder))
    runtime = tmp_path / "runtimes" / "magicmind"
    runtime.parent.mkdir()
    vendor.place(ABOUT, manifests.load(DIGITS), runtime)
    release = tmp_path / "release"
    made = build_program(
        SPEC,
        project=tiny.write_project(tmp_path / "project"),
        build=tmp_path / "work",
        toolchain=toolchain("gcc", SPEC.arch, glibc=OWN_CPP),
        runtime=runtime,
        dest=release / "bin",
        log=tmp_path / "log.txt",
    )
    assert {"libmagicmind_runtime.so", "libstdc++.so.6"} <= set(elf.inspect(made.program).needed)
    here = platform.libc_ver()[1]
    assert loads.check(made.program, [], host_arch(), here, of_box=of_box(runtime)).libc.startswith("glibc ")
    with pytest.raises(LoadError, match="which neither the bundle nor the target has"):
        loads.check(made.program, [], host_arch(), here)
    model(release)
    tiny.write_golden(release / "golden", tiny.computed(tiny.images(5), tiny.weights()))
    done = run(command(made.program, "verify", env={"LD_LIBRARY_PATH": str(folder / "lib64")}))
    assert done.ok, done.text()
