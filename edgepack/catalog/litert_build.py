"""Where LiteRT's library comes from for each architecture: pinned files.

The wheel holds no headers: templates/program/src/model_litert.cpp declares what it calls.
"""

from __future__ import annotations

from edgepack.catalog.gcc_libraries import DEBIAN_11, DEBIAN_11_TEXT, DEBIAN_12, DEBIAN_12_TEXT
from edgepack.catalog.packaged import Library, Packaged
from edgepack.tools.sdist import Source

_VERSION = "2.3.0"
_MEMBERS = {"libLiteRt.so": "ai_edge_litert/libLiteRt.so"}


def _wheel(arch: str, sha256: str) -> Source:
    return Source(
        "ai-edge-litert", f"ai_edge_litert-{_VERSION}-cp311-cp311-manylinux_2_27_{arch}.whl", sha256
    )


LITERT = Packaged(
    id="litert",
    name="LiteRT",
    version=_VERSION,
    licence="Apache-2.0",
    licences={"litert-LICENSE": f"ai_edge_litert-{_VERSION}.dist-info/licenses/LICENSE"},
    libraries={
        "x86_64": Library(
            wheel=_wheel("x86_64", "1f15078a6725d2357d9de9221664c29afa0545d807559c5f7199ce5e40b96b23"),
            members=_MEMBERS,
            glibc="2.27",
            companions=DEBIAN_11["x86_64"],
            text=DEBIAN_11_TEXT,
        ),
        "aarch64": Library(
            wheel=_wheel("aarch64", "853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae"),
            members=_MEMBERS,
            # Of its own 2.34, whatever the wheel's name says; GLIBCXX_3.4.30 is in Debian 12's libstdc++.
            glibc="2.36",
            companions=DEBIAN_12["aarch64"],
            text=DEBIAN_12_TEXT,
        ),
    },
)
