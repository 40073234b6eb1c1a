"""Licence texts come from the packages, or the build says which is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import Exit
from edgepack.package.errors import NoticesMissing
from edgepack.package.notices import beside, collect

ZIG = {
    "LICENSE": b"zig's",
    "lib/libc/musl/COPYRIGHT": b"musl's",
    "lib/libcxx/LICENSE.TXT": b"libc++'s",
    "lib/libcxxabi/LICENSE.TXT": b"libc++abi's",
    "lib/libunwind/LICENSE.TXT": b"libunwind's",
}


@pytest.fixture
def ncnn(tmp_path: Path) -> Path:
    for name, text in {"ncnn/LICENSE.txt": b"ncnn's", **{f"zig/{k}": v for k, v in ZIG.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text)
    return tmp_path / "ncnn"


def test_each_text_is_the_packages_own(ncnn: Path) -> None:
    assert collect(ncnn, ncnn.parent / "zig" / "lib") == {
        "libcxx.txt": b"libc++'s",
        "libcxxabi.txt": b"libc++abi's",
        "libunwind.txt": b"libunwind's",
        "musl.txt": b"musl's",
        "ncnn.txt": b"ncnn's",
        "zig.txt": b"zig's",
    }


def test_another_compilers_texts_are_given_by_path(ncnn: Path) -> None:
    (ncnn / "copyright").write_bytes(b"glibc's")
    assert collect(ncnn, None, {"glibc.txt": ncnn / "copyright"}) == {
        "glibc.txt": b"glibc's",
        "ncnn.txt": b"ncnn's",
    }


def test_a_program_with_libraries_beside_it_has_their_texts_and_no_musl(ncnn: Path) -> None:
    zig = ncnn.parent / "zig" / "lib"
    (zig / "libc/glibc").mkdir()
    (zig / "libc/glibc/LICENSES").write_bytes(b"glibc's")
    (ncnn / "their.txt").write_bytes(b"theirs")
    found = beside({"their.txt": ncnn / "their.txt"}, zig)
    assert found["their.txt"] == b"theirs"
    assert found["glibc.txt"] == b"glibc's"
    assert not {"musl.txt", "ncnn.txt"} & set(found)
    (ncnn / "their.txt").unlink()
    with pytest.raises(NoticesMissing, match=r"their\.txt"):
        beside({"their.txt": ncnn / "their.txt"}, zig)


@pytest.mark.parametrize("name", ["ncnn/LICENSE.txt", *(f"zig/{name}" for name in ZIG)])
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_text_that_is_not_there_stops_the_build(ncnn: Path, name: str, how: str) -> None:
    path = ncnn.parent / name
    path.unlink() if how == "missing" else path.write_text(" \n")
    with pytest.raises(NoticesMissing) as caught:
        collect(ncnn, ncnn.parent / "zig" / "lib")
    assert Path(caught.value.where).resolve() == path
    assert caught.value.exit_code == Exit.TOOL
