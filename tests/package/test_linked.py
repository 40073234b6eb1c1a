"""What the pinned zig and the pinned ncnn really bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.catalog.ncnn_build import SOURCE
from edgepack.catalog.packaged_runtimes import PACKAGED
from edgepack.package import linked
from edgepack.tools import sdist


@pytest.mark.slow
def test_the_pinned_toolchain_holds_every_licence_and_says_its_versions() -> None:
    found = linked.by_zig(sdist.unpack(SOURCE), linked.zig_lib())
    texts = {name: text.decode() for name, text in found.texts.items()}
    assert "BSD 3-Clause License" in texts["ncnn.txt"]
    assert "musl" in texts["musl.txt"]
    for name in ("libcxx.txt", "libcxxabi.txt", "libunwind.txt"):
        assert "LLVM Exceptions to the Apache 2.0 License" in texts[name]
    assert "Zig contributors" in texts["zig.txt"]
    assert all(part.version[0].isdigit() and part.licence for part in found.parts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "arch"), [(about.id, arch) for about in PACKAGED.values() for arch in about.libraries]
)
def test_with_a_runtime_beside_it_every_library_has_its_licence_and_ncnn_is_not_named(
    runtime: str, arch: str, tmp_path: Path
) -> None:
    (tmp_path / f"{runtime}-LICENSE.txt").write_text("theirs\n")
    texts = {path.name: path for path in tmp_path.iterdir()}
    found = linked.with_packaged(PACKAGED[runtime], texts, arch, linked.zig_beside())
    assert found.texts[f"{runtime}-LICENSE.txt"] == b"theirs\n"
    assert "University of California" in found.texts["glibc.txt"].decode()
    parts = {part.name: part for part in found.parts}
    assert {PACKAGED[runtime].project, "libstdc++6", "libgcc-s1", "libcxx", "glibc-start-files"} <= set(parts)
    assert not {"ncnn", "musl"} & set(parts)
    assert all(part.version and part.licence and part.purl for part in parts.values())
    assert "arch=" in parts["libstdc++6"].purl
