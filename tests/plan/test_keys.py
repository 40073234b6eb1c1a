"""What each key of the manifest, each file and each part of edgepack's own code makes a build do again."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgepack.catalog import recipes
from edgepack.errors import InputError
from edgepack.manifest import project as manifest
from edgepack.plan.build import plan_build
from edgepack.plan.snapshot import Here, Snapshot, take
from edgepack.store import Store

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
MANIFEST = """\
name: digits
version: 1.0.0
model:
  file: model/lenet.onnx
  golden: data/golden.npz
  calibration: {data: data/golden.npz, samples: 64}
  accuracy: {metric: {code: train/right.py, entry: right}, data: data/val/, max_drop: 0.01}
  split: {at: flatten1, before: [board], after: [server]}
pre:
  - resize: {size: [28, 28]}
targets:
  board: {precision: int8}
  server: {precision: int8}
"""
BOARD = "name: A board\nfacts:\n  arch: {value: x86_64, source: made up}\nruntimes: [onnxruntime]\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    for name in ("data/val", "model", "train", "targets"):
        (folder / name).mkdir(parents=True)
    for name in ("model/lenet.onnx", "data/golden.npz"):
        shutil.copyfile(DIGITS / name, folder / name)
    (folder / "train" / "right.py").write_text("def right(records, labels):\n    return 1.0\n")
    (folder / "data" / "val" / "labels.csv").write_text("file,label,reference\n")
    for target in ("board", "server"):
        (folder / "targets" / f"{target}.yaml").write_text(BOARD)
    (folder / "edgepack.yaml").write_text(MANIFEST)
    return folder


def look(folder: Path) -> Snapshot:
    loaded = manifest.load(folder)
    here = Here({"x86_64": "this machine"}, "x86_64", {}, frozenset({"ncnn"}))
    store = Store(folder / "no-store")
    return take(loaded, tuple(loaded.manifest.targets), store, frozenset(), recipes.load_all(folder), here)


def keys(snapshot: Snapshot) -> dict[str, str]:
    plan = plan_build(snapshot)
    return {f"{t}/{slot}": plan.steps[s].key for t, chain in plan.chains.items() for slot, s in chain.items()}


def replace(old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / "edgepack.yaml").read_text()
        assert text.count(old) == 1
        (folder / "edgepack.yaml").write_text(text.replace(old, new))

    return change


def append(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b"\n")


HELD = {"convert", "parity", "model"}  # a conversion to 8 bits is held to its gates while it is made
FED = {"feed", *HELD}
CHANGES = {
    "the metric's function": (append("train/right.py"), HELD),
    "the metric": (replace("metric: {code: train/right.py, entry: right}", "metric: top1"), HELD),
    "how far it may drop": (replace("max_drop: 0.01", "max_drop: 0.02"), HELD),
    "the data that it is measured on": (append("data/val/labels.csv"), FED),
    "how much is calibrated with": (replace("samples: 64", "samples: 32"), FED),
    "the golden vectors": (append("data/golden.npz"), FED),
    "a gate": (lambda f: append_text(f, "parity: {cosine: 0.9}\n"), HELD),
    "pre": (replace("[28, 28]", "[27, 28]"), {"blocks", *FED}),
    "the version": (replace("1.0.0", "1.0.1"), {"parity", "model"}),
    "the model's shapes": (
        replace("  golden:", "  shapes: {image: [1, 1, 28, 28]}\n  golden:"),
        {"prepare", "blocks", *FED},
    ),
    "where the model is cut": (replace("at: flatten1", "at: pool2"), {"prepare", "blocks", *FED}),
    "what the box watches": (lambda f: append_text(f, "source: {path: new}\n"), set()),
}


def append_text(folder: Path, text: str) -> None:
    with (folder / "edgepack.yaml").open("a") as file:
        file.write(text)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(name: str, project: Path) -> None:
    change, stages = CHANGES[name]
    before = keys(look(project))
    change(project)
    after = keys(look(project))
    changed = {slot for slot in before if before[slot] != after.get(slot)}
    assert {slot.partition("/")[2].partition(":")[0] for slot in changed} == stages
    assert {slot.partition("/")[0] for slot in changed} in ({"board", "server"}, set())


CODE = {
    "edgepack/model": FED,  # what runs `pre` and `post`, picks samples, and measures boxes
    "edgepack/convert": {"parity", "model"},
    "edgepack/convert/feed": FED,
    "edgepack/compile": {"blocks", *FED},
    "edgepack/package": {"model"},
}


@pytest.mark.parametrize("name", CODE)
def test_a_change_of_edgepack_itself_reruns_what_it_decides(name: str, project: Path) -> None:
    snapshot = look(project)
    before, after = keys(snapshot), keys(dataclasses.replace(snapshot, code={**snapshot.code, name: "other"}))
    changed = {slot.partition("/")[2].partition(":")[0] for slot in before if before[slot] != after[slot]}
    assert changed == CODE[name]


def test_the_code_that_decides_is_all_looked_at(project: Path) -> None:
    assert set(look(project).code) >= set(CODE)


BLOCKS = "digits/blocks:parts"
NOT_SPLIT = {
    "before: [board], after: [board]": ("board is to get both parts", "name it in one list"),
    "before: [bord], after: [server]": ("digits is not made for `bord`", "did you mean `board`?"),
    "before: [board], after: [cloud]": ("digits is not made for `cloud`", "its targets: board, server"),
}


@pytest.mark.parametrize("lists", NOT_SPLIT)
def test_the_lists_of_a_split_are_held_to_the_targets(lists: str, project: Path) -> None:
    replace("before: [board], after: [server]", lists)(project)
    with pytest.raises(InputError) as told:
        plan_build(look(project))
    (problem,) = told.value.problems
    message, hint = NOT_SPLIT[lists]
    assert (problem.message, hint in str(problem.hint), problem.line) == (message, True, 8)


def test_a_target_in_neither_list_gets_the_whole(project: Path) -> None:
    replace("  server: {precision: int8}\n", "  server: {}\n  third: {}\n")(project)
    (project / "targets" / "third.yaml").write_text(BOARD)
    plan = plan_build(look(project))
    assert plan.choices["third"].part is None
    assert "in neither list" in plan.choices["third"].because["split"]
    assert plan.step("third", "prepare").id == "digits/prepare"
    assert plan.chains["board"]["prepare:after"] == plan.chains["server"]["prepare"] == "digits/prepare:after"
    assert "prepare:before" in plan.chains["server"]
    blocks = {target: plan.chains[target].get("blocks") for target in ("board", "server", "third")}
    assert blocks == {"board": BLOCKS, "server": BLOCKS, "third": "digits/blocks"}
