"""The stand-ins as libraries, and the model files that they take: see README.md."""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.architectures import architecture
from edgepack.catalog.ncnn_build import NcnnSpec
from edgepack.compile.ncnn import build_ncnn
from edgepack.compile.toolchains.select import prepare, toolchain
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.tools import cache
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import Command, command, run

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Vendor:
    """sonames: what programs link to or open; magic: how its model files begin; exports: names.

    headers: whose declarations they are, where another's.
    """

    sonames: tuple[str, ...]
    magic: bytes
    exports: tuple[str, ...]
    headers: str = ""


VENDORS: Mapping[str, Vendor] = {
    "rknn": Vendor(("librknnrt.so",), b"RKNN", ("rknn_*",)),
    "rknnmrt": Vendor(("librknnmrt.so",), b"RKNN", ("rknn_*",), headers="rknn"),
    "bmruntime": Vendor(("libbmrt.so", "libbmlib.so"), b"\xee\xaa\x55\xff", ("bm_*", "bmrt_*")),
    "acl": Vendor(("libascendcl.so",), b"IMOD", ("acl*",)),
    "tensorrt": Vendor(
        ("libnvinfer.so.10", "libcudart.so.12"),
        b"ftrt",
        ("createInferRuntime_INTERNAL", "getInferLibVersion", "cuda*"),
    ),
    "viplite": Vendor(("libVIPlite.so", "libVIPuser.so"), b"VPMN", ("vip_*",)),
    "nncase": Vendor(("libNncase.Runtime.Native.so",), b"LDMK", ("nncase_*",)),
    "cviruntime": Vendor(("libcviruntime.so",), b"CviModel", ("CVI_NN_*",)),
    "magicmind": Vendor(
        ("libmagicmind_runtime.so", "libcnrt.so"), b"MAGICMIND", ("cnrt*", "_ZN9magicmind12CreateIModelEv")
    ),
}


@dataclass(frozen=True)
class Tensor:
    """One of the model's inputs or outputs. shape: (N, C, H, W) or fewer axes.

    blob: its name in the ncnn model. kind, layout: how the vendor's model keeps it. scale: 0 where it is not
    quantised, else real = (kept - zero) * scale.
    """

    name: str
    blob: str
    shape: tuple[int, ...]
    kind: str = "float32"
    layout: str = "nchw"
    scale: float = 0.0
    zero: int = 0

    def line(self) -> str:
        dims = ",".join(map(str, self.shape))
        return f"{self.name} {self.blob} {self.kind} {self.layout} {dims} {self.scale!r} {self.zero}"


def model(
    vendor: str, param: str, weights: bytes, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> bytes:
    """A model file for the vendor's stand-in; param, weights: the ncnn model that computes."""
    lines = ["name net", *(f"input {t.line()}" for t in inputs), *(f"output {t.line()}" for t in outputs)]
    parts = ["\n".join(lines).encode(), param.encode(), weights]
    sized = (struct.pack("<I", len(part)) + part for part in parts)
    return VENDORS[vendor].magic.ljust(16, b"\0") + b"".join(sized)


def include(vendor: str) -> Path:
    """The folder with the declarations of the vendor's API: what a caller is compiled with (-I)."""
    known = VENDORS.get(vendor)  # of MNN there are declarations alone
    return HERE / (known.headers if known and known.headers else vendor)


def ncnn() -> Path:
    """ncnn for this host, as a form `sdk` has it: in the cache where a build keeps it too."""
    spec = NcnnSpec(host_arch(), glibc=architecture(host_arch()).glibc)
    dest = cache.root() / "runtimes" / spec.key()
    dest.parent.mkdir(parents=True, exist_ok=True)
    build_ncnn(spec, dest, dest.with_suffix(".log"), lambda _line: None)
    return dest


def library(vendor: str, folder: Path) -> Path:
    """Compile the stand-in into ``folder`` (``folder/<soname>``, its other sonames beside); its path.

    By zig, for this host: its C++ library is inside and hidden, so that a caller may be made by any compiler.
    """
    tool = _tool()
    kept, names = ncnn(), VENDORS[vendor].sonames
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"{vendor}.o"
    _compiled(tool, kept, HERE / vendor / "standin.cpp", own, "-I", include(vendor))
    objects = (*_kit(tool, kept), own)
    whole = folder / names[0]
    # The same -O and -g at each link, or zig makes its C++ library anew.
    link = (*tool.flags.release, *(word for word in tool.flags.link if word != "-pie"))
    script = folder / f"{vendor}.map"
    script.write_text(f"{{ global: {'; '.join(VENDORS[vendor].exports)}; local: *; }};\n")
    words = (*link, "-shared", f"-Wl,-soname,{names[0]}", f"-Wl,--version-script={script}")
    _made(command(*tool.cxx, *words, *objects, kept / "lib" / "libncnn.a", "-o", whole, env=tool.env))
    for other in names[1:]:
        (folder / other).unlink(missing_ok=True)
        (folder / other).symlink_to(whole.name)
    return whole


def _tool() -> Toolchain:
    arch = architecture(host_arch())
    tool = toolchain("zig", arch.name, glibc=arch.glibc)
    prepare(tool, lambda _line: None)
    return tool


def _kit(tool: Toolchain, kept: Path) -> tuple[Path, ...]:
    """What the stand-ins share, compiled once for all of them and for every run of the tests."""
    sources = sorted((HERE / "kit").glob("*.cpp"))
    content = b"".join(path.read_bytes() for path in sorted((HERE / "kit").iterdir()))
    folder = cache.root() / "building" / f"standins-{hashlib.sha256(content).hexdigest()[:16]}"
    with cache.locked(folder):
        if not folder.is_dir():
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            for source in sources:
                _compiled(tool, kept, source, part / f"{source.stem}.o")
            part.rename(folder)
    return tuple(folder / f"{source.stem}.o" for source in sources)


def _compiled(tool: Toolchain, kept: Path, source: Path, target: Path, *more: str | Path) -> None:
    flags = ("-std=c++17", "-O1", "-g", "-fPIC", "-fvisibility=hidden", "-fno-sanitize=undefined")
    warned = ("-Wall", "-Wextra", "-Werror", "-isystem", kept / "include" / "ncnn", "-I", HERE / "kit")
    _made(command(*tool.cxx, *flags, *warned, *more, "-c", source, "-o", target, env=tool.env))


def _made(cmd: Command) -> None:
    done = run(cmd)
    assert done.ok, done.text()


def zig(*words: str | Path) -> Command:
    """zig's C++ compiler for programs of this host, as the stand-ins are compiled."""
    tool = _tool()
    return command(*tool.cxx, *tool.flags.release, *words, env=tool.env)
