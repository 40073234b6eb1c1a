"""A copy of an example in which one thing can be made wrong, and ``edgepack parity`` as its user runs it."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.faults import scenes
from edgepack.tools.runner import command, run

ROOT = Path(__file__).resolve().parents[2]
WRAPPER = Path(__file__).with_name("wrapper.py")
TOOLKITS = ("onnxruntime", "openvino", "mnn")
MEAN = {
    "digits": ("mean: [0.5]", "mean: [127.5]"),
    "shapes": ("mean: [0.605, 0.489, 0.364]", "mean: [154.275, 124.695, 92.82]"),
}
FEWEST, MOST = 32, 128  # calibration images
CPP = """#include <edgepack/edgepack.h>

edgepack::Tensor fault(const edgepack::Tensor& given) {{
  edgepack::Tensor made = given;
  const std::size_t channels = given.shape[0], plane = given.data.size() / channels;
  for (std::size_t c = 0; c < channels; ++c) {{
    for (std::size_t i = 0; i < plane; ++i) {{
      made.data[{to}] = given.data[c * plane + i];
    }}
  }}
  return made;
}}
"""
REVERSED, INTERLEAVED = "(channels - 1 - c) * plane + i", "i * channels + c"


@dataclass(frozen=True)
class Case:
    """What is made wrong, where. fault: "" is a healthy build; at: 0..1, which layer, class or sample."""

    network: str
    toolkit: str
    fault: str
    precision: str
    at: float

    def __str__(self) -> str:
        return f"{self.network}/{self.toolkit}/{self.precision}: {self.fault or 'healthy'} at {self.at:.3f}"


@dataclass(frozen=True)
class Told:
    """What edgepack made of it: whether a gate failed, the stage, the cause's key, and all warnings."""

    failed: bool
    stage: str
    cause: str
    warnings: str
    words: str


def told(case: Case, folder: Path) -> Told:
    """Make the project wrong, and ask. ``folder`` is kept between cases of one network."""
    project = folder / case.network
    shutil.rmtree(project / "recipes", ignore_errors=True)
    _fresh(case, project)
    _spoil(case, project)
    argv = (sys.executable, "-m", "edgepack", "-C", project, "parity", "x86_64", "--json", "-q")
    done = run(command(*argv, timeout_s=1200))
    page = project / "dist" / f"{case.network}@x86_64.parity.json"
    report: dict[str, Any] = json.loads(page.read_text()) if page.is_file() else {}
    cause = report.get("cause") or {}
    return Told(
        failed=done.returncode != 0,
        stage=str(report.get("fault") or ""),
        cause=str(cause.get("key") or ""),
        warnings=" ".join(map(str, report.get("warnings") or [])),
        words=str(cause.get("words") or "")
        or (_last(done.text()) if done.returncode else str(report.get("state") or "")),
    )


def _last(text: str) -> str:
    """The error's own words, or the end of what there is where it is none."""
    try:
        error = json.loads(text)
        return f"{error['what']}; {error['why']}"
    except (ValueError, KeyError, TypeError):
        return text.strip()[-300:].replace("\n", " ")


def _fresh(case: Case, project: Path) -> None:
    example = ROOT / "examples" / case.network
    skipped = shutil.ignore_patterns(".edgepack", "dist", "train", "fleet.yaml")
    shutil.rmtree(project / "dist", ignore_errors=True)
    shutil.copytree(example, project, ignore=skipped, dirs_exist_ok=True)
    (project / "src" / "fault.cpp").unlink(missing_ok=True)
    (project / "targets").mkdir(exist_ok=True)
    lines = (ROOT / "targets" / "x86_64.yaml").read_text().splitlines()
    runtimes = f"runtimes: [{', '.join(TOOLKITS)}]"
    lines = [runtimes if line.startswith("runtimes:") else line for line in lines]
    (project / "targets" / "x86_64.yaml").write_text("\n".join(lines) + "\n")
    _calibrate(case, project)
    text = (project / "edgepack.yaml").read_text()
    head, _, tail = text.partition("\ntargets:\n")
    rest = tail.partition("\n\n")[2].partition("\n")[2]  # the project's own gates are for fp32 programs
    # A healthy build is one as its user makes it: where 8 bits miss the gate, single layers are kept wider.
    search = ", quantisation: {search: 0}" if case.fault else ""
    asked = f"{{runtime: {case.toolkit}, precision: {case.precision}{search}}}"
    head = re.sub(r"\n  calibration:.*", "", head)  # this case has another
    model = f"model:\n  calibration: {{data: calibration/, samples: {MOST}}}"
    text = f"{head.replace('model:', model, 1)}\ntargets:\n  x86_64: {asked}\n{rest}"
    (project / "edgepack.yaml").write_text(text)


def _calibrate(case: Case, project: Path) -> None:
    """Images to calibrate with, FEWEST to MOST: of all classes, or of one where that is the fault."""
    place = project / "calibration"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    one = case.fault == "calibration"
    draw = random.Random(f"{case.network} {case.at}")
    count = draw.randint(FEWEST, MOST)
    if case.network == "shapes":
        scenes.draw(place, count, draw.randrange(1 << 30), draw.randrange(scenes.classes()) if one else None)
        return
    val = project / "data" / "val"
    rows = [line.split(",") for line in (val / "labels.csv").read_text().splitlines()[1:]]
    draw.shuffle(rows)
    label = rows[0][1]
    for file, _, _ in [row for row in rows if not one or row[1] == label][:count]:
        shutil.copyfile(val / file, place / file)


def _spoil(case: Case, project: Path) -> None:
    manifest = project / "edgepack.yaml"
    if case.fault == "mean":
        right, wrong = MEAN[case.network]
        text = manifest.read_text()
        assert right in text
        manifest.write_text(text.replace(right, wrong))
    if case.fault in ("channels", "nhwc"):
        to = REVERSED if case.fault == "channels" else INTERLEAVED
        (project / "src" / "fault.cpp").write_text(CPP.format(to=to))
        text = manifest.read_text()
        manifest.write_text(text.replace("\npost:", "  - {code: src/fault.cpp, entry: fault}\n\npost:", 1))
    if case.fault in ("zero", "outputs"):
        recipe = project / "recipes" / f"onnx-{case.toolkit}"
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "recipes" / recipe.name, recipe, ignore=skipped)
        (recipe / "convert.py").rename(recipe / "honest.py")
        shutil.copyfile(WRAPPER, recipe / "convert.py")
        (recipe / "fault.json").write_text(json.dumps({"kind": case.fault, "at": case.at}))
