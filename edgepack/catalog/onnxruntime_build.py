"""Where ONNX Runtime's library comes from for each architecture: pinned files."""

from __future__ import annotations

from edgepack.catalog.gcc_libraries import DEBIAN_11, DEBIAN_11_TEXT
from edgepack.catalog.packaged import Library, Packaged
from edgepack.tools.debian import Package
from edgepack.tools.sdist import Source

_VERSION = "1.31.1"
_DIGESTS = {
    "x86_64": "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
    "aarch64": "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
}

ONNX_RUNTIME = Packaged(
    id="onnxruntime",
    name="ONNX Runtime",
    version=_VERSION,
    licence="MIT",
    licences={
        "onnxruntime-LICENSE": "onnxruntime/LICENSE",
        "onnxruntime-ThirdPartyNotices": "onnxruntime/ThirdPartyNotices.txt",
    },
    # The C header, which no wheel of the project holds. Each release of the library answers to every older
    # version of the API, so that the header may be older than the library.
    header=Package(
        name="libonnxruntime-dev",
        version="1.21.0+dfsg-1",
        path="pool/main/o/onnxruntime/libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb",
        size=85340,
        sha256="14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08",
        source="Debian 13 trixie, main, binary-amd64/Packages",
    ),
    headers="usr/include/onnxruntime/onnxruntime_c_api.h",
    place="onnxruntime/onnxruntime_c_api.h",
    libraries={
        arch: Library(
            wheel=Source(
                "onnxruntime", f"onnxruntime-{_VERSION}-cp312-cp312-manylinux_2_28_{arch}.whl", digest
            ),
            members={"libonnxruntime.so.1": f"onnxruntime/capi/libonnxruntime.so.{_VERSION}"},
            glibc="2.28",
            companions=DEBIAN_11[arch],
            text=DEBIAN_11_TEXT,
        )
        for arch, digest in _DIGESTS.items()
    },
)
