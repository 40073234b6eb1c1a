"""Which targets each pinned library is for, and that its pins are whole."""

from __future__ import annotations

import pytest

from edgepack.catalog.architectures import ARCHITECTURES
from edgepack.catalog.packaged_runtimes import PACKAGED, PackagedSpec
from edgepack.catalog.runtimes import LINKED, glibc_floor


@pytest.mark.parametrize(
    ("runtime", "arch", "libc", "why"),
    [
        ("onnxruntime", "x86_64", "glibc 2.31", None),
        ("onnxruntime", "x86_64", "glibc 2.28", None),
        ("onnxruntime", "aarch64", None, None),
        (
            "onnxruntime",
            "aarch64",
            "glibc 2.9",
            "ONNX Runtime 1.31.1 for aarch64 needs glibc 2.28, the target has 2.9",
        ),
        ("onnxruntime", "aarch64", "glibc 2.27", "needs glibc 2.28, the target has 2.27"),
        ("onnxruntime", "aarch64", "uClibc", "is built for glibc, and the target's libc is uClibc"),
        ("onnxruntime", "aarch64", "musl 1.2.5", "the target's libc is musl 1.2.5"),
        ("onnxruntime", "armhf", "glibc 2.31", "is there for x86_64 and aarch64, not for armhf"),
        ("onnxruntime", "riscv64", None, "is there for x86_64 and aarch64, not for riscv64"),
        ("openvino", "x86_64", "glibc 2.27", None),
        ("openvino", "x86_64", None, None),
        ("openvino", "aarch64", "glibc 2.36", None),
        (
            "openvino",
            "aarch64",
            "glibc 2.31",
            "OpenVINO 2026.4.1 for aarch64 needs glibc 2.36, the target has 2.31",
        ),
        ("litert", "x86_64", "glibc 2.27", None),
        ("litert", "aarch64", "glibc 2.31", "LiteRT 2.3.0 for aarch64 needs glibc 2.36, the target has 2.31"),
        ("openvino", "armhf", None, "OpenVINO 2026.4.1 is there for x86_64 and aarch64, not for armhf"),
    ],
)
def test_a_target_that_cannot_load_it_is_known_before_anything_is_fetched(
    runtime: str, arch: str, libc: str | None, why: str | None
) -> None:
    said = PACKAGED[runtime].why_not(arch, libc)
    assert (said is None) if why is None else (said is not None and why in said)


def test_a_target_that_does_not_name_its_libc_gets_the_documented_floor() -> None:
    assert [glibc_floor(libc) for libc in (None, "glibc 2.41", "glibc", "uClibc")] == [
        "2.28",
        "2.41",
        "2.28",
        None,
    ]


@pytest.mark.parametrize("runtime", PACKAGED)
def test_every_pin_is_whole_and_names_no_host(runtime: str) -> None:
    about = PACKAGED[runtime]
    assert LINKED[runtime] == "shared"
    assert {library.wheel.project for library in about.libraries.values()} == {about.project}
    for arch, library in about.libraries.items():
        assert len(library.wheel.sha256) == 64
        assert library.wheel.filename.endswith(f"_{arch}.whl")
        packages = [library.text.package, *(c.package for c in library.companions)]
        for package in (*packages, *([about.header] if about.header else [])):
            assert len(package.sha256) == 64
            assert package.path.startswith("pool/main/")
            assert not package.url
            assert "Packages" in package.source


def test_each_runtime_and_architecture_has_a_key_of_its_own() -> None:
    keys = {PackagedSpec(runtime, arch).key() for runtime in PACKAGED for arch in ARCHITECTURES}
    assert len(keys) == len(ARCHITECTURES) * len(PACKAGED)
