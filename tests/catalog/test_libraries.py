"""What names a build of a C library, and in which order a linker takes several."""

from __future__ import annotations

import dataclasses

import pytest

from edgepack.catalog.libraries import LIBRARIES, LibrarySpec, with_needs
from edgepack.errors import InputError

VERSIONS = {
    "zlib": "1.3.1",
    "libspng": "0.7.4",
    "libjpeg-turbo": "2.1.5",
    "nghttp2": "1.64.0",
    "nlohmann-json": "3.11.3",
    "libsodium": "1.0.20",
}
ORDERS = {
    ("libspng",): ("libspng", "zlib"),
    ("zlib", "libspng"): ("libspng", "zlib"),
    ("libjpeg-turbo",): ("libjpeg-turbo",),
    ("libspng", "libjpeg-turbo"): ("libspng", "zlib", "libjpeg-turbo"),
    (): (),
}


@pytest.mark.parametrize(("name", "version"), VERSIONS.items())
def test_a_version_is_the_upstreams(name: str, version: str) -> None:
    assert LIBRARIES[name].version == version


@pytest.mark.parametrize(("wanted", "order"), ORDERS.items(), ids=str)
def test_a_library_stands_before_what_it_needs(wanted: tuple[str, ...], order: tuple[str, ...]) -> None:
    assert with_needs(wanted) == order


def test_every_library_says_where_it_is_from_and_its_licence() -> None:
    for name, library in LIBRARIES.items():
        assert library.name == name
        assert library.licence
        assert library.texts
        assert len(library.source.sha256) == 64
        assert "://" not in getattr(library.source, "path", "")
        assert set(library.needs) <= set(LIBRARIES)


CHANGES = {
    "processor": {"cpu": "cortex-a72"},
    "architecture": {"arch": "riscv64"},
    "toolchain": {"toolchain": "gcc"},
    "libc": {"glibc": "2.17"},
    "library": {"name": "zlib"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_key_changes_with_all_that_the_bytes_depend_on(change: dict[str, str]) -> None:
    spec = LibrarySpec("libspng", "aarch64")
    assert spec.key() == LibrarySpec("libspng", "aarch64").key()
    assert dataclasses.replace(spec, **change).key() != spec.key()


def test_a_key_changes_with_what_the_library_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = LibrarySpec("libspng", "aarch64").key()
    known = dict(LIBRARIES)
    known["zlib"] = dataclasses.replace(known["zlib"], defines=("OTHER",))
    monkeypatch.setattr("edgepack.catalog.libraries.LIBRARIES", known)
    assert LibrarySpec("libspng", "aarch64").key() != before


def test_an_unknown_library_is_told() -> None:
    with pytest.raises(InputError, match="libtiff"):
        _ = LibrarySpec("libtiff", "x86_64").library
