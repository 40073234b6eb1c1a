"""Where OpenVINO's libraries come from for each architecture: pinned files.

Of a wheel's many libraries, those that read OpenVINO IR and compute it on a CPU: its C interface, its core,
the frontend of IR, the CPU's plugin, and oneTBB. OpenVINO looks for frontends and plugins beside its core.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgepack.catalog.gcc_libraries import DEBIAN_11, DEBIAN_11_TEXT, DEBIAN_12, DEBIAN_12_TEXT
from edgepack.catalog.packaged import Library, Packaged
from edgepack.tools.sdist import Source

_VERSION = "2026.4.1"
_ABI = "2641"  # in every soname of that release
_PLUGINS = {"x86_64": "intel_cpu", "aarch64": "arm_cpu"}
_INFO = f"openvino-{_VERSION}.dist-info/licenses"


def _wheel(platform: str, sha256: str) -> Source:
    return Source("openvino", f"openvino-{_VERSION}-22982-cp312-cp312-{platform}.whl", sha256)


def _members(arch: str) -> Mapping[str, str]:
    names = (
        f"libopenvino_c.so.{_ABI}",
        f"libopenvino.so.{_ABI}",
        f"libopenvino_ir_frontend.so.{_ABI}",
        f"libopenvino_{_PLUGINS[arch]}_plugin.so",
        "libtbb.so.12",
    )
    return {name: f"openvino/libs/{name}" for name in names}


OPENVINO = Packaged(
    id="openvino",
    name="OpenVINO",
    version=_VERSION,
    licence="Apache-2.0",
    licences={
        "openvino-LICENSE": f"{_INFO}/LICENSE",
        "openvino-onednn": f"{_INFO}/licensing/onednn_third-party-programs.txt",
        "openvino-onetbb": f"{_INFO}/licensing/onetbb_third-party-programs.txt",
        "openvino-runtime": f"{_INFO}/licensing/runtime-third-party-programs.txt",
    },
    headers="openvino/include/openvino/c/",
    place="openvino/openvino/c",
    libraries={
        "x86_64": Library(
            wheel=_wheel(
                "manylinux_2_28_x86_64", "6b4375c17ddcac83a5180349e2e2bb811185c261066e2a920659892d58ef0e3b"
            ),
            members=_members("x86_64"),
            glibc="2.27",
            companions=DEBIAN_11["x86_64"],
            text=DEBIAN_11_TEXT,
        ),
        "aarch64": Library(
            wheel=_wheel(
                "manylinux_2_35_aarch64", "82efccb2f9f1bdc7e5a1996e05a3b719ebff9232dd54b44150d6d2e983a86b7d"
            ),
            members=_members("aarch64"),
            # Of its own 2.34; GLIBCXX_3.4.30 is in no libstdc++ older than Debian 12's, which asks for this.
            glibc="2.36",
            companions=DEBIAN_12["aarch64"],
            text=DEBIAN_12_TEXT,
        ),
    },
)
