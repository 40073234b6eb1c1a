"""Layers compared where nothing can look inside: the model is cut short, converted so, and computed.

Each beginning of the model goes through the same recipe with the same precision, calibration and layers kept;
what it gives is held to what the trained model has at those tensors. A toolkit may merge the last layer of a
beginning with others than in the whole, so what is found is said to be found by cutting.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.convert import again
from edgepack.convert.bisect import LIMITS, Bracket, Limits, bisect
from edgepack.convert.cut_model import Cut, Cutter
from edgepack.convert.errors import ConvertParityError
from edgepack.convert.evaluate import Judge
from edgepack.convert.evaluation import Distance, distances
from edgepack.convert.layers import ALL, SAMPLES, Layers
from edgepack.errors import EdgepackError
from edgepack.model import arrays
from edgepack.model.arrays import Rows
from edgepack.store import digest_of

HANDFUL = 6  # conversions for a look at a model that is right
HOW = "cutting"
FUSIONS = "the toolkit may merge layers in another way where the model ends"


@dataclass(frozen=True)
class Seen:
    """What a beginning gives. file: its tensors, None where the recipe's own comparison refused it."""

    rows: Mapping[str, Distance]
    file: Path | None
    refused: str = ""

    @property
    def ok(self) -> bool:
        return not self.refused and all(row.ok for row in self.rows.values())

    @property
    def told(self) -> str:
        """In a word or two, for progress."""
        if self.refused:
            return "refused by the recipe's own comparison"
        return f"cosine {min(row.cosine for row in self.rows.values()):.5f}"


def can(judge: Judge) -> bool:
    """Whether the target's recipe takes what is cut, and computes what it writes."""
    about, chain = judge.recipe.about, judge.work.choice.chain
    one = len(chain.converts) == 1 and about.from_ == "onnx" and about.run == "python"
    return one and about.simulator is not None


def first(judge: Judge, folder: Path, report: Mapping[str, Any], worst: int) -> Layers | None:
    """The first layer that is off, by halving; None where nothing can be cut. folder, report: the whole's."""
    if not can(judge):
        return None
    judge.work.progress("looking for the first diverging layer by cutting the model")
    try:
        return _Search(judge, folder, report, worst).run()
    except EdgepackError as error:
        return Layers((), None, HOW, f"the model could not be cut: {error.what}")


def spread(judge: Judge, folder: Path, report: Mapping[str, Any], limits: Limits = LIMITS) -> Layers | None:
    """A row for each tensor at a handful of cuts from all over the model. None where nothing can be cut.

    Raises what ``convert`` raises where the model itself cannot be looked into.
    """
    if not can(judge):
        return None
    looking = _Looking(judge, report, arrays.spread(arrays.count(judge.inputs), SAMPLES))
    looking.whole(folder)
    inner = range(1, len(looking.cuts))
    began, stopped = time.monotonic(), ""
    for number in (inner[i] for i in arrays.spread(len(inner), HANDFUL)) if inner else ():
        spent = time.monotonic() - began
        if spent > limits.seconds:
            stopped = f"; it stopped early, after {spent:.0f} s"
            break
        looking.see(number)
    return Layers(looking.table(None)[0], None, HOW, looking.account() + stopped)


class _Looking:
    """One model's cuts, numbered from 1; 0 is the input, the last one the whole model."""

    def __init__(self, judge: Judge, report: Mapping[str, Any], samples: Sequence[int]) -> None:
        self.judge = judge
        self.samples = tuple(samples)
        self.inputs = arrays.pick(judge.inputs, samples, judge.new() / "cut.npz")
        trained = judge.run_trained(self.inputs, ALL)
        self.tapped = {name.removeprefix("tap:"): rows for name, rows in arrays.load(trained).items()}
        self.cutter = _cutter(judge, report)
        self.cuts = self.cutter.cuts(tuple(self.tapped))
        self.seen: dict[int, Seen] = {}
        self.lost: list[str] = []

    def whole(self, folder: Path) -> Seen:
        """The converted model itself, on these samples. Its report is that of its conversion."""
        report = self.judge.work.result("convert").report
        outputs = self.judge.run_converted(folder, report, self.inputs)
        return self._add(len(self.cuts), outputs)

    def see(self, number: int) -> Seen | None:
        """What a beginning gives; None where it cannot be converted or computed."""
        cut, progress = self.cuts[number - 1], self.judge.work.progress
        names = ", ".join(cut.made or cut.tensors)
        progress(f"cut at {names}, {number} of {len(self.cuts)} places")
        try:
            seen = self._add(number, self._outputs(cut))
        except ConvertParityError as error:
            # The whole passed this comparison, on other inputs: what does not is off.
            seen = self.seen[number] = Seen({}, None, error.what)
        except EdgepackError as error:
            self.lost.append(f"{names}: {error.what}")
            return None
        progress(f"cut at {names}: {seen.told}")
        return seen

    def _outputs(self, cut: Cut) -> Path:
        """Kept as the results of steps are: another look takes them from there."""
        work = self.judge.work
        asked = {
            "converted": work.step("convert").key,
            "fed": work.step("feed").key,
            "samples": self.samples,
            "cut": cut.tensors,
            "edgepack/convert": work.step("parity").inputs["edgepack/convert"],
        }
        key = digest_of(asked)
        kept = work.store.get(key)
        if kept is None or work.store.damaged(kept):
            made = self.cutter.convert(cut, self.judge.new())
            outputs = self.judge.run_made(made.model, made.folder, made.report, self.inputs)
            kept = work.store.put(key, {"outputs.npz": outputs}, {"cut": list(cut.tensors)})
        return work.store.blob(kept.outputs["outputs.npz"].sha256)

    def _add(self, number: int, outputs: Path) -> Seen:
        names = self.cuts[number - 1].tensors
        wanted = arrays.reordered(self.tapped, names, names, self.judge.new() / "wanted.npz")
        near = self.judge.near(outputs, wanted)
        rows = {row.tensor: row for row in distances(near, self.judge.gates)}
        seen = self.seen[number] = Seen(rows, outputs)
        return seen

    def table(self, found: str | None) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]:
        """A row for each tensor that was seen, and that of ``found`` with what it does alone."""
        given: dict[str, Rows] = {}
        for number in sorted(self.seen, reverse=True):  # the shortest beginning that has a tensor counts
            file = self.seen[number].file
            given |= arrays.load(file) if file else {}
        names = list(given)
        options = {
            "inputs": str(self.inputs),
            "trained": str(arrays.reordered(self.tapped, names, names, self.judge.new() / "trained.npz")),
            "converted": str(arrays.reordered(given, names, names, self.judge.new() / "converted.npz")),
            "least": self.judge.gates.cosine,
            "found": found or "",
        }
        report = self.judge.ask("layers.py", options).report
        return report["layers"], report["first"]

    def account(self) -> str:
        """What was done, in words."""
        made = len(self.seen) + len(self.lost) - (len(self.cuts) in self.seen)
        said = f"by cutting: {made} beginnings of the model were converted and computed; {FUSIONS}"
        return said + (f"; not to be converted: {'; '.join(self.lost)}" if self.lost else "")


class _Search:
    """The first cut that is off after one that is not."""

    def __init__(self, judge: Judge, folder: Path, report: Mapping[str, Any], worst: int) -> None:
        there = arrays.count(judge.inputs)
        few = sorted({worst, *arrays.spread(there, SAMPLES - 1)})
        self.looking = _Looking(judge, report, few)
        self.off = not self.looking.whole(folder).ok
        if not self.off and len(few) < there:  # the largest error may be in another sample than the worst
            self.looking = _Looking(judge, report, range(there))
            self.off = not self.looking.whole(folder).ok

    def run(self, limits: Limits = LIMITS) -> Layers:
        looking = self.looking
        if not self.off:
            return Layers((), None, HOW, "every output is within its gates, so no layer is looked for")
        bracket = bisect(len(looking.cuts), self._probe, limits)
        rows, row = looking.table(self._tensor(bracket))
        return Layers(rows, self._first(bracket, row), HOW, self._note(bracket))

    def _probe(self, number: int) -> bool | None:
        seen = self.looking.see(number)
        return None if seen is None else seen.ok

    def _new(self, bracket: Bracket) -> tuple[str, ...]:
        """The tensors that the beginning that is off has and the one that is not has not."""
        before = self.looking.cuts[bracket.good - 1].tensors if bracket.good else ()
        return tuple(name for name in self.looking.cuts[bracket.off - 1].tensors if name not in before)

    def _tensor(self, bracket: Bracket) -> str | None:
        seen = self.looking.seen[bracket.off]
        off = [seen.rows[name] for name in self._new(bracket) if name in seen.rows and not seen.rows[name].ok]
        return min(off, key=lambda row: row.cosine).tensor if off else None

    def _between(self, bracket: Bracket) -> list[str]:
        return [name for cut in self.looking.cuts[bracket.good : bracket.off] for name in cut.layers]

    def _first(self, bracket: Bracket, row: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Its row, with the nodes that it may be and how near what goes into them is."""
        cut, seen = self.looking.cuts[bracket.off - 1], self.looking.seen[bracket.off]
        if row is None and not seen.refused:
            return None
        before = self.looking.seen[bracket.good].rows if bracket.good else {}
        tensor = ", ".join(self._new(bracket))
        refused = {"cosine": None, "alone": None, "zero": False, "constant": False}
        known = row or {"tensor": tensor, "node": cut.node, "op": cut.op, **refused}
        return {
            **known,
            "between": self._between(bracket),
            "before": {name: found.cosine for name, found in before.items()},
        }

    def _note(self, bracket: Bracket) -> str:
        """How it was found, what is known of the layer before it, and why it is not nearer."""
        looking = self.looking
        seen, words = looking.seen[bracket.off], [looking.account()]
        if bracket.good:
            cut, before = looking.cuts[bracket.good - 1], looking.seen[bracket.good]
            words.append(f"up to {_names(cut.tensors)} it is within the gates ({before.told})")
        else:
            words.append("no cut before it is within the gates: it begins with the input")
        if seen.refused:
            words.append(f"what ends there is refused by the recipe's own comparison: {seen.refused}")
        elif self._tensor(bracket) is None:
            off = _names([name for name, row in seen.rows.items() if not row.ok])
            words.append(
                f"{off} is right where the model ends before `{looking.cuts[bracket.off - 1].node}` and off "
                "where it goes on: no layer, but the order of the outputs or how layers are merged"
            )
        between = self._between(bracket)
        if bracket.stopped:
            words.append(f"it stopped early, {bracket.stopped}; it may be any of {_some(between)}")
        elif len(between) > 1:
            words.append(f"it is one of {_some(between)}, between which the model is not cut")
        return "; ".join(words)


def _names(tensors: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in tensors)


def _some(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - 6} more" if len(nodes) > 6 else ""
    return _names(nodes[:6]) + more


def _cutter(judge: Judge, report: Mapping[str, Any]) -> Cutter:
    """With what the conversion was asked."""
    prepare = judge.work.choice.prepare
    assert prepare is not None
    asked = again.request(judge, report)
    return Cutter(prepare, judge.recipe, asked, judge.log, bool(report.get("rescued_by")))
