"""The bench that tries operators: its networks, and what is made of what was found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from bench.operators import cases, page, verdict
from bench.operators.cases import Case
from bench.operators.tried import Found, Way
from edgepack import document
from edgepack.catalog import recipes
from edgepack.catalog.recipes import RecipeFile

ROOT = Path(__file__).parents[1]
EVERY = cases.every()
KNOWN = recipes.load_all(None)
TRIED = [r for r in KNOWN.values() if r.about.knows and page.PROOF in r.about.knows.source]
NO, YES = Found("refused", "the tool says no"), Found("agrees")


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """recipes/onnx/facts.py, as its own environment imports it."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT / "recipes" / "onnx"))
    import facts as module  # type: ignore[import-not-found]

    yield module
    for name in set(sys.modules) - before:
        if str(ROOT / "recipes" / "onnx") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_each_network_is_one_of_its_operator_and_what_sets_it_apart_is_seen(facts: object) -> None:
    assert len({case.id for case in EVERY}) == len(EVERY)
    for case in EVERY:
        model = case.build()
        said = facts.facts(model)["attributes"][case.operator]  # type: ignore[attr-defined]
        fitting = [own for own in said if all(own.get(k) == v for k, v in case.when.items())]
        assert fitting, (case.id, case.when, said)
        assert all(o.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for o in model.graph.output), (
            case.id
        )


def test_the_same_seed_gives_the_same_network() -> None:
    case = EVERY[7]
    assert case.build().SerializeToString() == case.build().SerializeToString()


def of(*ids: str) -> list[Case]:
    return [case for case in EVERY if case.id in ids]


@pytest.mark.parametrize(
    ("found", "knows", "lacks"),
    [
        ({"Conv": YES, "Erf": YES}, {"Conv", "Erf"}, set()),
        ({"Conv": YES, "Erf": NO}, {"Conv"}, {("Erf", "")}),
        ({"Conv": YES, "Pad edge": NO, "Pad constant": YES}, {"Conv", "Pad"}, {("Pad", "mode=edge")}),
        ({"Conv": YES, "Pad edge": NO, "Pad constant": NO}, {"Conv"}, {("Pad", "")}),
        ({"Conv": YES, "Cast": NO, "ArgMax": NO}, {"Conv"}, {("Cast", "")}),
        (
            {"Cast": NO, "ArgMax": Found("refused", "no Cast (c); ArgMax (a)")},
            set(),
            {("Cast", ""), ("ArgMax", "")},
        ),
        ({"Mul in 3 dimensions": NO, "Softmax": NO}, set(), {("Mul", "")}),
        ({"Conv": YES, "Gelu": Found("aside", "opset 20")}, {"Conv"}, set()),
        ({"Conv": YES, "Floor": Found("wrong", "cosine 0.98")}, {"Conv"}, set()),
        ({"Conv": YES, "Erf": Found("wrong", "cosine 0.98")}, {"Conv"}, {("Erf", "")}),
    ],
)
def test_an_operator_is_lacking_where_nothing_else_can_be_at_fault(
    found: dict[str, Found], knows: set[str], lacks: set[tuple[str, str]]
) -> None:
    way = Way(KNOWN["onnx-ncnn"], "fp16", None)
    said = verdict.judged(way, of(*found), found)
    assert set(said.knows) == knows
    assert {(x.operator, " ".join(f"{k}={v}" for k, v in x.when.items())) for x in said.lacks} == lacks
    assert all(x.fix for x in said.lacks)


def test_a_recipe_gets_what_was_found_and_keeps_what_people_wrote(tmp_path: Path) -> None:
    recipe = KNOWN["onnx-ncnn"]
    file = tmp_path / "recipe.yaml"
    by_hand = (recipe.folder / "recipe.yaml").read_text().split(page.MARK)[0]
    file.write_text(by_hand)
    way = Way(recipe, "fp32", None)
    found = {"Conv": YES, "Pad edge": NO, "Pad constant": YES, "Erf": NO}
    for _ in range(2):
        page.into_recipe(verdict.judged(way, of(*found), found), file)
    about = document.load(RecipeFile, document.read(file, "recipe.yaml"))
    assert file.read_text().startswith(by_hand.rstrip("\n"))
    assert about.knows is not None
    assert about.knows.operators == ["Conv", "Pad"]
    assert [(lack.operator, lack.when) for lack in about.lacks] == [("Erf", {}), ("Pad", {"mode": "edge"})]


def table() -> dict[str, dict[str, str]]:
    """docs/proof/operators.md: use of an operator → recipe without `onnx-` → cell."""
    lines = (ROOT / page.PROOF).read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| operator |"))
    names = [cell.strip() for cell in lines[start].strip("|").split("|")][1:]
    rows = [line.strip("|").split("|") for line in lines[start + 2 :] if line.startswith("| ")]
    return {row[0].strip(): dict(zip(names, (c.strip() for c in row[1:]), strict=True)) for row in rows}


@pytest.mark.parametrize("recipe", TRIED, ids=lambda recipe: recipe.id)
def test_what_a_recipe_says_is_what_the_page_shows(recipe: recipes.Recipe) -> None:
    shown, name = table(), recipe.id.removeprefix("onnx-")
    for lack in recipe.about.lacks:
        own = [c for c in EVERY if c.operator == lack.operator and (not lack.when or c.when == lack.when)]
        assert own, lack
        assert {shown[c.id][name] for c in own} <= {"refused", "wrong", "crashed", "·", ""}, lack
    assert recipe.about.knows is not None
    for operator in recipe.about.knows.operators:
        assert "✓" in {shown[c.id][name] for c in EVERY if c.operator == operator}, operator
