"""A recipe tried on operators: what was found before is kept by the lock, the recipe's code and the model."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from bench.operators.cases import Case
from edgepack.catalog.recipes import Recipe, kit
from edgepack.convert import recipe as running
from edgepack.errors import EdgepackError
from edgepack.tools import cache, uv
from edgepack.tools.runner import Command, run

FLOATS = ("fp32", "fp16", "bf16")
CHIPS = {"onnx-rknn": "rk3588", "onnx-bmodel": "bm1684x"}  # the widest of each maker's; else the first
ARCH = {"onnx-paddlelite": "aarch64"}  # what it is for; TVM's is computed, so it is this host's
# Imported once for all models. Not for nncase, which may not be loaded beside ONNX Runtime.
WARM = {
    "onnx-rknn": ("no_torch:stand_in", "onnxruntime", "rknn.api"),
    "onnx-mnn": ("onnxruntime", "onnx", "MNN.expr", "MNN.nn", "_tools"),
    "onnx-ncnn": ("onnxruntime", "onnx", "ncnn"),
    "onnx-paddlelite": ("onnxruntime", "onnx", "paddle"),
    "onnx-onnxruntime": ("onnxruntime.transformers.float16",),
    "onnx-openvino": ("openvino", "onnxruntime"),
    "onnx-tflite": ("onnx2tf", "ai_edge_litert.interpreter"),
}
PARTS = 8  # conversions that one process answers for
BATCH = Path(__file__).with_name("batch.py")


@dataclass(frozen=True)
class Found:
    """What came of a case. state: agrees, refused, wrong, crashed; aside: it says nothing of the operator."""

    state: str
    words: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Way:
    """A recipe, and how its operators are tried."""

    recipe: Recipe
    precision: str
    chip: str | None

    @classmethod
    def of(cls, recipe: Recipe) -> Way | None:
        """In the recipe's first floating-point precision; None where it has none."""
        for said in recipe.about.precisions:
            if said.name in FLOATS:
                chips = said.chips or list(recipe.about.chips)
                wanted = CHIPS.get(recipe.id)
                return cls(recipe, said.name, wanted if wanted in chips else next(iter(chips), None))
        return None

    @property
    def store(self) -> Path:
        """Where its results lie: one file for each lock, code of the recipe, and precision."""
        digest = hashlib.sha256(f"{self.precision} {self.chip}".encode() + self.recipe.lock.read_bytes())
        for file in sorted(self.recipe.folder.glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return cache.root() / "operators" / f"{self.recipe.id}-{digest.hexdigest()[:16]}.json"


def tried(way: Way, cases: Sequence[Case], timeout_s: int, told: Callable[[str], None]) -> dict[str, Found]:
    """What came of each case, by its id; kept results are not made again."""
    models = {case.id: case.build() for case in cases}
    keys = {name: _key(name, model) for name, model in models.items()}
    known = _read(way.store)
    missing = [case for case in cases if keys[case.id] not in known and _takes(way, case)]
    for part in _parts(missing):
        fresh = _batch(way, part, models, timeout_s)
        for case in part:
            if fresh[case.id].state == "crashed":  # in the batch: once more alone, as edgepack does it
                fresh[case.id] = _alone(way, models[case.id], fresh[case.id])
        known |= {keys[name]: found for name, found in fresh.items()}
        _write(way.store, known)
        told(f"{way.recipe.id}: " + ", ".join(f"{name} {found.state}" for name, found in fresh.items()))
    return {case.id: known.get(keys[case.id], _beyond(way, case)) for case in cases}


def kept(way: Way, cases: Sequence[Case]) -> dict[str, Found]:
    """What was found before, by the case's id; a case that was not tried is left out."""
    known = _read(way.store)
    keys = {case.id: _key(case.id, case.build()) for case in cases}
    found = {case.id: known[keys[case.id]] for case in cases if keys[case.id] in known}
    beyond = {case.id: _beyond(way, case) for case in cases if not _takes(way, case)}
    return {**beyond, **found} if found else {}


def afresh(way: Way, case: Case, timeout_s: int) -> Found:
    """One case, whatever was found before."""
    return _batch(way, [case], {case.id: case.build()}, timeout_s)[case.id]


def _takes(way: Way, case: Case) -> bool:
    opsets = way.recipe.about.opsets
    return opsets is None or case.opset <= opsets.max


def _beyond(way: Way, case: Case) -> Found:
    most = way.recipe.about.opsets.max if way.recipe.about.opsets else 0
    return Found("aside", f"it came with opset {case.opset}, and the recipe takes {most} at most")


def _parts(cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    for start in range(0, len(cases), PARTS):
        yield cases[start : start + PARTS]


def _batch(
    way: Way, cases: Sequence[Case], models: dict[str, onnx.ModelProto], timeout_s: int
) -> dict[str, Found]:
    with tempfile.TemporaryDirectory(prefix="edgepack-operators-") as temporary:
        folder = Path(temporary)
        jobs = [
            _job(way, folder / str(n), case.id, models[case.id], timeout_s) for n, case in enumerate(cases)
        ]
        asked = {
            "kit": str(kit()),
            "recipe": str(way.recipe.folder),
            "warm": WARM.get(way.recipe.id, ()),
            "memory_mb": way.recipe.about.memory_mb,
            "answers": str(folder / "answers.jsonl"),
            "jobs": jobs,
        }
        (folder / "asked.json").write_text(json.dumps(asked))
        python = uv.environment(way.recipe.lock, way.recipe.about.python)
        run(_command(way, python, folder, timeout_s * (len(jobs) + 1)))
        return {str(job["id"]): _found(job, _answers(folder / "answers.jsonl")) for job in jobs}


def _job(way: Way, folder: Path, name: str, model: onnx.ModelProto, timeout_s: int) -> dict[str, Any]:
    for made in (folder / "out", folder / "work"):
        made.mkdir(parents=True)
    onnx.save(model, str(folder / "model.onnx"))
    request = {
        "model": str(folder / "model.onnx"),
        "precision": way.precision,
        "out": str(folder / "out"),
        "work": str(folder / "work"),
        "chip": way.recipe.chip(way.chip),
        "options": {"arch": ARCH.get(way.recipe.id, "x86_64")},
    }
    return {"id": name, "request": request, "log": str(folder / "log"), "timeout_s": timeout_s}


def _command(way: Way, python: Path, folder: Path, timeout_s: int) -> Command:
    env = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder)}
    env |= {"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    env |= {"STEADY": "1"}  # no program is to start itself anew for the same addresses in each run
    env |= {"OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    words = (*running.without_network(), "nice", "-n", "10", str(python), "-I", str(BATCH))
    return Command((*words, str(folder / "asked.json")), folder, env, only_env=True, timeout_s=timeout_s)


def _answers(file: Path) -> dict[str, dict[str, Any]]:
    lines = file.read_text().splitlines() if file.is_file() else []
    return {row["id"]: row for row in map(json.loads, lines)}


def _found(job: dict[str, Any], answers: dict[str, dict[str, Any]]) -> Found:
    answer = answers.get(job["id"], {"ended": "the batch ended before it", "seconds": 0.0})
    seconds, ended = float(answer["seconds"]), str(answer["ended"])
    file = Path(job["request"]["out"]) / "report.json"
    if ended == "timeout":
        return Found("crashed", f"no end in {job['timeout_s']} s", seconds)
    if not file.is_file():
        noise = Path(job["log"]).read_text(errors="replace") if Path(job["log"]).is_file() else ""
        last = next((line for line in reversed(noise.splitlines()) if line.strip()), "")
        return Found("crashed", _plain(f"{ended}: {last}"), seconds)
    report = json.loads(file.read_text())
    if report["ok"]:
        return Found("agrees", "", seconds)
    return Found(*_sorted(report["error"]), seconds)


def _sorted(error: dict[str, str]) -> tuple[str, str]:
    """The state and the words of a refusal."""
    words = _plain(". ".join(part for part in (error["what"], error["why"]) if part))
    if re.search(r"exit code|wrote no model", words):
        words = _plain(f"{words}: {_complaint(error['detail'])}")
    if error["kind"] == "parity":
        return "wrong", words
    if error["kind"] in ("not-a-model", "unsupported-input"):
        return "aside", words
    ended = re.search(
        r"ended by SIG|did not finish|does not survive|\[MNN crashed\]", words + error["detail"]
    )
    return ("crashed" if ended else "refused"), words


def _complaint(detail: str) -> str:
    """The line of a tool's own words that says most, else the last one."""
    lines = [line.strip(" -#*=") for line in detail.splitlines()]
    told = [line for line in lines if re.search(r"(?i)not support|unsupport|not implement|Error: ", line)]
    return next(iter(told or [line for line in reversed(lines) if line and line[0] != "["]), "")


def _alone(way: Way, model: onnx.ModelProto, before: Found) -> Found:
    """The same by ``edgepack.convert.recipe``, in processes of its own: a crash there is the tool's."""
    with tempfile.TemporaryDirectory(prefix="edgepack-operators-") as temporary:
        folder = Path(temporary)
        (folder / "out").mkdir()
        onnx.save(model, str(folder / "model.onnx"))
        options = {"arch": ARCH.get(way.recipe.id, "x86_64")}
        request = running.Request(
            folder / "model.onnx", way.precision, folder / "out", options=options, chip=way.chip
        )
        try:
            running.convert(way.recipe, request, folder / "log", lambda _line: None)
        except EdgepackError as error:
            words = _plain(". ".join(part for part in (error.what, error.why) if part))
            return Found("crashed", words or before.words, before.seconds)
        return Found("agrees", "", before.seconds)


def _plain(words: str) -> str:
    """One line, without this host's folders."""
    return re.sub(r"(?:/[\w.+-]+){2,}/?", "…", " ".join(words.split()))[:300]


def _key(name: str, model: onnx.ModelProto) -> str:
    return f"{name} {hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()[:16]}"


def _read(file: Path) -> dict[str, Found]:
    if not file.is_file():
        return {}
    return {key: Found(**row) for key, row in json.loads(file.read_text()).items()}


def _write(file: Path, known: dict[str, Found]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps({key: asdict(found) for key, found in known.items()}, indent=1))
    unfinished.replace(file)
