"""What is tried where a converter refuses: the model simplified, then at other opsets."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgepack.catalog import recipes
from edgepack.convert import sdk, sdk_find
from edgepack.convert.errors import AskedError, ConvertError, ModelError
from edgepack.convert.recipe import Converted, Request
from edgepack.convert.rescue import Rescue, kept_in, opsets_of
from edgepack.errors import EdgepackError
from tests.standins import toolkits

LENET = Path(__file__).parents[2] / "examples/digits/model/lenet.onnx"
SHIPPED = recipes.load_all(None)


def model(file: Path, nodes: Mapping[str, tuple[str, str]]) -> Path:
    """A chain of Relus: node name → the tensor that it takes, the one that it makes."""
    made = [helper.make_node("Relu", [a], [b], name=name) for name, (a, b) in nodes.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    onnx.save(helper.make_model(helper.make_graph(made, "net", ends[:1], ends[1:])), file)
    return file


TRAINED = {"first": ("x", "a"), "second": ("a", "b"), "third": ("b", "y")}
OTHERS: dict[str, tuple[Mapping[str, tuple[str, str]], tuple[str, ...]]] = {
    "as it was": (TRAINED, ("second", "third")),
    "renamed": ({"n0": ("x", "a"), "n1": ("a", "b"), "n2": ("b", "y")}, ("n1", "n2")),
    "another has the name": ({"second": ("x", "b"), "first": ("b", "y")}, ("second", "first")),
    "in another order": ({"third": ("x", "b"), "second": ("b", "y")}, ("third", "second")),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_layer_is_known_by_the_tensor_that_it_makes(name: str, tmp_path: Path) -> None:
    nodes, wanted = OTHERS[name]
    trained, other = model(tmp_path / "a.onnx", TRAINED), model(tmp_path / "b.onnx", nodes)
    request = Request(trained, "int8", tmp_path, keep=("second", "third"))
    assert kept_in(other, request) == wanted


def test_one_that_is_merged_with_others_is_refused_by_name(tmp_path: Path) -> None:
    trained = model(tmp_path / "a.onnx", TRAINED)
    other = model(tmp_path / "b.onnx", {"second": ("x", "y")})
    with pytest.raises(ConvertError) as told:
        kept_in(other, Request(trained, "int8", tmp_path, keep=("second",)))
    assert "`second` is to stay in floating point, and is merged" in told.value.what


def test_nothing_is_looked_for_where_nothing_is_kept(tmp_path: Path) -> None:
    assert kept_in(tmp_path / "none.onnx", Request(tmp_path / "none.onnx", "int8", tmp_path)) == ()


@dataclasses.dataclass
class Tool:
    """A converter of the test's own. takes: whether it converts a model."""

    takes: Callable[[onnx.ModelProto], bool]
    error: type[EdgepackError] = ConvertError
    seen: list[int] = dataclasses.field(default_factory=list)

    def run(self, asked: Request) -> Converted:
        assert list(asked.out.iterdir()) == []
        (asked.out / "left").mkdir()  # vendors' tools leave folders too
        (asked.out / "left" / "over").write_text("x")
        model = onnx.load(str(asked.model))
        self.seen.append(model.opset_import[0].version)
        if not self.takes(model):
            raise self.error("the tool refuses it")
        return Converted({"model": asked.out / "left" / "over"}, {})


def rescue(tool: Tool, folder: Path, prepare: recipes.Recipe, recipe: str = "onnx-mnn") -> Converted:
    (folder / "out").mkdir()
    told = Rescue(prepare, SHIPPED[recipe], tool.run, folder / "log", print)
    return told.convert(Request(LENET, "fp32", folder / "out"))


@pytest.mark.parametrize(
    ("recipe", "opsets"),
    [("onnx-mnn", [13, 17, 11]), ("onnx-rknn1", [11]), ("onnx-nbg", [13, 11]), ("torchscript-onnx", [17])],
)
def test_which_opsets_are_tried(recipe: str, opsets: list[int]) -> None:
    assert opsets_of(SHIPPED[recipe]) == opsets


def test_every_converter_has_one_that_it_takes() -> None:
    for recipe in SHIPPED.values():
        said = recipe.about.opsets
        assert said is None or all(said.min <= opset <= said.max for opset in opsets_of(recipe))
        assert opsets_of(recipe)


def test_what_is_not_the_models_fault_is_not_tried_again(tmp_path: Path) -> None:
    tool = Tool(lambda _model: False, AskedError)
    with pytest.raises(AskedError):
        rescue(tool, tmp_path, SHIPPED["onnx"])
    assert len(tool.seen) == 1


def test_a_model_that_is_none_is_not_tried_again(tmp_path: Path) -> None:
    tool = Tool(lambda _model: False, ModelError)
    with pytest.raises(ModelError):
        rescue(tool, tmp_path, SHIPPED["onnx"])
    assert len(tool.seen) == 1


@pytest.mark.slow
def test_an_opset_that_the_recipe_does_not_take(tmp_path: Path) -> None:
    """Our own recipes tell that as a fault of the model."""
    tool = Tool(lambda model: model.opset_import[0].version < 13, ModelError)
    made = rescue(tool, tmp_path, SHIPPED["onnx"], "onnx-rknn1")
    assert made.report["rescued_by"] == "simplified and at opset 11"


@pytest.mark.slow
def test_the_first_that_is_taken_is_told(tmp_path: Path) -> None:
    tool = Tool(lambda model: model.opset_import[0].version == 17)
    made = rescue(tool, tmp_path, SHIPPED["onnx"])
    assert made.report["rescued_by"] == "simplified and at opset 17"
    assert tool.seen == [13, 13, 17], "as it is, simplified, and not at its own opset again"


@pytest.mark.slow
def test_in_vain(tmp_path: Path) -> None:
    tool = Tool(lambda _model: False)
    with pytest.raises(ConvertError, match="the tool refuses it") as raised:
        rescue(tool, tmp_path, SHIPPED["onnx"])
    said = ["simplified", "simplified and at opset 17", "simplified and at opset 11"]
    assert raised.value.detail.splitlines()[1:] == [f"  {words}: the tool refuses it" for words in said]


STUBBORN = """\
import honest
from edgepack_recipe import Refused

def convert(request):
    if request.options.get("simplify"):
        raise Refused("converter-failed", "the model cannot be simplified")
    return honest.convert(request)
"""


@pytest.mark.slow
def test_what_cannot_be_simplified_is_brought_to_another_opset_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "onnx"
    shutil.copytree(SHIPPED["onnx"].folder, own, ignore=shutil.ignore_patterns("__pycache__"))
    (own / "convert.py").rename(own / "honest.py")
    (own / "convert.py").write_text(STUBBORN)
    tool = Tool(lambda model: model.opset_import[0].version == 11)
    made = rescue(tool, tmp_path, dataclasses.replace(SHIPPED["onnx"], folder=own))
    assert made.report["rescued_by"] == "at opset 11"


@pytest.mark.slow
def test_a_vendors_toolkit_that_reads_older_opsets_only(tmp_path: Path) -> None:
    """RKNN-Toolkit 1 refuses opset 13, at which the model was exported."""
    recipe = SHIPPED["onnx-rknn1"]
    toolkit = sdk_find.find(recipe, {"rknn-toolkit": str(toolkits.install("rknn-toolkit", tmp_path))})
    (tmp_path / "out").mkdir()
    request = Request(LENET, "fp16", tmp_path / "out", chip="rv1126")

    def once(asked: Request) -> Converted:
        return sdk.convert(recipe, asked, toolkit, tmp_path / "log", print)

    with pytest.raises(ConvertError) as raised:
        once(request)
    assert "opset is newer" in raised.value.why
    made = Rescue(SHIPPED["onnx"], recipe, once, tmp_path / "log", print).convert(request)
    assert made.report["rescued_by"] == "simplified and at opset 11"
    assert made.files["model.rknn"].read_text().startswith("stand-in")
