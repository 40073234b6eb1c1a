"""Which targets ONNX Runtime's pinned library is for, and that its pins are whole."""

from __future__ import annotations

import pytest

from edgepack.catalog.architectures import ARCHITECTURES
from edgepack.catalog.onnxruntime_build import GCC_LICENCE, HEADER, LIBRARIES, OnnxRuntimeSpec, why_not
from edgepack.catalog.runtimes import glibc_floor


@pytest.mark.parametrize(
    ("arch", "libc", "why"),
    [
        ("x86_64", "glibc 2.31", None),
        ("x86_64", "glibc 2.28", None),
        ("aarch64", None, None),
        ("aarch64", "glibc 2.9", "ONNX Runtime 1.31.1 for aarch64 needs glibc 2.28, the target has 2.9"),
        ("aarch64", "glibc 2.27", "needs glibc 2.28, the target has 2.27"),
        ("aarch64", "uClibc", "is built for glibc, and the target's libc is uClibc"),
        ("aarch64", "musl 1.2.5", "the target's libc is musl 1.2.5"),
        ("armhf", "glibc 2.31", "is there for x86_64 and aarch64, not for armhf"),
        ("riscv64", None, "is there for x86_64 and aarch64, not for riscv64"),
    ],
)
def test_a_target_that_cannot_load_it_is_known_before_anything_is_fetched(
    arch: str, libc: str | None, why: str | None
) -> None:
    said = why_not(arch, libc)
    assert (said is None) if why is None else (said is not None and why in said)


def test_a_target_that_does_not_name_its_libc_gets_the_documented_floor() -> None:
    assert [glibc_floor(libc) for libc in (None, "glibc 2.41", "glibc", "uClibc")] == [
        "2.28",
        "2.41",
        "2.28",
        None,
    ]


def test_every_pin_is_whole_and_names_no_host() -> None:
    for library in LIBRARIES.values():
        assert len(library.wheel.sha256) == 64
        assert library.wheel.filename.endswith(".whl")
        for package in (HEADER, GCC_LICENCE, *(c.package for c in library.companions)):
            assert len(package.sha256) == 64
            assert package.path.startswith("pool/main/")
            assert not package.url
            assert "Packages" in package.source


def test_each_architecture_has_a_key_of_its_own() -> None:
    keys = {OnnxRuntimeSpec(arch).key() for arch in ARCHITECTURES}
    assert len(keys) == len(ARCHITECTURES)
