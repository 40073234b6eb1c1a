"""The shipped targets: each fact says where it stands, and recipes write for what each promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgepack.catalog import recipes, targets
from edgepack.catalog.programs import program_with
from edgepack.catalog.recipes import Recipe
from edgepack.catalog.targets import Target

ALL = list(targets.load_all(None))
CHIPS = [target for target in ALL if target.chip]
RECIPES = recipes.load_all(None)
# A page, a file of the project's own, or a document with its name and place.
SOURCE = re.compile(r"https?://[\w.-]+\.[a-z]+(/|$|[ ),;])|\brecipes/[\w-]+/recipe\.yaml\b")


def _writers(runtime: str, chip: str | None) -> list[Recipe]:
    """The recipes whose results that runtime loads on that chip."""
    known = (recipe for recipe in RECIPES.values() if recipe.about.loads_on)
    return [
        recipe
        for recipe in known
        if recipe.about.loads_on and recipe.about.loads_on.runtime == runtime
        if not recipe.about.chips or recipe.chip(chip)
    ]


@pytest.mark.parametrize("target", ALL, ids=lambda t: t.id)
def test_every_fact_says_where_it_stands(target: Target) -> None:
    for name, fact in target.about.facts.known().items():
        assert SOURCE.search(fact.source), f"{name}: {fact.source}"


@pytest.mark.parametrize("target", ALL, ids=lambda t: t.id)
def test_every_runtime_has_a_recipe_that_writes_for_the_target(target: Target) -> None:
    without = [runtime for runtime in target.about.runtimes if not _writers(runtime, target.chip)]
    assert not without
    assert len(set(target.about.runtimes)) == len(target.about.runtimes)


@pytest.mark.parametrize("target", ALL, ids=lambda t: t.id)
def test_the_first_runtimes_recipe_writes_the_default_precision(target: Target) -> None:
    first = _writers(target.about.runtimes[0], target.chip)
    written = {precision for recipe in first for precision in recipe.precisions_for(target.chip)}
    assert target.about.precision in written


@pytest.mark.parametrize("target", CHIPS, ids=lambda t: t.id)
def test_a_chip_is_known_by_name_to_a_recipe_of_one_of_its_runtimes(target: Target) -> None:
    writers = [recipe for runtime in target.about.runtimes for recipe in _writers(runtime, target.chip)]
    assert any(recipe.chip(target.chip) for recipe in writers)


@pytest.mark.parametrize("target", CHIPS, ids=lambda t: t.id)
def test_facts_that_go_by_precision_name_precisions(target: Target) -> None:
    tops = target.about.facts.model_dump().get("tops", {"value": {}})["value"]
    for name, number in tops.items():
        assert re.fullmatch(r"[a-z0-9-]+", name)
        assert isinstance(number, float)
        assert number > 0


@pytest.mark.parametrize("target", ALL, ids=lambda t: t.id)
def test_a_verification_names_a_simulator_that_a_recipe_of_the_chip_has(target: Target) -> None:
    known = {
        recipe.about.simulator.name
        for runtime in target.about.runtimes
        for recipe in _writers(runtime, target.chip)
        if recipe.about.simulator and recipe.about.simulator.kind == "simulator"
    }
    assert {seen.name for seen in target.about.verified if seen.how == "simulator"} <= known


SYSTEM = {"compiler", "cncv-edge", "cuda", "dpuczdx8g", "petalinux", "ubuntu"}


@pytest.mark.parametrize("target", ALL, ids=lambda t: t.id)
def test_every_version_is_of_something_that_is_known(target: Target) -> None:
    """Else a driver under a new name would be shown as unknown, beside its version."""
    said = target.about.facts.known().get("versions")
    names = {str(name).lower() for row in (said.value if said else []) for name in row}
    assert names <= SYSTEM.union(*targets.VERSIONS_OF.values())


@pytest.mark.parametrize(
    ("target", "unknown"),
    [
        ("rk3588", ["driver"]),
        ("cambricon-mlu370", ["toolkit", "runtime"]),
        ("jetson-orin-nx", []),
        ("raspberry-pi-5-hailo8", []),
        ("rk1808", []),
    ],
)
def test_what_no_row_of_versions_has_is_told_as_unknown(target: str, unknown: list[str]) -> None:
    """A driver that nobody knows is not a driver that may be any."""
    facts = targets.load(target, None).about.facts
    assert facts.versions_without() == unknown
    assert [name for name in facts.unknown() if name.startswith("versions, ")] == [
        f"versions, {part}" for part in unknown
    ]


def test_what_stands_in_no_source_is_unknown() -> None:
    """Of a chip without a board, the memory; of all, each wanted fact is one or the other."""
    chip = targets.load("rk3588", None).about.facts
    assert {"memory_mb", "libc"} <= chip.unknown().keys()
    assert not {"tops", "devices", "versions"} & chip.unknown().keys()
    for target in ALL:
        facts = target.about.facts
        assert facts.unknown().keys() | facts.known().keys() >= targets.WANTED.keys()
        assert not facts.unknown().keys() & facts.known().keys()


def test_every_chip_of_a_recipe_has_a_file() -> None:
    written = {chip for recipe in RECIPES.values() for chip in recipe.about.chips}
    assert written == {target.chip for target in CHIPS}


def test_the_page_names_the_chips_whose_architecture_nobody_knows() -> None:
    """They get the model alone, and nothing else of them may want an architecture."""
    page = (Path(__file__).parents[2] / "docs/how-to/chips.md").read_text()
    (sentence,) = re.findall(r"architecture of (.*?) is not known", page, re.DOTALL)
    without = [target for target in ALL if target.known_arch is None]
    assert {target.id for target in without} == set(re.findall(r"`(\w+)`", sentence))
    for target in without:
        assert "arch" in target.about.facts.unknown()
        assert any("No `arch` is given" in note for note in target.about.notes)
        for runtime in target.about.runtimes:
            assert "the converted model alone" in program_with(runtime, target)
