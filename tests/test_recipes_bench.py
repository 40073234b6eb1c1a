"""The bench of the recipes: what it keeps, what it measures first, and the page."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.recipes import __main__ as bench
from bench.recipes import record
from bench.recipes.page import page
from bench.recipes.record import Record
from bench.recipes.rows import Row, drawn, in_turn, rows
from edgepack.catalog import recipes
from edgepack.convert.check import Shown
from edgepack.convert.state import lacks
from edgepack.plan.chain import PREPARE

KNOWN = recipes.load_all(None)
EVERY = list(rows(KNOWN))
HERE = [row for row in EVERY if not lacks(row.recipe)]
SHOWN = Shown(HERE[0].case, True, "verified on emulator or simulator (x)", 0.99999949, 1234567, 2.34, 56)


def kept(of: str = "now", state: str = "") -> Record:
    made = Record.made(SHOWN, "abc1234", "2026-11-21", of)
    return replace(made, state=state or made.state)


def test_every_row_has_a_key_of_its_own_and_what_is_kept_is_of_such_rows() -> None:
    keys = [row.key for row in EVERY]
    assert len(set(keys)) == len(keys)
    assert set(record.load()) <= set(keys)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "recipes.json"
    assert record.load(file) == {}
    record.save({"b": kept(), "a": kept("then")}, file)
    assert record.load(file) == {"a": kept("then"), "b": kept()}
    assert [line[:3] for line in file.read_text().splitlines()[1:-1]] == ['"a"', '"b"']
    assert sorted(p.name for p in tmp_path.iterdir()) == ["recipes.json"]


def test_the_page_says_where_a_case_was_measured_and_which_are_old() -> None:
    new, old, *_ = HERE
    away = next(row for row in EVERY if lacks(row.recipe))
    text = page([new, old, HERE[2], away], {new.key: kept(), old.key: kept("then")}, lambda _row: "now")
    assert "4 cases: 2 measured, 1 that need a vendor's SDK, 1 not measured yet." in text
    assert "1 of the measured are of an older recipe" in text
    lines = text.splitlines()[-4:]
    assert lines[0].endswith(
        "| verified on emulator or simulator (x) | 0.999999 | 1,235 | 2.3 | 56 | abc1234 |"
    )
    assert lines[1].endswith("| abc1234† |")
    assert "| not measured yet |" in lines[2]
    assert "| by contract only: needs " in lines[3]


def test_the_digest_follows_the_recipe_but_not_what_operators_writes(tmp_path: Path) -> None:
    recipe = KNOWN["onnx-ncnn"]
    copy = replace(recipe, folder=tmp_path / recipe.id)
    shutil.copytree(recipe.folder, copy.folder)
    before = record.digest(recipe, KNOWN[PREPARE], "lenet")
    yaml = copy.folder / "recipe.yaml"
    yaml.write_text(yaml.read_text() + "    fix: another\n")
    assert record.digest(copy, KNOWN[PREPARE], "lenet") == before
    assert record.digest(recipe, KNOWN[PREPARE], "shapes") != before
    yaml.write_text("# another\n" + yaml.read_text())
    assert record.digest(copy, KNOWN[PREPARE], "lenet") != before


def test_the_quick_ones_are_first() -> None:
    turn = [row.recipe.id for row in in_turn(HERE)]
    rest = [name for name in turn if name not in {"onnx-rknn", "onnx-bmodel"}]
    assert turn[: len(rest)] == rest
    assert turn[-1] == "onnx-bmodel"


def test_a_slice_is_the_same_each_time_and_leaves_out_what_must_fail() -> None:
    names = [row.key for row in drawn(EVERY, 3, 7)]
    assert names == [row.key for row in drawn(EVERY, 3, 7)]
    assert len({name.split()[0] for name in names}) == 3
    assert not any(row.is_refused for row in drawn(EVERY, len(EVERY), 7))


@pytest.mark.parametrize(
    ("words", "measured"),
    [([], [2]), (["--stale"], [2, 1, 3]), (["--page"], []), (["--stale", "again"], [3])],
)
def test_first_what_is_missing_then_what_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], measured: list[int]
) -> None:
    """The measuring itself is `make recipes-slice`; here each case comes back at once."""
    ours = [row for row in EVERY if row.recipe.id == "onnx-ncnn"]
    assert len(ours) >= 4
    asked: list[str] = []

    def shown(_place: bench.Place, row: Row) -> Shown:
        asked.append(row.key)
        state = "failed" if row is turn[3] else SHOWN.state
        return replace(SHOWN, case=row.case, ok=state != "failed", state=state)

    file = tmp_path / "recipes.json"
    turn = in_turn(ours)
    known = {turn[0].key: bench.Place(KNOWN, tmp_path).digest(turn[0])}
    start = {row.key: kept(known.get(row.key, "then")) for row in turn if row is not turn[2]}
    start[turn[3].key] = replace(kept(), state="failed", of=bench.Place(KNOWN, tmp_path).digest(turn[3]))
    record.save({key: start[key] for key in list(start)}, file)
    load, save = record.load, record.save
    monkeypatch.setattr(bench, "rows", lambda _known: turn[:4])
    monkeypatch.setattr(record, "load", lambda: load(file))
    monkeypatch.setattr(record, "save", lambda found: save(found, file))
    monkeypatch.setattr(bench, "PAGE", tmp_path / "recipes.md")
    monkeypatch.setattr(bench, "_commit", lambda: "abc1234")
    monkeypatch.setattr(bench.Place, "shown", shown)
    if "again" in words:
        bench.main(["--stale"])
        asked.clear()
    code = bench.main([word for word in words if word != "again"])
    assert [turn.index(next(r for r in turn if r.key == key)) for key in asked] == measured
    assert code == 1, "one of them failed"
    assert (tmp_path / "recipes.md").read_text().count("| failed") == 1
