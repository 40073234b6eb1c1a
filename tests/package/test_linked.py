"""What the pinned zig and the pinned ncnn really bring."""

from __future__ import annotations

import pytest

from edgepack.catalog.ncnn_build import SOURCE
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
