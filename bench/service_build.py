"""The service of examples/digits under the address and undefined-behaviour sanitizers: `bench.service_fuzz`.

By the host's g++, as zig has no address sanitizer, and with ONNX Runtime, which any compiler's program loads.
nghttp2 is compiled with its assertions: what a peer could make fail ends the program here.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgepack.catalog.libraries import LIBRARIES, LibrarySpec
from edgepack.catalog.packaged_runtimes import PackagedSpec
from edgepack.compile import packaged
from edgepack.compile.blocks import Block
from edgepack.compile.library import build_library
from edgepack.compile.render import Gates, ProgramSpec, ServiceSpec, TensorSpec, render_program
from edgepack.compile.toolchains import zig
from edgepack.tools import cache, debian_files, qemu
from edgepack.tools.runner import command, run

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits"
SANITIZE = "-O0 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
SERVICE = ServiceSpec(http=0, grpc=0, instances=2, most=4, queue=8, timeout_ms=2000, most_request_mb=2)
NGHTTP2 = ("ARPA_INET_H", "NETINET_IN_H", "CLOCK_GETTIME", "TIME_H", "UNISTD_H")


def can() -> bool:
    """Whether this host has what it takes."""
    return shutil.which("g++") is not None


def sanitized(work: Path) -> Path:
    """Build it in that folder; the release's folder, with ``bin/digits``, ``lib/`` and ``model/``."""
    arch = qemu.host_arch()
    spec = ProgramSpec(
        name="digits",
        version="1.0.0",
        target=arch,
        arch=arch,
        runtime="onnxruntime",
        pre=(
            Block("code", {}, "src/pre.cpp", "stretch"),
            Block("resize", {"size": [28, 28], "mode": "bilinear"}),
            Block("normalize", {"scale": 0.00392156862745098, "mean": [0.5], "std": [0.5]}),
        ),
        post=(Block("softmax", {"output": None}), Block("code", {}, "src/post.cpp", "decode")),
        inputs=(TensorSpec("image", "image", (1, 1, 28, 28)),),
        outputs=(TensorSpec("logits", "logits", (1, 10)),),
        gates=Gates(0.9999, 0.001),
        form="service",
        service=SERVICE,
    )
    render_program(spec, work / "program")
    runtime = cache.root() / "runtimes" / PackagedSpec("onnxruntime", arch).key()
    if not runtime.is_dir():
        packaged.fetch(PackagedSpec("onnxruntime", arch), runtime, lambda _line: None)
    json = build_library(LibrarySpec("nlohmann-json", arch), work / "log", lambda _line: None)
    tools = zig.environment()
    libraries = f"{json};{_nghttp2(work, arch)};{_zlib(work)}"
    _done(
        *(tools / "cmake", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"),
        *("-DCMAKE_CXX_COMPILER=g++", f"-DCMAKE_CXX_FLAGS={SANITIZE}", f"-DEDGEPACK_PROJECT={EXAMPLE}"),
        *(f"-DEDGEPACK_RUNTIME={runtime}", f"-DEDGEPACK_LIBRARIES={libraries}"),
        *("-S", work / "program", "-B", work / "build"),
    )
    _done(tools / "ninja", "-C", work / "build", f"-j{len(os.sched_getaffinity(0))}", "program")
    release = work / "release"
    for name, source in (
        ("bin/digits", work / "build" / "bin" / "digits"),
        ("model/model.onnx", EXAMPLE / "model" / "lenet.onnx"),
    ):
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, release / name)
    shutil.copytree(runtime / "lib", release / "lib", dirs_exist_ok=True)
    return release


def _nghttp2(work: Path, arch: str) -> Path:
    """Its objects by gcc, sanitized, with assertions; headers as they are."""
    headers = build_library(LibrarySpec("nghttp2", arch), work / "log", lambda _line: None) / "include"
    source = debian_files.source(LIBRARIES["nghttp2"].source, lambda _line: None) / "lib"
    dest = work / "nghttp2"
    (dest / "lib").mkdir(parents=True, exist_ok=True)
    shutil.copytree(headers, dest / "include", dirs_exist_ok=True)
    words = [*SANITIZE.split(), "-DNGHTTP2_STATICLIB", *(f"-DHAVE_{name}" for name in NGHTTP2)]
    objects = dest / "objects"
    objects.mkdir(exist_ok=True)
    _done("gcc", *words, f"-I{dest / 'include'}", "-c", *sorted(source.glob("*.c")), cwd=objects)
    _done("ar", "rcs", dest / "lib" / "libnghttp2.a", *sorted(objects.glob("*.o")))
    return dest


def _zlib(work: Path) -> Path:
    """Its objects by gcc, sanitized too: what a peer has packed is read by it."""
    known = LIBRARIES["zlib"]
    source = debian_files.source(known.source, lambda _line: None)
    objects, dest = work / "zlib" / "objects", work / "zlib"
    for folder in (objects, dest / "lib", dest / "include"):
        folder.mkdir(parents=True)
    for name, place in known.headers.items():
        shutil.copy2(source / place.removeprefix("source/"), dest / "include" / name)
    _done(
        "gcc",
        *SANITIZE.split(),
        "-DHAVE_UNISTD_H",
        "-c",
        *(source / file for file in known.files),
        cwd=objects,
    )
    _done("ar", "rcs", dest / "lib" / "libz.a", *sorted(objects.glob("*.o")))
    return dest


def _done(*words: str | Path, cwd: Path | None = None) -> None:
    done = run(command(*words, cwd=cwd, timeout_s=900))
    assert done.ok, done.text()[-4000:]
