"""Every target × recipe × precision on this host: ``python -m bench.recipes [--slice N] [--seed S]``.

Each recipe converts a trained network in each precision for each chip that it names, and where a simulator
or the tool's own runtime is here, that computes the network's own inputs: the least cosine of all outputs
and samples against ONNX Runtime in fp32, the size of the files, seconds, and the most memory that the
converter had. Two networks: LeNet-5 (recipes/onnx/check) and examples/shapes, a detector with three heads.

Without ``--slice`` all of it, into docs/proof/recipes.md: what was measured is kept in the cache, by the
digests of recipe, kit and network, so that what was stopped goes on and a change costs what it touches.
With it, N cases drawn by the seed, measured anew, and exit code 1 where one does not hold. What a vendor's
SDK must do is *by contract only* here.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edgepack.catalog import recipes, targets
from edgepack.catalog.recipes import Recipe
from edgepack.catalog.targets import Target
from edgepack.convert import check
from edgepack.convert.check import Bench, Case, Shown
from edgepack.convert.state import lacks
from edgepack.plan.chain import PREPARE
from edgepack.store import digest_of, digest_tree
from edgepack.tools import cache
from edgepack.tools.runner import command, run

ROOT = Path(__file__).resolve().parent.parent
BY_CONTRACT, NOT_YET = "by contract only", "not measured yet"
PAGE = ROOT / "docs" / "proof" / "recipes.md"
SHAPES = ROOT / "examples" / "shapes"
GOLDEN = 8  # of its golden pictures: simulators take seconds for each
# Refused in words, as it must be on this host: for people to read in the table, not for a slice to draw.
REFUSED = {
    ("onnx-paddlelite", precision, "lenet"): "Paddle Lite for x86 lacks an operator of this network"
    for precision in ("fp32", "w8")
}
HEAD = """# Every chip converts, and proves it

Written by `{command}` at commit {commit}, {date}.
Parity is the least cosine of all outputs and samples against ONNX Runtime in fp32 on the trained network.
Seconds and memory are those of the converter: processor time of all cores of an x86-64 machine, and the
most resident memory of one process. Not one of these ran on a chip: where a simulator or the tool's own
runtime on this host computed it, it is named; all else is *by contract only*. {missing}
"""


@dataclass(frozen=True)
class Row:
    """One case on one network, and the targets that it is for."""

    recipe: Recipe
    case: Case
    network: str
    targets: tuple[str, ...]


def main(words: Sequence[str]) -> int:
    """The page, or a slice; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.recipes")
    parser.add_argument("--slice", type=int, default=0, help="only so many cases")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--recipe", action="append", default=[], help="only this recipe")
    parser.add_argument("--network", choices=["lenet", "shapes"], help="only this one")
    parser.add_argument("--seconds", type=int, default=0, help="measure no further case after so many")
    asked = parser.parse_args(words)
    began = time.monotonic()
    known = recipes.load_all(None)
    with tempfile.TemporaryDirectory(prefix="edgepack-recipes-") as temporary:
        networks = {"lenet": known[PREPARE].folder / "check", **_detector(Path(temporary))}
        every = [
            row
            for row in rows(known, list(networks))
            if row.recipe.id in (asked.recipe or [row.recipe.id])
            and row.network in (asked.network or row.network)
        ]
        chosen = drawn(every, asked.slice, asked.seed) if asked.slice else every
        if asked.slice:
            names = "; ".join(f"{r.recipe.id} {r.case} ({r.network})" for r in chosen)
            print(f"a slice of {len(chosen)} of {len(every)} cases, seed {asked.seed}: {names}")
        found: dict[int, Shown] = {}
        for number in _in_turn(chosen):
            row, over = chosen[number], 0 < asked.seconds < time.monotonic() - began
            if asked.slice:
                found[number] = _shown(row, known, networks, Path(temporary))
            else:
                found[number] = _kept(row, known, networks, Path(temporary), measure=not over)
            print(_line(row, found[number]), flush=True)
        shown = [(row, found[number]) for number, row in enumerate(chosen)]
    refused = {(row.recipe.id, row.case.precision, row.network) for row, _ in shown} & REFUSED.keys()
    failed = [
        row
        for row, result in shown
        if result.state == "failed" and (row.recipe.id, row.case.precision, row.network) not in refused
    ]
    if not asked.slice:
        PAGE.write_text(page(shown, f"python -m bench.recipes {' '.join(words)}".strip()))
        print(f"{PAGE.relative_to(ROOT)}: {len(shown)} cases, {len(failed)} failed")
    return 1 if failed else 0


def _in_turn(chosen: Sequence[Row]) -> list[int]:
    """The small network first, and the recipes for many chips last: what is stopped has shown the most."""
    size = Counter(row.recipe.id for row in chosen)
    return sorted(range(len(chosen)), key=lambda n: (chosen[n].network != "lenet", size[chosen[n].recipe.id]))


def rows(known: dict[str, Recipe], networks: Sequence[str]) -> Iterator[Row]:
    """Every case there is, the networks of each in turn."""
    there = list(targets.load_all(None))
    for recipe in known.values():
        if recipe.about.loads_on is None:
            continue
        for case in check.cases(recipe):
            for network in networks if recipe.about.from_ == "onnx" else networks[:1]:
                yield Row(recipe, case, network, tuple(t.id for t in there if _is_for(t, recipe, case)))


def _is_for(target: Target, recipe: Recipe, case: Case) -> bool:
    assert recipe.about.loads_on is not None
    return recipe.about.loads_on.runtime in target.about.runtimes and case.chip in (None, target.chip)


def drawn(every: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Cases that this host can show, one a recipe as far as that goes."""
    here = [row for row in every if not lacks(row.recipe) and row.recipe.about.simulator]
    here = [row for row in here if (row.recipe.id, row.case.precision, row.network) not in REFUSED]
    random.Random(seed).shuffle(here)
    first = {row.recipe.id: row for row in reversed(here)}
    ones = list(first.values())
    if count <= len(ones):
        return random.Random(seed).sample(ones, count)
    return [*ones, *(row for row in here if row is not first[row.recipe.id])][:count]


def _kept(
    row: Row, known: dict[str, Recipe], networks: dict[str, Path], temporary: Path, *, measure: bool
) -> Shown:
    """What was measured of the same before; else now, where that is wanted."""
    network = digest_tree(networks[row.network]) if row.network == "lenet" else digest_tree(SHAPES / "data")
    parts = [row.recipe.digest(), known[PREPARE].digest(), str(row.case), row.network, network]
    file = cache.root() / "bench" / "recipes" / f"{digest_of(parts)}.json"
    if file.is_file():
        return Shown(row.case, **json.loads(file.read_text()))
    if not measure and not lacks(row.recipe):
        return Shown(row.case, False, NOT_YET)
    found = _shown(row, known, networks, temporary)
    if found.state != BY_CONTRACT or not lacks(row.recipe):
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in asdict(found).items() if name != "case"}
        file.write_text(json.dumps(kept))
    return found


def _shown(row: Row, known: dict[str, Recipe], networks: dict[str, Path], temporary: Path) -> Shown:
    lack = lacks(row.recipe)
    if lack:
        return Shown(row.case, False, BY_CONTRACT, why=f"needs {lack}")
    bench = Bench(known[PREPARE], temporary / "log", lambda _line: None, {}, networks[row.network])
    return check.check(row.recipe, row.case, bench)


def _detector(temporary: Path) -> dict[str, Path]:
    """examples/shapes as a network to check with: its model, inputs, and what ONNX Runtime makes of them."""
    folder = temporary / "shapes"
    folder.mkdir()
    (model,) = (SHAPES / "model").glob("*.onnx")
    shutil.copyfile(model, folder / check.MODEL)
    session = ort.InferenceSession(str(model))
    (wanted,) = session.get_inputs()
    inputs = _prepared(np.load(SHAPES / "data" / "golden.npz")["input"][:GOLDEN])
    names = [output.name for output in session.get_outputs()]
    made = [session.run(names, {wanted.name: inputs[i : i + 1]}) for i in range(len(inputs))]
    pictures = [_picture(file) for file in sorted((SHAPES / "data" / "calib").glob("*.ppm"))]
    np.savez(folder / check.CALIBRATION, **{wanted.name: _prepared(np.stack(pictures))})
    np.savez(folder / check.INPUTS, **{wanted.name: inputs})
    np.savez(
        folder / check.OUTPUTS,
        **{n: np.concatenate(o) for n, o in zip(names, zip(*made, strict=True), strict=True)},
    )
    return {"shapes": folder}


def _prepared(pictures: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 3) → float32 (N, 3, 160, 160), by the pipeline that the detector was trained with."""
    spec = importlib.util.spec_from_file_location("shapes_pipeline", SHAPES / "train" / "pipeline.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prepared: np.ndarray = module.prepare(pictures)
    return prepared.astype(np.float32)


def _picture(file: Path) -> np.ndarray:
    """A binary PPM with 8 bits, as examples/shapes writes them: uint8 (H, W, 3)."""
    data = file.read_bytes()
    magic, width, height, most = data.split(maxsplit=4)[:4]
    assert (magic, most) == (b"P6", b"255")
    shape = int(height), int(width), 3
    return np.frombuffer(data[-math.prod(shape) :], np.uint8).reshape(shape)


def _line(row: Row, result: Shown) -> str:
    numbers = f"cosine {result.cosine:.6f}, " if result.cosine is not None else ""
    size = (
        f"{result.bytes / 1e3:,.0f} kB, {result.seconds:.1f} s, {result.peak_mb} MB" if result.bytes else ""
    )
    return (
        f"{row.recipe.id:<18} {row.case!s:<24} {row.network:<7} {result.state} {numbers}{size} {result.why}"
    )


def page(shown: Sequence[tuple[Row, Shown]], how: str) -> str:
    """The table, as Markdown."""
    done = run(command("git", "-C", ROOT, "rev-parse", "--short", "HEAD"))
    count = sum(result.state == NOT_YET for _, result in shown)
    head = HEAD.format(
        command=how,
        commit=done.text().strip(),
        date=datetime.now(UTC).date().isoformat(),
        missing=f"{count} of {len(shown)} cases are not measured yet." if count else "",
    )
    lines = [head, "| recipe | precision | chip | targets | network | state here | cosine | kB | s | MB |"]
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    for row, result in shown:
        cosine = f"{result.cosine:.6f}" if result.cosine is not None else ""
        numbers = [f"{result.bytes / 1e3:,.0f}", f"{result.seconds:.1f}", str(result.peak_mb)]
        state = (
            result.state if result.state != BY_CONTRACT or not result.why else f"{result.state}: {result.why}"
        )
        state = f"{state}: {result.why}" if result.state == "failed" else state
        cells = [
            row.recipe.id,
            row.case.precision,
            row.case.chip or "",
            ", ".join(row.targets),
            row.network,
            state,
        ]
        cells += [cosine, *(numbers if result.bytes else ["", "", ""])]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
