"""Holds converted models to the trained one: both on what the shipped `pre` made of the golden inputs.

with open_judge(work) as judge:        # the trained model is computed once
    judge.evaluate(folder, report)     # as often as there are candidates
"""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgepack.catalog.recipes import Recipe
from edgepack.convert import device, parts, sdk_find
from edgepack.convert.evaluation import Evaluation, Score, distances
from edgepack.convert.files import lay_out
from edgepack.convert.recipe import Converted, Request, Simulation, convert, simulate
from edgepack.convert.score import Task, score
from edgepack.model import arrays, blocks
from edgepack.plan.cut import cut_of
from edgepack.plan.gates import Gates, gates_of
from edgepack.plan.step import Work

VALIDATION = 4  # a chip's simulator gets this many times its golden samples of validation data, minutes more


def evaluate(work: Work, folder: Path, report: Mapping[str, Any]) -> Evaluation:
    """One converted model; for several, ``open_judge``. folder, report: what ``convert`` wrote and said."""
    with open_judge(work) as judge:
        return judge.evaluate(folder, report)


@contextlib.contextmanager
def open_judge(work: Work) -> Iterator[Judge]:
    """A judge for this target's converted models; the steps prepare, blocks and feed have their results."""
    with tempfile.TemporaryDirectory(prefix="edgepack-judge-") as temporary:
        folder = Path(temporary)
        lay_out(work, "prepare", folder / "trained")
        lay_out(work, "feed", folder / "fed")
        yield Judge(work, folder)


class Judge:
    """Computes what is compared, the trained side only once. Whoever asks knows that there is a simulator."""

    def __init__(self, work: Work, folder: Path) -> None:
        assert work.choice.prepare is not None
        self.work = work
        self.reference: Recipe = work.choice.prepare
        self.recipe: Recipe = work.choice.recipe
        self.trained = folder / "trained"
        self.fed = folder / "fed"
        self.calibration = self.fed / "calibration.npz"
        self._folder = folder
        self._over: dict[tuple[Path, str], Path] = {}
        self._numbers = itertools.count()

    @property
    def gates(self) -> Gates:
        """Those of the manifest, the recipe and the precision."""
        return gates_of(self.work.project.manifest, self.work.choice)

    @property
    def outputs(self) -> list[str]:
        """The model's outputs, by their ONNX names, in its order."""
        return [str(row["tensor"]) for row in self.work.result("prepare").report["outputs"]]

    @property
    def whole_outputs(self) -> list[str]:
        """Those that `post` takes: the whole model's, whatever part of it the target gets."""
        cut = cut_of(self.work)
        return list(cut.outputs) if cut else self.outputs

    @functools.cached_property
    def adapted(self) -> Path:
        """What the converter was given: the trained model, or what the manifest asks to be made of it."""
        slot = "adapt" if "adapt" in self.work.chain else "prepare"
        (model,) = lay_out(self.work, slot, self.new()).iterdir()
        return model

    def calibrated_with(self, file: Path) -> Judge:
        """The same judge, of models that were calibrated with other data."""
        other = copy.copy(self)
        other.calibration = file
        return other

    @functools.cached_property
    def inputs(self) -> Path:
        """Golden inputs as `pre` makes them, else calibration's; as many as are simulated."""
        there = self.fed / "golden.npz"
        file = there if there.is_file() else self.fed / "calibration.npz"
        simulator = self.recipe.about.simulator
        wanted = simulator.samples if simulator else 64
        return arrays.pick(file, arrays.spread(arrays.count(file), wanted), self.new() / "inputs.npz")

    @functools.cached_property
    def wanted(self) -> Path:
        """What the trained model makes of ``inputs``: a part's golden vectors have it already."""
        vectors = self.fed / parts.VECTORS
        if not vectors.is_file():
            return self.run_trained(self.inputs)
        there = arrays.renamed(vectors, "output.", self.new() / "wanted.npz")
        chosen = arrays.spread(arrays.count(there), arrays.count(self.inputs))
        return arrays.pick(there, chosen, self.new() / "wanted.npz")

    @functools.cached_property
    def validation(self) -> Path | None:
        """The held-out inputs as `pre` makes them: all, where the tool's own runtime computes them."""
        file, simulator = self.fed / "validation.npz", self.recipe.about.simulator
        if not file.is_file() or simulator is None:
            return None
        there = arrays.count(file)
        wanted = there if simulator.kind == "runtime" else min(there, VALIDATION * simulator.samples)
        return arrays.pick(file, arrays.spread(there, wanted), self.new() / "validation.npz")

    @functools.cached_property
    def trained_score(self) -> float:
        """The trained model's metric on ``validation``."""
        assert self.validation is not None
        whole = self.whole(self.run_trained(self.validation))
        assert whole is not None, "asked where the converted one's are whole too"
        return self._score(whole)

    def evaluate(self, folder: Path, report: Mapping[str, Any], *, task: bool = True) -> Evaluation:
        """Both models on the same inputs. Raises what ``simulate`` raises, ConvertParityError among it.

        task: with the task's metric, where the manifest asks for one; it needs a `post` that works.
        """
        given = self.run_converted(folder, report, self.inputs)
        outputs = distances(self.near(given, self.wanted), self.gates)
        # Outputs of another size, or that are no numbers, are nothing that `post` could read.
        sized = all(row.cosine > -1 for row in outputs)
        score = self._task_score(folder, report) if task and sized else None
        return Evaluation(self.gates, arrays.count(self.inputs), outputs, score)

    def run_trained(self, inputs: Path, taps: tuple[str, ...] = ()) -> Path:
        """Outputs of the prepared model by ONNX Runtime: an ``.npz``, float32 (N, …) by name."""
        asked = Simulation(self.trained, {}, inputs, self.new(), taps=taps)
        return self._simulated(self.reference, asked)

    def run_adapted(self, inputs: Path) -> Path:
        """The same of what the converter is given, where that is another: pruned, say."""
        asked = Simulation(self.adapted.parent, {}, inputs, self.new())
        return self._simulated(self.reference, asked)

    def adapted_score(self) -> tuple[float, float] | None:
        """The trained model's metric and that of what the converter is given, where the manifest asks."""
        if self.work.project.manifest.model.accuracy is None or self.validation is None:
            return None
        whole = self.whole(self.run_adapted(self.validation))
        return None if whole is None else (self.trained_score, self._score(whole))

    def whole(self, outputs: Path) -> Path | None:
        """The whole model's outputs from those of the part that this target gets: see ``parts.completed``."""
        return parts.completed(self.work, outputs, self.new()) if self.work.choice.part else outputs

    def run_whole(self, inputs: Path) -> Path:
        """Outputs of the whole trained model; where the target gets the first part, of both together."""
        whole = self.whole(self.run_trained(inputs))
        assert whole is not None, "asked where there is no `pre` to be held to anything"
        return whole

    def run_converted(
        self, folder: Path, report: Mapping[str, Any], inputs: Path, taps: tuple[str, ...] = ()
    ) -> Path:
        """The same of a converted one, by what its recipe computes it with."""
        return self.run_made(self.adapted, folder, report, inputs, taps)

    def run_made(
        self,
        model: Path,
        folder: Path,
        report: Mapping[str, Any],
        inputs: Path,
        taps: tuple[str, ...] = (),
    ) -> Path:
        """The same of what was made of another model: of the beginning of the trained one."""
        if self.work.choice.options.converts_on == "here":
            project = self.work.project
            toolkit = sdk_find.find(self.recipe, project.manifest.sdk, project.folder)
            report = {**report, "here": device.given(self.recipe, toolkit)}
        asked = Simulation(
            folder,
            report,
            inputs,
            self.new(),
            chip=self.work.choice.target.chip,
            taps=taps,
            trained=self.made_over(model, report),
            calibration=self.calibration if self.calibration.is_file() else None,
        )
        return self._simulated(self.recipe, asked)

    def near(self, given: Path, wanted: Path) -> Mapping[str, Mapping[str, Any]]:
        """By output: cosine, errors, the worst sample."""
        options = {"given": str(given), "wanted": str(wanted)}
        found: Mapping[str, Mapping[str, Any]] = self.ask("near.py", options).report["outputs"]
        return found

    def ask(self, program: str, options: Mapping[str, Any]) -> Converted:
        """Run one of the programs of ``recipes/onnx`` on the prepared model."""
        request = Request(self.trained / "model.onnx", "fp32", self.new(), options=options)
        return convert(self.reference, request, self.log, self._quiet, program)

    def records(
        self, outputs: Path, of: str = "golden", samples: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """What the shipped `post` makes of a model's outputs, a record a sample. Raises BlocksError.

        of, samples: which inputs they are the outputs of; None: all of them.
        """
        places = self.fed / f"{of}{blocks.PLACES_FILE}"
        if samples is not None:
            places = arrays.pick(places, samples, self.new() / places.name)
        placed = arrays.lay_out(places, [blocks.PLACES], self.new())[blocks.PLACES]
        program = self.work.store.blob(self.work.result("blocks").outputs["blocks"].sha256)
        return blocks.post(program, arrays.lay_out(outputs, self.whole_outputs, self.new()), placed)

    @property
    def log(self) -> Path:
        """Where the programs leave their noise."""
        return self.work.log(self.work.slot)

    def new(self) -> Path:
        """An empty folder, gone with the judge."""
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return folder

    def made_over(self, model: Path, report: Mapping[str, Any]) -> Path:
        """What was converted in the end, where the tool had refused ``model`` (``rescue.py``)."""
        options = report.get("rescued_with")
        if not options:
            return model
        key = (model, json.dumps(options, sort_keys=True))
        if key not in self._over:
            request = Request(model, "fp32", self.new(), options=options)
            (self._over[key],) = convert(self.reference, request, self.log, self._quiet).files.values()
        return self._over[key]

    def _simulated(self, recipe: Recipe, asked: Simulation) -> Path:
        return simulate(recipe, asked, self.log, self.work.progress).files["outputs.npz"]

    def _task_score(self, folder: Path, report: Mapping[str, Any]) -> Score | None:
        accuracy = self.work.project.manifest.model.accuracy
        if accuracy is None or self.validation is None:
            return None
        given = self.whole(self.run_converted(folder, report, self.validation))
        if given is None:
            return None
        name = accuracy.metric if isinstance(accuracy.metric, str) else accuracy.metric.entry
        converted = self._score(given)
        of = arrays.count(self.validation)
        return Score(name, self.trained_score, converted, accuracy.max_drop, of)

    def _score(self, outputs: Path) -> float:
        accuracy = self.work.project.manifest.model.accuracy
        assert accuracy is not None
        there = arrays.count(self.fed / "validation.npz")
        chosen = arrays.spread(there, arrays.count(outputs))
        task = Task(accuracy.metric, self.work.project, chosen)
        return score(task, self.records(outputs, "validation", chosen), self.ask)

    def _quiet(self, note: str) -> None:
        """Programs of edgepack's own have nothing to say of themselves."""
