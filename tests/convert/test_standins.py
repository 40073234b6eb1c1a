"""Vendors' toolkits, run: the recipes as they ship against stand-ins (tests/standins/README.md)."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.catalog import recipes
from edgepack.convert import sdk, sdk_find
from edgepack.convert.errors import ConvertError, ModelError
from edgepack.convert.recipe import Request
from edgepack.convert.sdk_words import declared_precision
from tests import digits
from tests.standins import models, toolkits
from tests.standins.models import LENET

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = recipes.load_all(None)
# recipe → its stand-in, and the files that it promises
TOOLKITS = {
    "onnx-om": ("cann", ["model.om"]),
    "onnx-nbg": ("acuity", ["model.nb"]),
    "onnx-hef": ("hailo", ["model.hef"]),
    "onnx-tensorrt": ("tensorrt", ["model.engine"]),
    "onnx-tnn": ("tnn", ["model.tnnmodel", "model.tnnproto"]),
    "onnx-rknn1": ("rknn-toolkit", ["model.rknn"]),
    "onnx-bmodel-nntc": ("nntc", ["model.bmodel"]),
    "onnx-magicmind": ("neuware", ["model.mm"]),
    "onnx-xmodel": ("vitis-ai", ["model.xmodel"]),
    "caffe-cambricon": ("cambricon-caffe", ["model.cambricon"]),
    "tflite-edgetpu": ("edgetpu", ["model.tflite"]),
}


@dataclasses.dataclass
class Bench:
    """A recipe beside its stand-in, in a folder of the test's."""

    recipe: recipes.Recipe
    folder: Path
    toolkit: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def given(self) -> tuple[Path, Path | None]:
        """A model that the toolkit takes, and its weights."""
        if self.recipe.about.from_ == "caffe":
            (self.folder / "net.caffemodel").write_bytes(b"weights")
            (self.folder / "net.prototxt").write_text(models.QUANTISED)
            return self.folder / "net.prototxt", self.folder / "net.caffemodel"
        if self.recipe.about.from_ == "tflite":
            return models.tflite(self.folder / "net.tflite"), None
        return LENET, None

    def convert(
        self,
        precision: str = "",
        *,
        chip: str | None = None,
        model: Path | None = None,
        samples: tuple[int, ...] = (4, 1, 28, 28),
        how: Mapping[str, str] | None = None,
        timeout_s: int | None = None,
    ) -> sdk.Converted:
        about = self.recipe.about
        if timeout_s:
            steps = [step.model_copy(update={"timeout_s": timeout_s}) for step in about.steps]
            return self.changed(steps=steps).convert(
                precision, chip=chip, model=model, samples=samples, how=how
            )
        recipe = self.recipe
        chip = chip or next(iter(about.chips), None)
        precision = precision or recipe.precisions_for(chip)[0]
        usual, weights = self.given()
        request = Request(model or usual, precision, self.out, weights=weights, chip=chip)
        declared = declared_precision(recipe, request)
        assert declared is not None
        if declared.calibration:
            np.savez(self.folder / "calibration.npz", image=np.zeros(samples, np.float32))
            request = dataclasses.replace(request, calibration=self.folder / "calibration.npz")
        request = dataclasses.replace(request, quantisation=dict(how or {}))
        if about.from_ == "onnx" and about.opsets:
            at = models.at_opset(request.model, self.folder / "given.onnx", about.opsets.max)
            request = dataclasses.replace(request, model=at)
        return self.run(request)

    def run(self, request: Request) -> sdk.Converted:
        """A request as it is."""
        about = self.recipe.about
        toolkit = sdk_find.find(self.recipe, {about.sdk.name_in_key: str(self.toolkit)} if about.sdk else {})
        return sdk.convert(self.recipe, request, toolkit, self.folder / "log", lambda _line: None)

    def changed(self, **about: Any) -> Bench:
        recipe = dataclasses.replace(self.recipe, about=self.recipe.about.model_copy(update=about))
        return dataclasses.replace(self, recipe=recipe)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    monkeypatch.delenv("VIV_SDK", raising=False)
    monkeypatch.setenv("VAI_ROOT", str(tmp_path / "vitis"))
    for chip in SHIPPED["onnx-xmodel"].about.chips.values():
        arch = tmp_path / "vitis/compiler/arch" / chip / "arch.json"
        arch.parent.mkdir(parents=True)
        arch.write_text('{"fingerprint": "0x1000000f7014407"}')

    def make(recipe: str, lie: str = "") -> Bench:
        (tmp_path / "out").mkdir()
        return Bench(SHIPPED[recipe], tmp_path, toolkits.install(TOOLKITS[recipe][0], tmp_path, lie))

    return make


def test_every_vendors_recipe_has_a_stand_in() -> None:
    assert {r.id for r in SHIPPED.values() if r.about.run != "python"} == set(TOOLKITS)


def _table() -> list[tuple[str, str | None, str, str]]:
    """Each chip in each precision, and once each way to quantise; chips of one vendor's name count once."""
    rows: list[tuple[str, str | None, str, str]] = []
    for name in TOOLKITS:
        recipe = SHIPPED[name]
        seen: set[str] = set()
        for chip in {called: chip for chip, called in recipe.about.chips.items()}.values() or [None]:
            for precision in recipe.precisions_for(chip):
                declared = declared_precision(recipe, Request(LENET, precision, LENET, chip=chip))
                assert declared is not None
                methods = declared.methods or [""]
                rows += [(name, chip, precision, m) for m in methods if m == methods[0] or m not in seen]
                seen.update(methods)
    return rows


@pytest.mark.parametrize(("recipe", "chip", "precision", "method"), _table())
def test_it_converts(
    bench: Callable[..., Bench], recipe: str, chip: str | None, precision: str, method: str
) -> None:
    at = bench(recipe)
    made = at.convert(precision, chip=chip, how={"method": method} if method else {})
    assert sorted(made.files) == TOOLKITS[recipe][1]
    assert all(file.read_text().startswith("stand-in") for file in made.files.values())
    assert made.report["proof"] == "by contract only"


@pytest.mark.parametrize("version", ["8601", "100300"])
def test_trtexec_of_both_generations(bench: Callable[..., Bench], version: str) -> None:
    at = bench("onnx-tensorrt")
    (at.toolkit / "standin-version").write_text(version)
    assert at.convert("fp16").files


@pytest.mark.parametrize("stem", ["model_quantized", "model.quantized"])
def test_tnn_names_its_files_in_two_ways(bench: Callable[..., Bench], stem: str) -> None:
    at = bench("onnx-tnn")
    (at.toolkit / "standin-version").write_text(stem)
    assert sorted(at.convert("int8").files) == ["model.tnnmodel", "model.tnnproto"]


# --- what the real ones fail on ---------------------------------------------------------------------------

# recipe, operator → a part of why, of fix
OPERATORS = {
    ("onnx-om", b"Foox"): ("an operator is not one of ONNX", "opset"),
    ("onnx-om", b"Loop"): ("no kernel", "operator list"),
    ("onnx-nbg", b"Foox"): ("does not know an operator", "simplify"),
    ("onnx-hef", b"TopK"): ("does not compute", "end nodes"),
    ("onnx-tensorrt", b"Foox"): ("does not know an operator", "simplify"),
    ("onnx-tnn", b"Foox"): ("does not know an operator", "simplify"),
    ("onnx-rknn1", b"Foox"): ("does not know an operator", "replace the operator"),
    ("onnx-magicmind", b"Foox"): ("met an operator", "simplify"),
    ("onnx-xmodel", b"Foox"): ("does not know an operator", "opset"),
}


@pytest.mark.parametrize(("case", "told"), OPERATORS.items(), ids=lambda v: str(v[0]))
def test_an_operator_that_it_lacks(
    bench: Callable[..., Bench], case: tuple[str, bytes], told: tuple[str, str]
) -> None:
    at = bench(case[0])
    with pytest.raises(ConvertError) as raised:
        at.convert(model=models.with_operator(at.folder, case[1]))
    assert raised.value.what.startswith(f"{case[0]} failed: ")
    assert told[0] in raised.value.why
    assert told[1] in raised.value.fix
    assert list(at.out.iterdir()) == []


@pytest.mark.parametrize("recipe", [name for name in TOOLKITS if name.startswith("onnx-")])
def test_open_shapes_are_told_before_it_starts(bench: Callable[..., Bench], recipe: str) -> None:
    at = bench(recipe)
    with pytest.raises(ModelError) as raised:
        at.convert(model=models.with_open_shape(at.folder))
    assert raised.value.why == "the shape of image is not fixed"
    assert not (at.folder / "log").exists()


@pytest.mark.parametrize(
    "recipe", [n for n in TOOLKITS if any(p.calibration for p in SHIPPED[n].about.precisions)]
)
def test_samples_of_another_size(bench: Callable[..., Bench], recipe: str) -> None:
    precision = next(p.name for p in SHIPPED[recipe].about.precisions if p.calibration)
    at = bench(recipe)
    with pytest.raises(ConvertError) as raised:
        at.convert(precision, samples=(4, 1, 14, 14))
    assert raised.value.fix
    assert list(at.out.iterdir()) == []


# recipe, the chip's name at the vendor → what its program says of it
CHIPS = {
    ("onnx-om", "Ascend77"): "Soc version [Ascend77] is invalid",
    ("onnx-nbg", "VIP9999"): "VIP9999",
    ("onnx-hef", "hailo9"): "invalid choice: 'hailo9'",
    ("onnx-rknn1", "rv1126b"): "Unsupported target platform",
    ("onnx-bmodel-nntc", "BM1688"): "unsupported target BM1688",
    ("onnx-magicmind", "mtp_999"): "unknown arch mtp_999",
    ("onnx-xmodel", "DPUX/Y"): "arch.json",
    ("caffe-cambricon", "MLU370"): "mcore",
}


@pytest.mark.parametrize(("case", "said"), CHIPS.items(), ids=lambda v: str(v[0]))
def test_a_chip_that_it_does_not_know(bench: Callable[..., Bench], case: tuple[str, str], said: str) -> None:
    at = bench(case[0]).changed(chips={"box": case[1]})
    with pytest.raises(ConvertError) as raised:
        at.convert(chip="box")
    assert said in raised.value.detail


def _broken(at: Bench, how: str) -> Bench:
    match how:
        case "no VivanteIDE":
            shutil.rmtree(at.toolkit / "bin/vcmdtools")
        case "Acuity 6.30":
            (at.toolkit / "standin-version").write_text("6.30.22")
        case "samples with channels first" if at.recipe.about.sdk and at.recipe.about.sdk.calibration:
            said = at.recipe.about.sdk.calibration.model_copy(update={"layout": "NCHW"})
            return at.changed(sdk=at.recipe.about.sdk.model_copy(update={"calibration": said}))
    return at


# recipe, precision, what is wrong → a part of what, why, fix
BROKEN = {
    ("onnx-nbg", "uint8", "no VivanteIDE"): ("says that it failed", "VivanteIDE", "VIV_SDK"),
    ("onnx-nbg", "uint8", "Acuity 6.30"): ("says that it failed", "quantize file", "6.18"),
    # the toolkit only warns, and quantises on samples that it misread
    ("onnx-rknn1", "uint8", "samples with channels first"): ("exit code 0", "channels first", "edgepack's"),
}


@pytest.mark.parametrize(("case", "told"), BROKEN.items(), ids=lambda v: str(v[2]))
def test_what_else_goes_wrong(
    bench: Callable[..., Bench], case: tuple[str, str, str], told: tuple[str, str, str]
) -> None:
    at = _broken(bench(case[0]), case[2])
    with pytest.raises(ConvertError) as raised:
        at.convert(case[1])
    for part, text in zip(told, (raised.value.what, raised.value.why, raised.value.fix), strict=True):
        assert part in text


# what the Edge TPU's compiler is given → a part of why
TFLITES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "floats": (lambda file: models.tflite(file, models.FLOAT32), "has floats"),
    "an open shape": (lambda file: models.tflite(file, shape=(1, -1, 28, 1)), "not known before it runs"),
}


@pytest.mark.parametrize(("make", "why"), TFLITES.values(), ids=list(TFLITES))
def test_models_that_the_edge_tpu_does_not_take(
    bench: Callable[..., Bench], make: Callable[[Path], Path], why: str
) -> None:
    at = bench("tflite-edgetpu")
    with pytest.raises(ConvertError) as raised:
        at.convert(model=make(at.folder / "model.tflite"))
    assert why in raised.value.why


def test_caffe_without_ranges_or_weights(bench: Callable[..., Bench]) -> None:
    at = bench("caffe-cambricon")
    plain = at.folder / "plain.prototxt"
    plain.write_text(models.PROTOTXT.format(more=""))
    with pytest.raises(ConvertError, match="exit code 134") as raised:
        at.convert(model=plain)
    assert "generate_quantized_pt" in raised.value.fix


# --- how they lie -------------------------------------------------------------------------------------------

EVERYWHERE = ("exit-0-without-artifact", "silent-exit-0")
MORE = ("empty-artifact", "failure-words-exit-0", "success-words-and-nonzero")
LIES = [(recipe, lie) for recipe in TOOLKITS for lie in EVERYWHERE]
LIES += [(recipe, lie) for recipe in ("onnx-om", "onnx-nbg", "onnx-hef", "onnx-tensorrt") for lie in MORE]
LIES += [("onnx-om", "hangs"), ("onnx-rknn1", "hangs")]


@pytest.mark.parametrize(("recipe", "lie"), LIES)
def test_a_lie_is_not_believed(bench: Callable[..., Bench], recipe: str, lie: str) -> None:
    at = bench(recipe, lie)
    with pytest.raises(ConvertError) as raised:
        at.convert(timeout_s=2 if lie == "hangs" else None)
    told = raised.value.what
    if lie == "hangs":
        assert "did not finish in 2 s" in told
    elif lie == "success-words-and-nonzero":
        assert "exit code 1" in told
    else:
        assert "exit code 0" in told
        assert "wrote no" in told or "did not say" in told or "says that it failed" in told


@pytest.mark.parametrize("recipe", ["onnx-om", "onnx-tnn", "onnx-bmodel-nntc", "onnx-tensorrt", "onnx-nbg"])
def test_failing_with_exit_code_0(bench: Callable[..., Bench], recipe: str) -> None:
    at = bench(recipe, "failure-exit-0")
    with pytest.raises(ConvertError, match="exit code 0"):
        at.convert(model=models.with_operator(at.folder, b"Foox"))
    assert list(at.out.iterdir()) == []


# --- the whole way ------------------------------------------------------------------------------------------

BOARD = """\
name: An Atlas that nobody has made
facts:
  arch: {value: aarch64, source: made up for a test}
  cpu: {value: cortex-a55, source: made up for a test}
  chip: {value: ascend310p3, source: made up for a test}
runtimes: [acl]
precision: fp16
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """``examples/digits`` for a board that takes .om models."""
    folder = tmp_path / "digits"
    skipped = shutil.ignore_patterns(".edgepack", "dist", "__pycache__", "edgepack.lock", "fleet.yaml")
    shutil.copytree(LENET.parents[1], folder, ignore=skipped)
    (folder / "targets").mkdir()
    (folder / "targets/my-atlas.yaml").write_text(BOARD)
    text = (folder / "edgepack.yaml").read_text()
    before, _, rest = text.partition("targets:\n")
    text = before + "targets:\n  my-atlas: {}\n\n" + rest[rest.index("parity:") :]
    (folder / "edgepack.yaml").write_text(text)
    return folder


def edgepack(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command as a user runs it, on a host without a toolkit."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("EDGEPACK_SDK_")}
    kept = folder.parent / "kept"  # what was converted with a toolkit is not converted again without
    env |= {"XDG_CONFIG_HOME": str(folder.parent / "config"), "PYTHONPATH": str(ROOT)}
    env["EDGEPACK_CACHE"] = str(kept if kept.is_dir() else digits.fresh_cache(kept))
    argv = [sys.executable, "-m", "edgepack", *words, "-C", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env)


@pytest.mark.slow
def test_the_whole_way(project: Path) -> None:
    """Without the SDK: what is missing, where it comes from, which key; with it: a model."""
    lacking = edgepack(project, "build")
    assert lacking.returncode != 0
    for part in (
        "onnx-om needs the Ascend CANN toolkit",
        "sdk.cann is not set",
        "https://www.hiascend.com/software/cann",
        "sdk: {cann: FOLDER}",
        "EDGEPACK_SDK_CANN",
    ):
        assert part in lacking.stdout + lacking.stderr
    toolkit = toolkits.install("cann", project.parent, "failure-words-exit-0")
    manifest = project / "edgepack.yaml"
    manifest.write_text(manifest.read_text() + "sdk: {cann: ../cann}\n")
    lied = edgepack(project, "build")
    assert "atc says that it failed (exit code 0)" in lied.stdout + lied.stderr
    assert list((project / "dist").rglob("model.om")) == []
    (toolkit / toolkits.MARK).unlink()
    built = edgepack(project, "build")
    assert built.returncode == 0, built.stdout + built.stderr
    assert "by contract only" in built.stdout + built.stderr
    parity = json.loads((project / "dist/digits@my-atlas.parity.json").read_text())
    assert "by contract only" in json.dumps(parity)
    models_made = list((project / "dist/digits@my-atlas.model").rglob("model.om"))
    assert [m.read_text().startswith("stand-in for atc") for m in models_made] == [True]
