"""How ncnn is built for a target: the pinned source, CMake's options, and what names a build.

Data and a frozen description only, so that a plan can key a build without starting one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from edgepack.catalog.ncnn_layers import ALL, Tier, of_tier
from edgepack.catalog.toolchains import pins
from edgepack.tools.sdist import Source

SOURCE = Source(
    project="ncnn",
    filename="ncnn-1.0.20261020.tar.gz",
    sha256="ad8cdd63e9755cfa8e23b9b6d9ce46156077d80298a89e7c3ba325ffccfca200",
)
VERSION = "1.0.20261020"

# What a program that loads a model from files and runs it on a CPU never calls.
_OFF = (
    *("NCNN_VULKAN", "NCNN_BUILD_EXAMPLES", "NCNN_BUILD_TOOLS", "NCNN_BUILD_BENCHMARK", "NCNN_BUILD_TESTS"),
    *("NCNN_SHARED_LIB", "NCNN_PYTHON", "NCNN_BENCHMARK", "NCNN_C_API", "NCNN_SIMPLEVK"),
    *("NCNN_PIXEL", "NCNN_PIXEL_ROTATE", "NCNN_PIXEL_AFFINE", "NCNN_PIXEL_DRAWING", "NCNN_PLATFORM_API"),
    *("NCNN_BF16", "NCNN_WEIGHT_QUANT"),
    # Armv8.2 and later, and RISC-V's vector extension, are for targets that name such a processor.
    *("NCNN_ARM82", "NCNN_RVV", "NCNN_XTHEADVECTOR", "NCNN_ZFH"),
    *("NCNN_FMA4", "NCNN_XOP", "NCNN_AVXVNNI", "NCNN_AVXNECONVERT", "NCNN_AVX512"),
)
_ON = ("NCNN_STDIO", "NCNN_STRING", "NCNN_THREADS", "NCNN_OPENMP", "NCNN_INSTALL_SDK")


@dataclass(frozen=True)
class NcnnSpec:
    """One library: for which processor, with which layers, made by which toolchain.

    cpu: a processor as clang's ``-mcpu`` names it, or None for the architecture's baseline.
    int8: with the layers and kernels that int8 models need. glibc: the version that it is linked to, as
    position-independent code for a shared library; empty for static programs.
    """

    arch: str
    cpu: str | None = None
    tier: Tier = "common"
    toolchain: str = "zig"
    int8: bool = False
    glibc: str = ""

    def key(self) -> str:
        """A digest of everything the library's bytes depend on."""
        inputs = {
            # Without what is not asked for: what was built before there was the question stays good.
            "spec": {name: value for name, value in asdict(self).items() if name != "glibc" or value},
            "source": SOURCE.sha256,
            "options": options(self),
            "pins": pins(self.toolchain, self.arch),
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def options(spec: NcnnSpec) -> dict[str, str]:
    """CMake's ``-D`` words for a library, in a fixed order."""
    wanted = {name.lower() for name in of_tier(spec.tier)}
    # Where processors differ most, the kernels for AVX and FMA are chosen when the program starts.
    dispatch = "ON" if spec.arch == "x86_64" else "OFF"
    return {
        "NCNN_VERSION": VERSION.rpartition(".")[2],
        "NCNN_RUNTIME_CPU": dispatch,
        "NCNN_INT8": "ON" if spec.int8 else "OFF",
        "NCNN_AVX2": "ON" if spec.int8 else "OFF",  # integer kernels; float ones are FMA's
        # Line numbers, but not every variable of every kernel: a quarter of the time, and of the size.
        "CMAKE_CXX_FLAGS_RELEASE": "-O2 -g1 -DNDEBUG",
        # zig has clang's OpenMP and no library for it; ncnn brings one that speaks its ABI.
        "NCNN_SIMPLEOMP": "ON" if spec.toolchain == "zig" else "OFF",
        **({"CMAKE_POSITION_INDEPENDENT_CODE": "ON"} if spec.glibc else {}),
        # VFPv4 for every file would be an illegal instruction on a Cortex-A8 or A9.
        **({"NCNN_VFPV4": "OFF"} if spec.arch == "armhf" else {}),
        **dict.fromkeys(_ON, "ON"),
        **dict.fromkeys(_OFF, "OFF"),
        **{
            f"WITH_LAYER_{name}": "ON" if name in wanted else "OFF"
            for name in sorted({layer.lower() for layer in ALL})
        },
    }
