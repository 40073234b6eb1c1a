"""What each target gets: runtime, precision, chain of recipes; each value with the file it came from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

from edgepack.catalog.recipes import Precision, Recipe
from edgepack.catalog.runtimes import DEFAULT_GLIBC, LINKED
from edgepack.catalog.targets import Target
from edgepack.errors import InputError
from edgepack.manifest.model import TargetOptions
from edgepack.manifest.project import Place, Project
from edgepack.plan import chain as chains
from edgepack.plan.chain import Chain, Wanted
from edgepack.plan.snapshot import Snapshot
from edgepack.plan.step import Choice
from edgepack.plan.toolchain import asked


def choose(snapshot: Snapshot, target: Target, toolchain: str | None) -> Choice:
    """The choice for one target. Raises InputError where something that is asked for is not to be had."""
    return _Chooser(snapshot, target).choice(toolchain)


@dataclass(frozen=True)
class _Chooser:
    snapshot: Snapshot
    target: Target
    because: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Project:
        return self.snapshot.project

    @property
    def options(self) -> TargetOptions:
        return self.project.manifest.targets[self.target.id]

    @property
    def shipped(self) -> str:
        return f"targets/{self.target.file.name}"

    def choice(self, toolchain: str | None) -> Choice:
        target, options = self.target, self.options
        self.because["arch"] = f"{target.known_arch or 'unknown'} ({self.shipped})"
        if target.known_arch:
            self.because["cpu"] = f"{target.cpu or 'baseline'} ({self.shipped})"
        if target.chip:
            self.because["chip"] = f"{target.chip} ({self.shipped})"
        source = self._format()
        runtime = self._pick("runtime", options.runtime, self._first_runtime(source), self.shipped)
        if LINKED.get(runtime) in ("shared", "box") and target.known_arch:
            self.because["libc"] = f"{target.libc or f'glibc {DEFAULT_GLIBC}'} or newer ({self._libc_from()})"
        precision = self._pick("precision", options.precision, target.about.precision, self.shipped)
        found = self.snapshot.here.toolchains
        named = asked(options)
        compiler = self._pick(
            "toolchain", toolchain or found.get(named or "", named), "zig", "edgepack's default"
        )
        if toolchain:
            self.because["toolchain"] = f"{toolchain} (the command line)"
        chain = self._here(self._chain(Wanted(source, runtime, target.chip, precision)))
        self._check_arch(chain)
        self.because["chain"] = f"{chain} by {', '.join(r.id for r in chain.recipes)} ({chain.why})"
        self._check_quantisation(chain.last, precision)
        part = self._part(chain)
        if part:
            self.because["part"] = part
        prepare = self.snapshot.recipes.get(chains.PREPARE) if chain.prepared else None
        return Choice(target, options, chain, prepare, runtime, precision, compiler, self.because)

    def _libc_from(self) -> str:
        return self.shipped if self.target.libc else f"edgepack's default: {self.shipped} names none"

    def _pick(self, key: str, wanted: str | None, default: str, default_from: str) -> str:
        line = self.project.document.line(("targets", self.target.id, key))
        origin = f"edgepack.yaml:{line}" if wanted else default_from
        self.because[key] = f"{wanted or default} ({origin})"
        return wanted or default

    def _wrong(self, message: str, place: Place, hint: str) -> InputError:
        return self.project.document.wrong(self.project.document.problem(message, place, hint))

    def _format(self) -> str:
        model, recipes = self.project.manifest.model, self.snapshot.recipes
        known = sorted({chains.HUB, *(r.about.from_ for r in recipes.values() if r.about.suffixes)})
        if model.format is not None:
            if model.format not in known:
                message = f"edgepack reads no model in the format `{model.format}`"
                raise self._wrong(message, ("model", "format"), f"formats read: {', '.join(known)}")
            return model.format
        found = self.snapshot.format
        if found is None:
            suffix = model.file.rpartition(".")[2] if "." in model.file else "nameless"
            message = f"edgepack has no way in for a .{suffix} model"
            hint = f"export it to ONNX, or say `format:`; formats read: {', '.join(known)}"
            raise self._wrong(message, ("model", "file"), hint)
        return found

    def _first_runtime(self, source: str) -> str:
        """The first of the target's runtimes that a chain leads to; its first where none does."""
        for runtime in self.target.about.runtimes:
            wanted = Wanted(source, runtime, self.target.chip, None)
            if chains.find(self.snapshot.recipes, wanted, self.snapshot.here.missing):
                return runtime
        return self.target.about.runtimes[0]

    def _chain(self, wanted: Wanted) -> Chain:
        """Raises InputError, naming what there is."""
        recipes, missing = self.snapshot.recipes, self.snapshot.here.missing
        place = ("targets", self.target.id)
        if wanted.runtime not in self.target.about.runtimes:
            reachable = chains.runtimes(recipes, self.target.chip)
            here = [r for r in self.target.about.runtimes if r in reachable]
            hint = f"it runs: {', '.join(here) or 'nothing that this edgepack can convert for'}"
            raise self._wrong(f"{self.target.id} does not run `{wanted.runtime}`", (*place, "runtime"), hint)
        chain = chains.find(recipes, wanted, missing)
        if chain is not None:
            return chain
        any_precision = Wanted(wanted.source, wanted.runtime, wanted.chip, None)
        chain = chains.find(recipes, any_precision, missing)
        if chain is None:
            on = f" on {wanted.chip}" if wanted.chip else ""
            message = f"no chain of recipes leads from {wanted.source} to {wanted.runtime}{on}"
            raise self._wrong(message, place, "see: edgepack recipes")
        names = ", ".join(chain.last.precisions_for(wanted.chip))
        on = f" for {wanted.chip}" if wanted.chip else ""
        message = f"the recipe {chain.last.id} cannot write {wanted.precision}{on}"
        raise self._wrong(message, (*place, "precision"), f"it writes: {names}")

    def _here(self, chain: Chain) -> Chain:
        """With the last hop on this host, where the manifest says so. Raises InputError where it cannot."""
        if self.options.converts_on == "box":
            return chain
        place = ("targets", self.target.id, "converts_on")
        if chain.last.about.run != "box":
            message = f"{chain.last.id} converts on this host anyway"
            raise self._wrong(message, place, "leave `converts_on` out")
        if self.target.known_arch != self.snapshot.here.arch:
            its = self.target.known_arch or "of an architecture that is not known"
            message = f"this host is {self.snapshot.here.arch}, and {self.target.id} is {its}"
            raise self._wrong(message, place, "leave `converts_on` out: the box converts for itself")
        self.because["converts_on"] = f"here (edgepack.yaml:{self.project.document.line(place)})"
        return Chain((*chain.recipes[:-1], chain.last.on_device()), chain.why)

    def _check_arch(self, chain: Chain) -> None:
        """Raises InputError where a recipe writes for a processor, and nobody knows the target's."""
        per_arch = [recipe.id for recipe in chain.converts if recipe.about.per_arch]
        if per_arch and self.target.known_arch is None:
            why = f"{per_arch[0]} writes for one architecture"
            raise self.target.without_arch(
                f"edgepack.yaml:{self.project.document.line(('targets', self.target.id))}", why
            )

    def _check_quantisation(self, recipe: Recipe, name: str) -> None:
        """Each thing that is asked of the quantiser is one that it has. Raises InputError."""
        precision = recipe.precision(name, self.target.chip)
        assert precision is not None, name
        asked, place = self.options.quantisation, ("targets", self.target.id, "quantisation")
        for key, wanted, there in _asked(self.options, precision):
            if wanted is not None and wanted not in there:
                hint = f"it has: {', '.join(there)}" if there else f"leave `{key}` out: it has no choice"
                message = f"{recipe.id} has no {key} `{wanted}` for {name}"
                raise self._wrong(message, (*place, key), hint)
        if asked.keep and not precision.mixed:
            message = f"{recipe.id} cannot keep single layers in floating point for {name}"
            raise self._wrong(message, (*place, "keep"), "leave it out, or use a wider precision")
        if precision.calibration and self.project.manifest.model.calibration is None:
            hint = "give `model.calibration: {data: FOLDER}`: images as the box will see them, 100 or more"
            message = f"{name} on {self.target.id} takes its ranges from calibration data, and there is none"
            raise self._wrong(message, ("model",), hint)

    def _part(self, chain: Chain) -> str | None:
        """Which part of a split model; one in neither list gets the whole. Raises InputError."""
        split, known = self.project.manifest.model.split, self.project.manifest.targets
        if split is None:
            return None
        lists = {"before": split.before, "after": split.after}
        for name, ids in lists.items():
            for number, target in enumerate(ids):
                if target not in known:
                    near = difflib.get_close_matches(target, known, 1, 0.6)
                    hint = f"did you mean `{near[0]}`?" if near else f"its targets: {', '.join(known)}"
                    message = f"{self.project.manifest.name} is not made for `{target}`"
                    raise self._wrong(message, ("model", "split", name, number), hint)
        parts = [name for name, ids in lists.items() if self.target.id in ids]
        if len(parts) > 1:
            message, place = f"{self.target.id} is to get both parts", ("model", "split", "after")
            raise self._wrong(
                message, place, "name it in one list; one that is in neither gets the whole model"
            )
        if not parts:
            self.because["split"] = "the whole model (in neither list of model.split)"
            return None
        if not chain.prepared:
            hint = "a model is split while it is ONNX: give it as ONNX, or leave the target out of the split"
            raise self._wrong(f"{chain} does not pass ONNX", ("model", "split", parts[0]), hint)
        return parts[0]


def _asked(options: TargetOptions, precision: Precision) -> list[tuple[str, str | None, list[str]]]:
    asked = options.quantisation
    return [
        ("scheme", asked.scheme, list(precision.schemes)),
        ("granularity", asked.granularity, list(precision.granularities)),
        ("method", asked.method, list(precision.methods)),
    ]
