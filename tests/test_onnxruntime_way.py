"""The whole way with ONNX Runtime: build, bundle, box; by the commands a user types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.bundle import open_bundle
from edgepack.catalog.onnxruntime_build import ONNX_RUNTIME
from edgepack.tools.qemu import host_arch
from tests import digits
from tests.digits import Digits

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_arch() not in ONNX_RUNTIME.libraries, reason="there is no library for this host"),
]
TARGET = host_arch()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Iterator[Digits]:
    copy = digits.copy(tmp_path_factory.mktemp("onnxruntime way") / "digits", warm_cache)
    copy.rewrite("edgepack.yaml", f"  {TARGET}: {{}}", f"  {TARGET}: {{runtime: onnxruntime}}")
    (copy.folder / "fleet.yaml").write_text(f"nodes:\n  pc: {{target: {TARGET}, address: sandbox}}\n")
    yield copy
    copy.said("sandbox", "down", "pc")
    assert digits.processes(str(copy.folder / ".edgepack" / "sandbox")) == {}


@pytest.fixture(scope="module")
def built(project: Digits) -> Digits:
    project.said("build", TARGET)
    return project


def test_the_program_is_proven_and_its_bundle_brings_the_runtime_with_its_papers(built: Digits) -> None:
    proof = json.loads((built.folder / "dist" / f"digits@{TARGET}.proof.json").read_text())["proof"]
    assert (proof["ok"], proof["samples"], proof["how"]) == (True, 64, "this machine")
    bundle = open_bundle(built.bundle(TARGET), verify=True)
    layers = {file.path: file.layer for file in bundle.files}
    assert [path for path, layer in layers.items() if layer == "libraries"] == [
        "lib/libgcc_s.so.1",
        "lib/libonnxruntime.so.1",
        "lib/libstdc++.so.6",
    ]
    texts = ("onnxruntime-LICENSE", "onnxruntime-ThirdPartyNotices", "libstdc++", "libcxx", "glibc", "zig")
    assert {f"LICENSES/{name}.txt" for name in texts} <= set(layers)
    assert not {"LICENSES/ncnn.txt", "LICENSES/musl.txt"} & set(layers)
    with bundle.open(bundle.file("sbom.cdx.json")) as stream:
        parts = {part["name"]: part for part in json.load(stream)["components"]}
    assert parts["onnxruntime"]["version"] == "1.31.1"
    assert parts["lib/libonnxruntime.so.1"]["hashes"]
    assert bundle.runtime == "onnxruntime"
    assert bundle.release["libc"] == "glibc 2.28"
    assert bundle.release["libc_for"] == "libonnxruntime.so.1 (fcntl64)"


def test_the_plan_says_what_was_chosen_why_and_for_which_libc(built: Digits) -> None:
    assert built.said("build", TARGET)["ran"] == []
    said = built.run("plan", TARGET, "--explain")
    assert said.code == 0
    assert "runtime    onnxruntime (edgepack.yaml:" in said.out
    assert f"libc       glibc 2.31 or newer (targets/{TARGET}.yaml)" in said.out


def test_a_box_proves_it_and_answers(built: Digits) -> None:
    built.said("sandbox", "up", "pc", "--server", "builtin")
    report = built.said("deploy", "pc")
    assert report["outcome"] == "deployed"
    assert report["files_sent"] == report["files_total"]
    answers = built.said("ask", "pc")
    assert answers["of"] == 360
    assert answers["accuracy"] > 0.97
    (status,) = built.said("status")
    assert status["state"] == "running"
