"""Vendors' toolkits: what is started, word by word, and what is believed of how it ended."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edgepack import document
from edgepack.catalog import recipes
from edgepack.catalog.recipes import Recipe, RecipeFile
from edgepack.convert import sdk, sdk_find
from edgepack.convert.errors import ConvertError, ModelError
from edgepack.convert.onnx_signature import Tensor
from edgepack.convert.recipe import Request
from edgepack.convert.sdk_calibration import Samples, file_name
from edgepack.convert.sdk_find import Toolkit
from edgepack.convert.sdk_words import Place, declared_precision
from edgepack.errors import EdgepackError, InputError, ToolError

SAID = yaml.safe_load((Path(__file__).parent / "sdk_said.yaml").read_text())
CASES = yaml.safe_load((Path(__file__).parent / "sdk.yaml").read_text())
SHIPPED = recipes.load_all(None)
VENDORS = [r for r in SHIPPED.values() if r.about.run != "python"]
LENET = Path(__file__).parents[2] / "examples/digits/model/lenet.onnx"


def _case_id(case: Mapping[str, Any]) -> str:
    extra = "".join(f"-{key}" for key in ("options", "inputs", "user") if key in case)
    return f"{case['recipe']}-{case.get('chip', 'any')}-{case['precision']}{extra}"


@pytest.mark.parametrize("case", CASES, ids=_case_id)
def test_argv(case: dict[str, Any]) -> None:
    recipe = SHIPPED[case["recipe"]]
    inputs = [Tensor(n, tuple(s)) for n, s in case.get("inputs", [["images", [1, 3, 64, 64]]])]
    samples = Samples(Path("/w/cal"), Path("/w/cal/list.txt"), 8)
    request = Request(
        model=Path("/m/model.onnx"),
        precision=case["precision"],
        out=Path("/o"),
        weights=Path(case["weights"]) if "weights" in case else None,
        chip=case.get("chip"),
        options=case.get("options", {}),
        quantisation=case.get("quantisation", {}),
    )
    declared = declared_precision(recipe, request)
    assert declared is not None
    place = Place(
        toolkit=Toolkit(
            Path("/sdk"), {s.program: Path("/sdk/bin") / s.program for s in recipe.about.steps}, ""
        ),
        work=Path("/w/work"),
        inputs=tuple(inputs),
        outputs=(Tensor("scores", (1, 10)),),
        samples=samples if declared.calibration else None,
        helps=case.get("helps", {}),
        user=case.get("user", {}),
    )
    made = sdk.argvs(recipe, request, place)
    wanted = [shlex.split(line.replace("R/", f"{recipe.folder}/")) for line in case["argvs"]]
    assert [list(invocation.argv) for invocation in made] == wanted
    for name, text in case.get("writes", {}).items():
        assert {k: v for i in made for k, v in i.writes.items()}[name] == text


def test_every_precision_of_every_chip_has_its_argv() -> None:
    """Nothing that a recipe declares ends in a template that does not render."""
    for recipe in VENDORS:
        for chip in recipe.about.chips or {None: ""}:
            for precision in recipe.precisions_for(chip):
                request = Request(Path("/m/model.onnx"), precision, Path("/o"), chip=chip)
                declared = declared_precision(recipe, request)
                assert declared is not None, (recipe.id, chip, precision)
                for method in declared.methods or [""]:
                    asked = Request(
                        *(Path("/m/model.onnx"), precision, Path("/o")),
                        chip=chip,
                        quantisation={"method": method} if method else {},
                    )
                    samples = Samples(Path("/c"), Path("/c/list.txt"), 1) if declared.calibration else None
                    programs = {s.program: Path("/b") / s.program for s in recipe.about.steps}
                    place = Place(
                        *(Toolkit(Path("/s"), programs, ""), Path("/w")),
                        *((Tensor("x", (1, 3, 8, 8)),), (Tensor("y", (1, 2)),), samples),
                    )
                    sdk.refuse(recipe, _with(asked, samples), place)
                    made = sdk.argvs(recipe, asked, place)
                    assert any(i.makes or i.keeps for i in made), (recipe.id, precision)


def _with(request: Request, samples: Samples | None) -> Request:
    calibration = samples.list if samples else None
    return Request(
        *(request.model, request.precision, request.out),
        weights=Path("/m/model.weights"),
        chip=request.chip,
        calibration=calibration,
    )


@pytest.mark.parametrize("recipe", VENDORS, ids=lambda r: r.id)
def test_vendors_recipes_say_what_people_need(recipe: Recipe) -> None:
    assert recipe.gives_back == "by contract only"
    assert len(recipe.about.errors) >= 4
    assert recipe.about.sdk is not None
    assert recipe.about.sdk.from_
    for step in recipe.about.steps:
        assert step.script is None or (recipe.folder / step.script).is_file()
        for template in step.renders.values():
            assert (recipe.folder / template).is_file()


@pytest.mark.parametrize("case", SAID, ids=lambda c: f"{c['recipe']}: {c['said'][:40]}")
def test_what_vendors_tools_say_becomes_advice(case: dict[str, str]) -> None:
    known = SHIPPED[case["recipe"]].about.errors
    first = next((error for error in known if re.search(error.match, case["said"])), None)
    assert first is not None
    assert case["fix"] in first.fix


# --- a toolkit of our own making, so that each way to end can be played -------------------------------------

RECIPE = """
summary: a test's
from: onnx
to: thing
run: sdk
tool: Thingmaker
chips: {box1: Box-One}
precisions:
  - {name: fp32, source: a test's}
  - {name: int8, calibration: true, source: a test's}
sdk:
  key: sdk.thing-maker
  name: Thingmaker toolkit
  versions: ">=3"
  from: https://example.org/thing
  finds: [bin/thing, tools/thing]
  env: {THING_HOME: "{{ sdk }}"}
  user_env: [THING_LICENCE]
  source: a test's
steps:
  - program: thing
    renders: {thing.cfg: thing.cfg.j2}
    args:
      - {arg: "{{ model }}", source: a test's}
      - {arg: "{{ out }}", source: a test's}
      - {arg: "{{ work }}", source: a test's}
      - {arg: ["--samples", "{{ calibration.list }}"], when: "calibration is not none", source: a test's}
      - {arg: "--new", if_help: "--new", source: a test's}
      - {arg: "--old", if_help: "!--new", source: a test's}
    makes: [model.thing]
    keeps: {extra/notes.txt: "{{ work }}/made-*/notes.txt"}
    leaves: ["{{ work }}/between"]
    fails_on: ["THING FAILED"]
    says: ["thing done"]
reproducible: true
timeout_s: 3
memory_mb: 1048576
errors:
  - {match: "E77: no such layer", why: the layer is new, fix: take an older layer}
"""

GOOD = """#!/bin/sh
[ "$1" = --help ] && { echo "usage: thing [--new]"; exit 0; }
mkdir -p "$3/made-1"
echo model > "$2/model.thing"; echo x > "$3/between"
exec 3> "$3/made-1/notes.txt"
echo "args $* home $THING_HOME licence $THING_LICENCE" >&3; cat thing.cfg >&3; env >&3
EXTRA
echo "thing done"
"""


class Maker:
    """A recipe and a toolkit in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.toolkit = folder / "toolkit"
        (folder / "recipe").mkdir()
        (folder / "recipe/recipe.yaml").write_text(RECIPE)
        (folder / "recipe/thing.cfg.j2").write_text("chip: {{ chip }}\n")
        about = document.load(RecipeFile, document.read(folder / "recipe/recipe.yaml"))
        self.recipe = Recipe("onnx-thing", folder / "recipe", about)

    def program(self, text: str, place: str = "bin/thing") -> None:
        file = self.toolkit / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def convert(self, **more: Any) -> sdk.Converted:
        out = self.folder / "out"
        out.mkdir(exist_ok=True)
        request = Request(LENET, **{"precision": "fp32", "out": out, "chip": "box1", **more})
        toolkit = sdk_find.find(self.recipe, {"thing-maker": "toolkit"}, self.folder)
        return sdk.convert(self.recipe, request, toolkit, self.folder / "log", lambda _line: None)


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EDGEPACK_SDK_THING_MAKER", raising=False)
    return Maker(tmp_path)


def test_a_run_leaves_files_and_a_report(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THING_LICENCE", "1234")
    monkeypatch.setenv("SECRET_OF_MINE", "5678")
    maker.program(GOOD.replace("EXTRA", ""))
    made = maker.convert()
    assert sorted(made.files) == ["extra/notes.txt", "model.thing"]
    notes = made.files["extra/notes.txt"].read_text()
    assert f"home {maker.toolkit}" in notes
    assert "licence 1234" in notes
    assert "chip: Box-One" in notes
    assert "--new" in notes
    assert "--old" not in notes
    assert "SECRET_OF_MINE" not in notes
    assert f"HOME={Path.home()}\n" not in notes
    assert made.report["proof"] == "by contract only"
    assert made.report["inputs"] == [
        {"name": "image", "tensor": "image", "shape": [1, 1, 28, 28], "dtype": "float32", "layout": "NCHW"}
    ]
    assert made.report["outputs"] == [{"name": "logits", "tensor": "logits", "shape": [1, 10]}]
    assert made.report["operators"]["Conv"] == 2
    assert "thing done" in (maker.folder / "log").read_text()


# What the program does besides → what the user reads.
ENDS = {
    "a code": ("exit 3", "thing ended with exit code 3"),
    "its words, exit 0": (
        "echo 'THING FAILED, see above'; exit 0",
        "thing says that it failed (exit code 0)",
    ),
    "silence, exit 0": ("exit 0", "did not say 'thing done'"),
    "no artifact": ('rm "$2/model.thing"', "wrote no model.thing"),
    "an empty artifact": (': > "$2/model.thing"', "wrote no model.thing"),
    "no file for later": ('rm "$3/between"', "wrote no between"),
    "nothing to keep": ('rm "$3/made-1/notes.txt"', "wrote no extra/notes.txt"),
    "no telling which to keep": (
        'mkdir "$3/made-2"; echo x > "$3/made-2/notes.txt"',
        "wrote no extra/notes.txt",
    ),
    "endless": ("sleep 60", "thing did not finish in 3 s"),
}


@pytest.mark.parametrize(("does", "reads"), ENDS.values(), ids=list(ENDS))
def test_an_exit_code_is_not_believed(maker: Maker, does: str, reads: str) -> None:
    maker.program(GOOD.replace("EXTRA", does))
    with pytest.raises(ConvertError) as raised:
        maker.convert()
    assert reads in raised.value.what


def test_known_words_of_the_tool_become_advice(maker: Maker) -> None:
    maker.program(
        GOOD.replace("EXTRA", "printf '\\033[31mE77: no such layer [Foo]\\033[0m\\a\\n' >&2; exit 1")
    )
    with pytest.raises(ConvertError) as raised:
        maker.convert()
    assert raised.value.fix == "take an older layer"
    assert "E77: no such layer [Foo]" in raised.value.detail
    assert "\x1b" not in raised.value.detail
    assert "\a" not in raised.value.detail


def test_calibration_samples_reach_the_tool(maker: Maker) -> None:
    samples = np.arange(3 * 28 * 28, dtype=np.float32).reshape(3, 1, 28, 28)
    np.savez(maker.folder / "calibration.npz", image=samples)
    maker.program(GOOD.replace("EXTRA", 'cp $(sed -n 2p "$5") "$2/model.thing"'))
    made = maker.convert(precision="int8", calibration=maker.folder / "calibration.npz")
    assert (np.load(made.files["model.thing"]) == samples[1:2]).all()


def test_quantising_without_samples_is_refused(maker: Maker) -> None:
    maker.program(GOOD.replace("EXTRA", ""))
    with pytest.raises(ConvertError, match="needs calibration data for int8"):
        maker.convert(precision="int8")


def test_what_the_recipe_does_not_have_is_refused(maker: Maker) -> None:
    maker.program(GOOD.replace("EXTRA", ""))
    with pytest.raises(ConvertError, match="does not know the chip box2"):
        maker.convert(chip="box2")
    with pytest.raises(ConvertError, match="cannot keep single layers"):
        maker.convert(keep=("Conv_1",))


def test_what_is_no_model_is_not_handed_on(maker: Maker) -> None:
    maker.program(GOOD.replace("EXTRA", ""))
    with pytest.raises(ModelError):
        sdk.convert(
            maker.recipe,
            Request(maker.folder / "recipe/recipe.yaml", "fp32", maker.folder, chip="box1"),
            sdk_find.find(maker.recipe, {"thing-maker": "toolkit"}, maker.folder),
            maker.folder / "log",
            lambda _line: None,
        )


# --- where a toolkit is looked for --------------------------------------------------------------------------


def test_a_missing_toolkit_is_told_with_its_key(maker: Maker) -> None:
    with pytest.raises(ToolError) as raised:
        sdk_find.find(maker.recipe, {})
    told = raised.value
    assert told.what == "onnx-thing needs the Thingmaker toolkit >=3, which is not here"
    assert "sdk.thing-maker is not set" in told.why
    for part in (
        "https://example.org/thing",
        "sdk: {thing-maker: FOLDER}",
        "EDGEPACK_SDK_THING_MAKER=FOLDER",
    ):
        assert part in told.fix
    assert sdk_find.lacks(maker.recipe) == "Thingmaker toolkit (sdk.thing-maker)"


def test_a_key_that_points_elsewhere_is_told(maker: Maker) -> None:
    (maker.folder / "empty").mkdir()
    for folder, why in (("nowhere", "is not a folder"), ("empty", "there is no bin/thing or tools/thing")):
        with pytest.raises(ToolError) as raised:
            sdk_find.find(maker.recipe, {"thing-maker": folder}, maker.folder)
        assert why in raised.value.why


def test_manifest_environment_settings_and_path_in_that_order(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("manifest", "environment", "settings", "path"):
        maker.program("#!/bin/sh\n", f"../{name}/bin/thing")
    monkeypatch.setenv("PATH", f"{maker.folder}/path/bin{os.pathsep}{os.environ['PATH']}")
    assert sdk_find.find(maker.recipe, {}).folder == maker.folder / "path"
    settings = maker.folder / "config/edgepack/settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"sdk:\n  thing-maker: {maker.folder}/settings\n")
    assert sdk_find.find(maker.recipe, {}).folder == maker.folder / "settings"
    monkeypatch.setenv("EDGEPACK_SDK_THING_MAKER", f"{maker.folder}/environment")
    found = sdk_find.find(maker.recipe, {})
    assert (found.folder, found.said) == (maker.folder / "environment", "EDGEPACK_SDK_THING_MAKER")
    found = sdk_find.find(maker.recipe, {"thing-maker": "manifest"}, maker.folder)
    assert found.programs["thing"] == maker.folder / "manifest/bin/thing"
    assert sdk_find.lacks(maker.recipe) == ""


def test_settings_that_cannot_be_read_are_the_users_to_mend(maker: Maker) -> None:
    settings = maker.folder / "config/edgepack/settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("sdk: /opt/thing\n")
    with pytest.raises(InputError):
        sdk_find.find(maker.recipe, {})


def test_shipped_recipes_without_their_toolkit_say_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for recipe in VENDORS:
        with pytest.raises(EdgepackError) as raised:
            sdk_find.find(recipe, {})
        assert recipe.about.sdk is not None
        assert recipe.about.sdk.variable in raised.value.fix


@pytest.mark.parametrize(("name", "file"), [("a/b:0", "a_b_0"), ("", "_"), ("x.1-y_2", "x.1-y_2")])
def test_a_tensors_folder_is_a_plain_name(name: str, file: str) -> None:
    assert file_name(name) == file
