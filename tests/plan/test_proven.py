"""What was not seen to work yet is told as that, in the words of the pages, by `plan` and by `check`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from edgepack.catalog.vendor_runtimes import EVERY
from edgepack.catalog.words import BY_CONTRACT
from edgepack.cli import check
from edgepack.cli.main import main
from edgepack.manifest import project as manifest
from edgepack.pipeline import Request, make_plan
from edgepack.plan import proven
from edgepack.store import Store

ROOT = Path(__file__).resolve().parents[2]
HERE = "verified on hardware (an x86-64 virtual machine)"
MODEL = "model: {file: model/lenet.onnx, golden: data/golden.npz}\n"
POST = "post: [{code: src/post.py, entry: decode}]\npython: {version: '3.11', requirements: r.txt}"

# The target, what else stands in edgepack.yaml, and all that is said of what was seen.
SAID: dict[str, tuple[str, str, dict[str, str]]] = {
    "nothing special": ("x86_64", "", {"target": HERE}),
    "a box by contract": ("raspberry-pi-4", "", {"target": BY_CONTRACT}),
    "a display": ("x86_64", "sink: {kind: screen}", {"target": HERE, "sink screen": BY_CONTRACT}),
    "a chip's decoder": (
        "x86_64",
        "source: {kind: ffmpeg, input: a.mp4, decoders: {x86_64: h264_cuvid, armhf: h264_rkmpp}}",
        {"target": HERE, "decoder h264_cuvid": BY_CONTRACT},
    ),
    "another target's decoder": (
        "x86_64",
        "source: {kind: ffmpeg, input: a.mp4, decoders: {armhf: h264_rkmpp}}",
        {"target": HERE},
    ),
    "a chip's encoder": (
        "x86_64",
        "sink: {kind: video, keep_mb: 50, codec: h264_rkmpp}",
        {"target": HERE, "encoder h264_rkmpp": BY_CONTRACT},
    ),
    "an encoder of ffmpeg's": (
        "x86_64", "sink: {kind: video, keep_mb: 50, codec: mpeg4}", {"target": HERE},
    ),
    "a camera": ("x86_64", "source: {kind: v4l2}", {"target": HERE, "camera, yuyv": proven._CAMERAS["yuyv"]}),
    "a camera of another format": (
        "x86_64", "source: {kind: v4l2, format: nv12}", {"target": HERE, "camera, nv12": BY_CONTRACT},
    ),
    "Python": ("x86_64", POST, {"target": HERE}),
    "Python elsewhere": (
        "aarch64", POST,
        {
            "target": "verified on emulator or simulator (qemu-system-aarch64, qemu-user)",
            "Python on aarch64": BY_CONTRACT,
        },
    ),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    for name in ("model/lenet.onnx", "data/golden.npz"):
        (tmp_path / name).parent.mkdir()
        shutil.copyfile(ROOT / "examples" / "digits" / name, tmp_path / name)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "post.py").write_text("def decode(outputs, record): pass\n")
    (tmp_path / "r.txt").write_text("numpy==2.1.3 --hash=sha256:" + "0" * 64 + "\n")
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "rknn_api.h").write_text("\n")
    return tmp_path


def write(folder: Path, target: str, below: str) -> None:
    text = f"name: x\nversion: 1.0.0\n{MODEL}{below}\ntargets: {{{target}: {{}}, armhf: {{}}}}\n"
    (folder / "edgepack.yaml").write_text(text)


@pytest.mark.parametrize("case", SAID)
def test_plan_and_check_say_what_was_seen(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    target, below, said = SAID[case]
    write(folder, target, below)
    assert main(["-C", str(folder), "plan", target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["proof"] == {target: said}
    assert notes(folder, target) == [f"{part}: {BY_CONTRACT}" for part in said if said[part] == BY_CONTRACT]


def test_a_vendors_runtime_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "rk3588", "sdk: {rknn: .}")
    assert main(["-C", str(folder), "plan", "rk3588", "--explain"]) == 0
    assert re.search(r"\n +program with Rockchip RKNN +by contract only\n", capsys.readouterr().out)
    assert "program with Rockchip RKNN: by contract only" in notes(folder, "rk3588")
    write(folder, "rk3588", "")  # no headers, no program
    assert main(["-C", str(folder), "plan", "rk3588", "--explain"]) == 0
    assert "program with Rockchip RKNN" not in capsys.readouterr().out


def notes(folder: Path, target: str) -> list[str]:
    project = manifest.load(folder)
    plan = make_plan(project, Request(folder, (target,)), Store(folder / "store"))
    return [finding.what for finding in check._by_contract(plan, plan.choices[target])]


def test_the_pages_have_the_same_words() -> None:
    pages = {p.name: " ".join(p.read_text().split()) for p in (ROOT / "docs" / "how-to").glob("*.md")}
    for vendor in EVERY:
        assert f"| {vendor.proof} |" in pages["runtimes.md"]
    for words in proven._CAMERAS.values():
        assert words.removeprefix("v") in pages["cameras.md"]
    assert "y contract only" in pages["sources-and-sinks.md"].partition("## The box's display")[2]
