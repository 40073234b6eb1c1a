"""Chains of recipes: found by format, chip and precision; short, ready where possible, and explained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepack.catalog import recipes as catalog
from edgepack.catalog.recipes import Recipe, RecipeFile
from edgepack.plan.chain import Wanted, find, format_of

FORMATS = ("a", "b", "c", "onnx", "d", "e")
SHIPPED = catalog.load_all(None)


def recipe(name: str, source: str, to: str, runtime: str = "", **more: object) -> Recipe:
    """One that is nothing but an edge."""
    about = {
        "summary": "an edge",
        "from": source,
        "to": to,
        "tool": "none",
        "precisions": [{"name": "fp32", "source": "made up"}],
        "reproducible": True,
        **more,
    }
    if runtime:
        about["loads_on"] = {"runtime": runtime, "versions": ">=1", "source": "made up"}
    return Recipe(name, Path(name), RecipeFile.model_validate(about))


def known(*edges: Recipe) -> dict[str, Recipe]:
    return {edge.id: edge for edge in edges}


DIAMOND = known(
    recipe("a-onnx", "a", "onnx"),
    recipe("onnx-d", "onnx", "d", "rt"),
    recipe("a-d", "a", "d", "rt"),
    recipe("onnx-chip", "onnx", "e", "npu", chips={"k1": "K-1"}),
    recipe("onnx-onnx", "onnx", "onnx"),
)


@pytest.mark.parametrize(
    ("wanted", "missing", "ids"),
    [
        (Wanted("onnx", "rt", None, "fp32"), {}, ["onnx-d"]),
        (Wanted("a", "rt", None, "fp32"), {}, ["a-d"]),
        (Wanted("a", "rt", None, "fp32"), {"a-d": "a tool"}, ["a-onnx", "onnx-d"]),
        (Wanted("a", "npu", "k1", "fp32"), {}, ["a-onnx", "onnx-chip"]),
        (Wanted("a", "npu", "k2", "fp32"), {}, None),
        (Wanted("a", "rt", None, "int8"), {}, None),
        (Wanted("a", "nothing", None, None), {}, None),
        (Wanted("a", "npu", "k1", "fp32"), {"a-onnx": "a tool"}, ["a-onnx", "onnx-chip"]),
    ],
)
def test_a_chain_is_the_shortest_that_is_ready(
    wanted: Wanted, missing: Mapping[str, str], ids: list[str] | None
) -> None:
    chain = find(DIAMOND, wanted, missing)
    assert (chain and [r.id for r in chain.recipes]) == ids


def test_a_chain_says_why_and_why_not() -> None:
    chain = find(DIAMOND, Wanted("a", "rt", None, "fp32"), {"a-d": "a tool"})
    assert chain is not None
    assert chain.why == "the shortest that is ready here; not a-d: lacks a tool"
    assert str(chain) == "a → onnx → d"
    assert [r.id for r in chain.imports] == ["a-onnx"]
    assert [r.id for r in chain.converts] == ["onnx-d"]


EDGES = st.lists(st.tuples(st.sampled_from(FORMATS), st.sampled_from(FORMATS)), max_size=14, unique=True)


@given(edges=EDGES, source=st.sampled_from(FORMATS))
def test_whatever_the_catalogue_a_chain_leads_from_source_to_runtime_without_a_loop(
    edges: list[tuple[str, str]], source: str
) -> None:
    made = known(*(recipe(f"{a}-{b}", a, b, "rt" if b == "e" else "") for a, b in edges))
    chain = find(made, Wanted(source, "rt", None, "fp32"), {})
    reach, hops = {source}, 0
    while "e" not in reach - ({source} if hops == 0 else set()) and hops < 5:
        reach |= {b for a, b in edges if a in reach and a != b}
        hops += 1
    if chain is None:
        assert source == "e" or "e" not in reach or hops > 4
        return
    formats = [source, *(r.about.to for r in chain.recipes)]
    assert all(r.about.from_ == before for r, before in zip(chain.recipes, formats, strict=False))
    assert len(set(formats)) == len(formats)
    assert formats[-1] == "e"
    assert len(chain.recipes) == hops


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("model/net.onnx", "onnx"), ("model/NET.ONNX", "onnx"), ("model/net.docx", None), ("net", None)],
)
def test_a_format_is_told_by_its_name(name: str, wanted: str | None) -> None:
    assert format_of(name, SHIPPED) == wanted


def test_every_shipped_recipe_can_be_part_of_a_chain() -> None:
    """One that leads nowhere, or that nothing leads to, is a spelling mistake."""
    made = {r.about.to for r in SHIPPED.values()} | {
        r.about.from_ for r in SHIPPED.values() if r.about.suffixes
    }
    read = {r.about.from_ for r in SHIPPED.values()}
    for shipped in SHIPPED.values():
        assert shipped.about.loads_on or shipped.about.to in read, shipped.id
        assert shipped.about.from_ in made, shipped.id
