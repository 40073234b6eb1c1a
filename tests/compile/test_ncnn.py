"""ncnn is built for real, interrupted, and gone on with; what comes out runs a net on its processor."""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path

import pytest

from edgepack.catalog import ncnn_build, ncnn_layers
from edgepack.catalog.architectures import of_machine
from edgepack.compile.elf import inspect
from edgepack.compile.ncnn import NcnnSpec, build_ncnn
from edgepack.compile.toolchains.select import toolchain
from edgepack.errors import InputError
from edgepack.tools import qemu
from edgepack.tools.runner import command, run

pytestmark = pytest.mark.slow

PROGRAM = """
#include <cstdio>
#include "net.h"
int main() {
    ncnn::Net net;
    const char param[] = "7767517\\n2 2\\nInput in 0 1 in\\nFlatten flat 1 1 in out\\n";
    if (net.load_param_mem(param) != 0) return 1;
    ncnn::Mat image(4, 3, 2);
    image.fill(0.5f);
    ncnn::Extractor extractor = net.create_extractor();
    ncnn::Mat out;
    if (extractor.input("in", image) != 0 || extractor.extract("out", out) != 0) return 2;
    std::printf("%d %d %.1f\\n", out.dims, out.w, out[23]);
}
"""


@pytest.fixture
def few_layers(monkeypatch: pytest.MonkeyPatch) -> NcnnSpec:
    """A library of the layers that ncnn always has: a quarter of the work, by the same way."""
    monkeypatch.setattr(ncnn_build, "of_tier", lambda _tier: ncnn_layers.ALWAYS)
    return NcnnSpec("aarch64")


def test_an_interrupted_build_goes_on_where_it_stopped_and_the_library_works(
    few_layers: NcnnSpec, tmp_path: Path
) -> None:
    dest, log = tmp_path / "ncnn", tmp_path / "log"

    everything: list[int] = []

    def interrupt(line: str) -> None:
        if found := re.search(r": 2\d/(\d+)", line):
            everything.append(int(found[1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_ncnn(few_layers, dest, log, interrupt)
    assert not dest.exists()

    heard: list[str] = []
    build_ncnn(few_layers, dest, log, heard.append)
    counts = [found for line in heard if (found := re.fullmatch(r"ncnn aarch64: (\d+)/(\d+)", line))]
    assert "ncnn aarch64: configuring" not in heard
    assert int(counts[-1][2]) <= everything[0] - 20 + 1  # a step without a command is counted, not run
    compiled = re.findall(r"\] Building CXX object (\S+)", log.read_text())
    repeated = len(compiled) - len(set(compiled))
    assert repeated <= 16, "only what was being compiled when it was interrupted is compiled again"

    about = json.loads((dest / "ncnn-build.json").read_text())
    assert about["key"] == few_layers.key()
    assert {path.name for path in tmp_path.iterdir()} == {"ncnn", "log"}
    assert says(dest, tmp_path) == "1 24 0.5\n"

    before = len(heard)
    build_ncnn(few_layers, dest, log, heard.append)
    assert len(heard) == before, "what is there is not built again"


def says(library: Path, folder: Path) -> str:
    """What a program linked with the library prints; empty-handed where nothing here can run it."""
    tool = toolchain("zig", "aarch64")
    source, program = folder / "main.cpp", folder / "main"
    source.write_text(PROGRAM)
    flags = (*tool.flags.release, *tool.flags.compile, *tool.flags.link)
    words = (*tool.cxx, *flags, f"-I{library}/include/ncnn", source, f"-L{library}/lib", "-lncnn")
    done = run(command(*words, "-o", program, env=tool.env))
    assert done.ok, done.text()
    assert inspect(program).static
    here = of_machine(platform.machine())
    emulator = None if here is not None and here.name == "aarch64" else qemu.find("aarch64")
    if emulator is None and (here is None or here.name != "aarch64"):
        pytest.skip("built and linked; nothing here runs aarch64")
    done = run(command(*([emulator] if emulator else []), program))
    assert done.ok, done.text()
    return done.stdout.decode()


def test_an_unknown_architecture_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mips"):
        build_ncnn(NcnnSpec("mips"), tmp_path / "ncnn", tmp_path / "log", lambda _line: None)
