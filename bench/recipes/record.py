"""docs/proof/recipes.json: what came of each case that was measured, when, at which commit and of what.

It is committed, so that a table of hours is not measured again on each machine. One line a case.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.operators.page import MARK
from bench.recipes.networks import SHAPES
from edgepack.catalog.recipes import Recipe, kit
from edgepack.convert.check import Shown
from edgepack.store import digest_of

FILE = Path(__file__).resolve().parents[2] / "docs" / "proof" / "recipes.json"
# Of the kit, what recipes lean on to convert. The blocks are for building boxes.
KIT = "edgepack_recipe"
# Of the reference recipe, what says how near two sets of outputs are.
COMPARES = {"near.py", "requirements.txt"}


@dataclass(frozen=True)
class Record:
    """One measured case. of: the digest of the recipe, the kit and the network that it was measured with."""

    state: str
    cosine: float | None
    bytes: int
    seconds: float
    peak_mb: int
    why: str
    commit: str
    date: str
    of: str

    @classmethod
    def made(cls, shown: Shown, commit: str, date: str, of: str) -> Record:
        seconds = round(shown.seconds, 1)
        cosine = None if shown.cosine is None else round(shown.cosine, 6)
        return cls(shown.state, cosine, shown.bytes, seconds, shown.peak_mb, shown.why, commit, date, of)


def load(file: Path = FILE) -> dict[str, Record]:
    """All that is kept, by the rows' keys."""
    if not file.is_file():
        return {}
    return {key: Record(**found) for key, found in json.loads(file.read_text()).items()}


def save(known: Mapping[str, Record], file: Path = FILE) -> None:
    """The file is replaced in one go."""
    lines = [f"{json.dumps(key)}: {json.dumps(asdict(known[key]))}" for key in sorted(known)]
    unfinished = file.with_name(f".{file.name}")
    unfinished.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    unfinished.replace(file)


def digest(recipe: Recipe, prepare: Recipe, network: str, kits: Path | None = None) -> str:
    """Of all that decides what a case measures: the recipe, the kit, the network, and what compares."""
    folders = [recipe.folder, (kits or kit()) / KIT]
    folders += [SHAPES / "model", SHAPES / "data"] if network == "shapes" else [prepare.folder / "check"]
    compares = [each for each in _files(prepare.folder) if each[0] in COMPARES]
    return digest_of([compares, *(list(_files(folder)) for folder in folders)])[:16]


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """Names and digests; of a recipe.yaml without what `make operators` writes behind all else."""
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        if file.suffix in {".md", ".in", ".pyc"}:
            continue
        data = file.read_bytes()
        if file.name == "recipe.yaml":
            data = data.split(MARK.encode())[0].rstrip(b"\n")
        yield file.relative_to(folder).as_posix(), hashlib.sha256(data).hexdigest()
