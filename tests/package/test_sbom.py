"""The bill of materials: what CycloneDX asks for, and the same bytes for the same parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgepack.package.errors import NoticesMissing
from edgepack.package.sbom import Component, c_libraries, linked, render

PARTS = (
    Component("bin/digits", "1.0.0", "application", sha256="a" * 64),
    Component("model/model.bin", "", "machine-learning-model", sha256="b" * 64),
    Component("musl", "1.2.5", licence="MIT", purl="pkg:generic/musl@1.2.5"),
)


def test_the_bill_names_every_part_with_what_is_known_of_it() -> None:
    bill = json.loads(render("digits", "1.0.0", PARTS))
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert bill["metadata"]["component"]["name"] == "digits"
    assert bill["components"] == [
        {
            "type": "application",
            "name": "bin/digits",
            "version": "1.0.0",
            "bom-ref": "application:bin/digits@1.0.0",
            "hashes": [{"alg": "SHA-256", "content": "a" * 64}],
        },
        {
            "type": "machine-learning-model",
            "name": "model/model.bin",
            "bom-ref": "machine-learning-model:model/model.bin@",
            "hashes": [{"alg": "SHA-256", "content": "b" * 64}],
        },
        {
            "type": "library",
            "name": "musl",
            "version": "1.2.5",
            "bom-ref": "pkg:generic/musl@1.2.5",
            "licenses": [{"expression": "MIT"}],
            "purl": "pkg:generic/musl@1.2.5",
        },
    ]
    refs = [part["bom-ref"] for part in bill["components"]]
    assert bill["dependencies"] == [{"ref": "product", "dependsOn": refs}]


def test_equal_parts_give_equal_bytes_and_others_another_serial_number() -> None:
    bill = render("digits", "1.0.0", PARTS)
    assert bill == render("digits", "1.0.0", [*reversed(PARTS), PARTS[0]])
    assert b"timestamp" not in bill
    other = render("digits", "1.0.0", PARTS[1:])
    assert json.loads(bill)["serialNumber"] != json.loads(other)["serialNumber"]


def _zig(folder: Path, libcxx: str, musl: str) -> Path:
    for name, text in {"libcxx/include/__config": libcxx, "libc/musl/src/internal/version.h": musl}.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    return folder


def test_versions_are_read_from_zigs_own_files(tmp_path: Path) -> None:
    lib = _zig(tmp_path, "#  define _LIBCPP_VERSION 190107\n", '#define VERSION "1.2.5"\n')
    parts = {part.name: (part.version, part.licence) for part in linked("1.0", lib, "0.17.0")}
    assert parts == {
        "ncnn": ("1.0", "BSD-3-Clause AND BSD-2-Clause AND Zlib"),
        "musl": ("1.2.5", "MIT"),
        "libcxx": ("19.1.7", "Apache-2.0 WITH LLVM-exception"),
        "libcxxabi": ("19.1.7", "Apache-2.0 WITH LLVM-exception"),
        "libunwind": ("19.1.7", "Apache-2.0 WITH LLVM-exception"),
        "zig-compiler-rt": ("0.17.0", "MIT"),
    }


def test_a_zig_that_does_not_say_its_versions_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoticesMissing, match="names no version"):
        linked("1.0", _zig(tmp_path, "", ""), "0.17.0")
    with pytest.raises(NoticesMissing, match="cannot read the version"):
        linked("1.0", tmp_path / "nowhere", "0.17.0")


def test_a_c_library_is_named_by_where_its_source_is_from() -> None:
    found = {part.name: part.purl for part in c_libraries(("zlib", "libsodium"))}
    assert found == {
        "zlib": "pkg:deb/debian/zlib@1%3A1.3.dfsg%2Breally1.3.1-1?arch=source",
        "libsodium": "pkg:pypi/pynacl@1.6.2#libsodium",
    }
