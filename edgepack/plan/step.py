"""What a plan is made of: steps with keys, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgepack.catalog.recipes import Recipe
from edgepack.catalog.targets import Target
from edgepack.errors import ToolError
from edgepack.manifest.model import TargetOptions
from edgepack.manifest.project import Project
from edgepack.plan.chain import Chain
from edgepack.store import Result, Store

STAGES = (
    *("import", "prepare", "adapt", "blocks", "feed", "convert", "parity"),
    *("runtime", "library", "compile", "verify", "package", "sdk", "model"),
)


@dataclass(frozen=True)
class Choice:
    """What was decided for one target, and where each value came from (``explain``)."""

    target: Target
    options: TargetOptions
    chain: Chain
    prepare: Recipe | None  # None where the chain does not pass ONNX
    runtime: str
    precision: str
    toolchain: str
    because: Mapping[str, str]

    @property
    def recipe(self) -> Recipe:
        """The one that writes what the runtime reads."""
        return self.chain.last

    @property
    def part(self) -> str | None:
        """Which part of a split model it gets: before, after, or all of it."""
        return self.because.get("part")

    @property
    def other_part(self) -> str | None:
        """The part of a split model that it does not get; None where it gets all of it."""
        return {"before": "after", "after": "before"}.get(self.part or "")

    def recipe_at(self, slot: str) -> Recipe:
        """The recipe of a slot of the plan: ``import:tflite-onnx``, ``prepare``, ``convert``."""
        stage, _, named = slot.partition(":")
        if stage in ("prepare", "adapt") and self.prepare is not None:
            return self.prepare
        assert stage in ("import", "convert"), slot
        return next((r for r in self.chain.recipes if r.id == named), self.chain.last)


@dataclass(frozen=True)
class Step:
    """One thing to do. ``key`` is the digest of ``inputs``; equal keys mean equal results."""

    id: str
    stage: str
    key: str
    inputs: Mapping[str, str]  # what goes in: a readable name → digest or value
    needs: tuple[str, ...] = ()  # ids of the steps before it
    cached: bool = False
    why: str = ""  # why it must run, in words; empty where cached


@dataclass(frozen=True)
class Plan:
    """What a build would do: the same object that ``edgepack plan`` shows and ``build`` executes."""

    project: Project
    choices: Mapping[str, Choice]  # by target id
    steps: Mapping[str, Step]  # by step id, each after what it needs
    # target id → slot → step id. A slot is a stage, or one of several of a stage: ``import:tflite-onnx``, or
    # ``prepare:after``, the part of a split model that another target gets.
    chains: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # Of each model beside the first one, by its name in the manifest: how it is converted and proven. Its
    # steps are in ``steps`` too.
    parts: Mapping[str, Plan] = field(default_factory=dict)

    def step(self, target: str, slot: str) -> Step:
        """The step of one slot for one target; several targets may share it."""
        return self.steps[self.chains[target][slot]]

    @property
    def todo(self) -> tuple[Step, ...]:
        """The steps that have no result yet."""
        return tuple(step for step in self.steps.values() if not step.cached)


@dataclass(frozen=True)
class Work:
    """What a stage needs to carry out one step: it finds its inputs by the plan and leaves its result."""

    plan: Plan
    choice: Choice
    store: Store
    progress: Callable[[str], None]
    slot: str = ""  # what is to be carried out

    @property
    def chain(self) -> Mapping[str, str]:
        """This target's slots, in order, each with its step's id."""
        return self.plan.chains[self.choice.target.id]

    @property
    def project(self) -> Project:
        return self.plan.project

    def step(self, stage: str) -> Step:
        """This target's step of a stage."""
        return self.plan.step(self.choice.target.id, stage)

    def result(self, stage: str) -> Result:
        """What this target's step of an earlier stage left."""
        step = self.step(stage)
        result = self.store.get(step.key)
        damaged = self.store.damaged(result) if result else "a file of it"
        if result is None or damaged:
            self.store.forget(step.key)
            raise ToolError(
                f"the result of {step.id} is damaged in the cache: {damaged}",
                where=str(self.store.root),
                why="its bytes are not those that were kept: another program changed them, or the disk",
                fix="run the same command again: it was taken out, and is made anew",
            )
        return result

    def part_result(self, name: str) -> Result:
        """The converted model of one of `models`, for this target."""
        return replace(self, plan=self.plan.parts[name], slot="convert").result("convert")

    def log(self, stage: str) -> Path:
        """Where the programs that a step runs leave their noise."""
        name = self.step(stage).id.replace("/", "-").replace(":", "-")
        return self.project.folder / ".edgepack" / "logs" / f"{name}.log"
