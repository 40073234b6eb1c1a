"""A vendor's headers by path: found where they are, and what is missing is said with what points to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgepack.catalog.paths import data
from edgepack.catalog.runtimes import LINKED
from edgepack.catalog.vendor_runtimes import EVERY, VENDORS, backend_of
from edgepack.compile import vendor
from edgepack.compile.render import RUNTIMES
from edgepack.errors import InputError
from edgepack.manifest.project import load

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
REAL = ("mnn", "cviruntime")  # what a real library ran: tests/recipes/test_runtime_callers.py
RKNN, TENSORRT = VENDORS["rknn"], VENDORS["tensorrt"]


def header(folder: Path, name: str, text: str = "// declarations\n") -> Path:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return folder


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EDGEPACK_SDK_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("place", ["include", ""])
def test_headers_are_found_below_the_folder_or_in_it(place: str, tmp_path: Path) -> None:
    header(tmp_path / "sdk" / place, "rknn_api.h")
    found = vendor.find(RKNN, {"rknn": "sdk"}, tmp_path)
    assert (found.folder, found.said) == (tmp_path / "sdk" / place, "sdk.rknn in edgepack.yaml")


def test_the_environment_names_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEPACK_SDK_RKNN", str(header(tmp_path / "sdk", "rknn_api.h")))
    assert vendor.find(RKNN, {}, tmp_path).said == "EDGEPACK_SDK_RKNN"


MISSING = {
    "nothing said": ({}, "`sdk.rknn` is not set"),
    "no folder": ({"rknn": "nowhere"}, "sdk.rknn in edgepack.yaml says {}/nowhere, and that is not a folder"),
    "another folder": ({"rknn": "."}, "there is no rknn_api.h in include/ or ./ of it"),
}


@pytest.mark.parametrize(("keys", "why"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_said_with_where_it_comes_from(
    keys: dict[str, str], why: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        vendor.find(RKNN, keys, tmp_path)
    assert refused.value.what == "no headers of Rockchip RKNN here"
    assert why.format(tmp_path) in refused.value.why
    assert "https://github.com/airockchip/rknn-toolkit2" in refused.value.fix
    assert "`sdk: {rknn: FOLDER}` in edgepack.yaml" in refused.value.fix


def test_headers_that_the_first_ones_include_have_a_key_of_their_own(tmp_path: Path) -> None:
    header(tmp_path / "trt" / "include" / "aarch64-linux-gnu", "NvInfer.h")
    with pytest.raises(InputError, match=r"no headers of NVIDIA TensorRT here") as refused:
        vendor.find(TENSORRT, {"tensorrt": "trt"}, tmp_path)
    assert refused.value.why == "`sdk.cuda` is not set"
    assert "`sdk: {tensorrt: FOLDER, cuda: FOLDER}`" in refused.value.fix
    header(tmp_path / "cuda" / "include", "cuda_runtime_api.h")
    found = vendor.find(TENSORRT, {"tensorrt": "trt", "cuda": "cuda"}, tmp_path)
    assert found.beside == tmp_path / "cuda" / "include"


def test_what_is_linked_lies_beside_the_headers(tmp_path: Path) -> None:
    about, keys = VENDORS["magicmind"], {"neuware": "neuware"}
    for name in about.headers:
        header(tmp_path / "neuware" / "include", name)
    with pytest.raises(InputError) as refused:
        vendor.find(about, keys, tmp_path)
    assert "there is no libmagicmind_runtime.so in" in refused.value.why
    for name in about.links:
        header(tmp_path / "neuware" / "lib64", name, "a library")
    found = vendor.find(about, keys, tmp_path)
    assert [path.name for path in found.libraries] == list(about.links)
    before = found.digest(about)
    header(tmp_path / "neuware" / "lib64", "libcnrt.so", "of another release")
    assert vendor.find(about, keys, tmp_path).digest(about) != before


def test_what_goes_along_is_that_of_the_architecture_with_its_licence(tmp_path: Path) -> None:
    about, keys = VENDORS["mnn"], {"mnn": "mnn"}
    for name in about.headers:
        header(tmp_path / "mnn" / "include", name)
    for place in ("lib/aarch64", "lib/armhf", "lib"):
        header(tmp_path / "mnn" / place, "libMNN.so", f"of {place}")
    chosen = {a: vendor.find(about, keys, tmp_path, a).libraries for a in ("aarch64", "armhf", "x86_64")}
    assert {arch: found[0].read_text() for arch, found in chosen.items()} == {
        "aarch64": "of lib/aarch64",
        "armhf": "of lib/armhf",
        "x86_64": "of lib",
    }
    before = vendor.find(about, keys, tmp_path).digest(about)
    header(tmp_path / "mnn" / "lib" / "armhf", "libMNN.so", "a newer one")
    assert vendor.find(about, keys, tmp_path).digest(about) != before
    manifest = load(DIGITS)
    os.environ["EDGEPACK_SDK_MNN"] = str(tmp_path / "mnn")
    try:
        with pytest.raises(InputError, match="no licence text of MNN here"):
            vendor.place(about, manifest, tmp_path / "placed", "aarch64")
    finally:
        del os.environ["EDGEPACK_SDK_MNN"]


def test_other_headers_are_another_runtime(tmp_path: Path) -> None:
    header(tmp_path, "rknn_api.h")
    before = vendor.find(RKNN, {"rknn": "."}, tmp_path).digest(RKNN)
    assert vendor.find(RKNN, {"rknn": "."}, tmp_path).digest(RKNN) == before
    header(tmp_path, "rknn_api.h", "// of another release\n")
    assert vendor.find(RKNN, {"rknn": "."}, tmp_path).digest(RKNN) != before


def test_each_vendor_has_its_caller_and_says_where_it_is_from() -> None:
    callers = {path.name for path in data("templates/program/src").glob("model_*.cpp")}
    backends = {backend_of(runtime) for runtime in RUNTIMES} | {about.backend for about in EVERY}
    assert {f"model_{backend}.cpp" for backend in backends} == callers
    assert {name for name, linked in LINKED.items() if linked == "box"} == set(VENDORS)
    for about in EVERY:
        text = data(f"templates/program/src/model_{about.backend}.cpp").read_text()
        assert ("by contract only" in text) != (about.backend in REAL)
        assert about.source
        assert "http" in about.from_ or about.id == "viplite"
        assert about.sonames
