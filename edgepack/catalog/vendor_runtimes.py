"""Runtimes that only a vendor gives: headers from the vendor's SDK by path, the library is the box's own.

A program loads it by its soname when it starts, so that nothing of the vendor's is needed to link one. Some
chips of a vendor have another library under the same runtime's name. Data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgepack.catalog.runtimes import libc_family
from edgepack.catalog.words import BY_CONTRACT


@dataclass(frozen=True)
class Beside:
    """A second folder, for headers that the first ones include: another key, what must be there, where."""

    key: str
    header: str
    places: tuple[str, ...] = ("include", "")


@dataclass(frozen=True)
class Vendor:
    """A vendor's run-time library.

    backend: which ``model_<backend>.cpp`` drives it. key: under `sdk:`, the folder with the headers. headers:
    what must be there, below one of ``places`` of that folder. others: chips that no program is for, and
    why. links: what a program is linked to, in ``lib64`` or ``lib`` beside the headers, since the
    interface is C++ with types of gcc's library. brings: what is linked goes into the bundle, as no box has
    it. libcs: that there is a library for. from_: where people get it; source: the document that the caller
    was written from. proof: how far programs with it were seen to work.
    """

    id: str
    backend: str
    name: str
    key: str
    headers: tuple[str, ...]
    sonames: tuple[str, ...]
    from_: str
    source: str
    places: tuple[str, ...] = ("include", "")
    beside: Beside | None = None
    links: tuple[str, ...] = ()
    brings: bool = False
    libcs: tuple[str, ...] = ("glibc",)
    others: Mapping[str, str] | None = None
    proof: str = BY_CONTRACT

    def why_not(self, chip: str | None, libc: str | None) -> str | None:
        """Why a program with it cannot be had for such a target, in words; None where it can."""
        other = (self.others or {}).get(chip or "")
        if other:
            return other
        if libc_family(libc) not in self.libcs:
            known = " or ".join(self.libcs)
            return f"its library is loaded with {known}'s loader, and the target's libc is {libc}"
        return None

    def why_not_by(self, toolchain: str, libc: str | None) -> str | None:
        """Why a toolchain cannot compile its caller for a target's libc, in words."""
        if toolchain != "zig":
            return None
        if self.links:
            return (
                f"{self.name}'s interface passes types of gcc's C++ library: `toolchain: gcc`, "
                "or `{gcc: PATH, sysroot: PATH}`"
            )
        if libc_family(libc) != "glibc":
            return (
                f"its library is for {libc}, which the maker's gcc links to: "
                "`toolchain: {gcc: PATH}`, with a `sysroot` where it has none of its own"
            )
        return None

    def way_to(self) -> str:
        """Where the headers come from, and what points to them."""
        second = f", {self.beside.key}: FOLDER" if self.beside else ""
        return f"get {self.from_}, and point to it: `sdk: {{{self.key}: FOLDER{second}}}` in edgepack.yaml"


_FIRMWARE = "it has no Linux: the model goes into the maker's RT-Thread firmware"
_BM_FROM = (
    "libsophon of the box's release (https://developer.sophgo.com, SDK downloads): its `include` folder"
)
_BM_SOURCE = "libsophon guide, BMRuntime and BMLIB: https://doc.sophgo.com"
_RKNN_FROM = "rknn-toolkit2's rknpu2/runtime/Linux/librknn_api (https://github.com/airockchip/rknn-toolkit2)"
_RKNN_SOURCE = "Rockchip, User Guide RKNN API (in the same repository, doc/)"
_BM_HEADERS = ("bmruntime_interface.h", "bmlib_runtime.h")

_ALL = (
    Vendor(
        id="rknn",
        backend="rknn",
        name="Rockchip RKNN",
        key="rknn",
        headers=("rknn_api.h",),
        sonames=("librknnrt.so",),
        from_=_RKNN_FROM,
        source=_RKNN_SOURCE,
        others={"rk2118": _FIRMWARE},
    ),
    *(
        Vendor(
            id=name,
            backend="bmruntime",
            name="Sophon BMRuntime",
            key="libsophon",
            headers=_BM_HEADERS,
            sonames=("libbmrt.so", "libbmlib.so"),
            from_=_BM_FROM,
            source=_BM_SOURCE,
            proof="verified on emulator or simulator (tpu_mlir's BMRuntime with the chips' C models of "
            "BM1684X and BM1688, what calls it); on a chip by contract only",
        )
        for name in ("sophon", "bmruntime")
    ),
    Vendor(
        id="acl",
        backend="acl",
        name="Ascend ACL",
        key="cann",
        headers=("acl/acl.h",),
        sonames=("libascendcl.so",),
        from_="the CANN toolkit of the box's release (https://www.hiascend.com/software/cann)",
        source="Huawei, AscendCL API (C&C++): https://www.hiascend.com/document",
        places=("include", "acllib/include", "runtime/include", ""),
    ),
    Vendor(
        id="tensorrt",
        backend="tensorrt",
        name="NVIDIA TensorRT",
        key="tensorrt",
        headers=("NvInfer.h",),
        sonames=("libnvinfer.so.10 (of the headers' major version)", "libcudart.so.12 (of the headers' too)"),
        from_="TensorRT of the box's release, 8.5 or newer: libnvinfer-dev, or NVIDIA's archive "
        "(https://developer.nvidia.com/tensorrt), and CUDA's headers (cuda-cudart-dev)",
        source="NVIDIA, TensorRT C++ API and CUDA Runtime API: https://docs.nvidia.com",
        places=("include", "include/aarch64-linux-gnu", "include/x86_64-linux-gnu", ""),
        beside=Beside("cuda", "cuda_runtime_api.h"),
    ),
    Vendor(
        id="viplite",
        backend="viplite",
        name="VeriSilicon VIPLite",
        key="viplite",
        headers=("vip_lite.h",),
        sonames=("libVIPlite.so", "libNBGlinker.so"),
        from_="the board's package with viplite (Allwinner's awnn or Amlogic's SDK): its `include` folder",
        source="VeriSilicon, the reference in vip_lite.h and vip_lite_common.h",
    ),
    Vendor(
        id="nncase-v2",
        backend="nncase",
        name="Canaan nncase",
        key="nncase",
        headers=("nncase/api.h",),
        sonames=("libNncase.Runtime.Native.so",),
        from_="the run-time of the kmodel's version (https://github.com/kendryte/nncase/releases): its "
        "`include` folder, and gsl-lite's headers, which they include (https://github.com/gsl-lite/gsl-lite)",
        source="Canaan, nncase 2: src/Native/include/nncase/api.h, src/Native/src/api.cpp (there)",
        beside=Beside("gsl-lite", "gsl/gsl-lite.hpp"),
    ),
    Vendor(
        id="magicmind",
        backend="magicmind",
        name="Cambricon MagicMind",
        key="neuware",
        headers=("mm_runtime.h", "cnrt.h"),
        sonames=("libmagicmind_runtime.so", "libcnrt.so"),
        from_="neuware with MagicMind of the box's release (https://developer.cambricon.com), as a whole",
        source="Cambricon, MagicMind User Guide (C++ API) and CNRT User Guide; Cambricon/magicmind_cloud",
        links=("libmagicmind_runtime.so", "libcnrt.so"),
    ),
    Vendor(
        id="mnn",
        backend="mnn",
        name="MNN",
        key="mnn",
        headers=("MNN/Interpreter.hpp", "MNN/Tensor.hpp"),
        sonames=("libMNN.so",),
        from_="a build of MNN for the box, 2.0 or newer (https://github.com/alibaba/MNN): its `include`, and "
        "libMNN.so in `lib`, or in `lib/ARCH` where there are several",
        source="MNN, the reference in its headers, include/MNN",
        links=("libMNN.so",),
        brings=True,
        proof="verified on hardware (an x86-64 virtual machine), with MNN 3.6.1",
    ),
)

_OF_CHIPS = (
    Vendor(
        id="rknnmrt",
        backend="rknnmrt",
        name="Rockchip RKNN",
        key="rknn",
        headers=("rknn_api.h",),
        sonames=("librknnmrt.so",),
        from_=_RKNN_FROM,
        source=f"{_RKNN_SOURCE}, Zero-copy API; rknpu2/examples/RV1106_RV1103",
        libcs=("uClibc", "glibc"),
    ),
    Vendor(
        id="cviruntime",
        backend="cviruntime",
        name="CVI runtime",
        key="cviruntime",
        headers=("cviruntime.h",),
        sonames=("libcviruntime.so",),
        from_="the TPU SDK of the chip (https://github.com/milkv-duo/tpu-sdk-cv180x; for CV182x and CV183x "
        "of the board's maker): its `include` folder",
        source="Sophgo, TPU user guide, Runtime C API; cviruntime.h (there)",
        libcs=("glibc", "musl", "uClibc"),
        proof="verified on emulator or simulator (tpu_mlir's CVI runtime with the chip's C model, what calls "
        "it); on a chip by contract only",
    ),
)

VENDORS: Mapping[str, Vendor] = {vendor.id: vendor for vendor in _ALL}
"""By the name that a target's ``runtimes`` has."""

EVERY: tuple[Vendor, ...] = (*_ALL, *_OF_CHIPS)
"""With those that only some chips have, under a runtime's name."""

_CHIPS: Mapping[str, Mapping[str, Vendor]] = {
    "rknn": dict.fromkeys(("rv1103", "rv1103b", "rv1106", "rv1106b"), _OF_CHIPS[0]),
    "sophon": dict.fromkeys(("cv180x", "cv181x", "cv182x", "cv183x"), _OF_CHIPS[1]),
}


def vendor_of(runtime: str, chip: str | None) -> Vendor | None:
    """The library of a runtime for a chip; None for a runtime that is no vendor's."""
    return _CHIPS.get(runtime, {}).get(chip or "") or VENDORS.get(runtime)


def backend_of(runtime: str, chip: str | None = None) -> str:
    """Which ``model_<backend>.cpp`` of the program's template drives a runtime on a chip."""
    vendor = vendor_of(runtime, chip)
    return vendor.backend if vendor else runtime


def backends() -> frozenset[str]:
    """All of vendors' that there are."""
    return frozenset(vendor.backend for vendor in EVERY)
