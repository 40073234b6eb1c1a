"""Three things that must never answer on a box, and what refuses each: ``python -m bench.refusals [SEED]``.

On a copy of examples/digits with a sandbox box whose first release answers: one weight of the converted
model with its sign changed, another mean in ``pre``, and a program built for another architecture. Each is
tried by an ordinary build and, in a bundle made around it, by a deploy: every layer is taken away in turn,
down to a bundle whose digests are all consistent, so that nothing but the box's own proof is left. After
each the box must hold what it held, and the old release give the answers that it gave.

Then 200 parameters, drawn by the seed, are changed one at a time, in four ways: how many the golden vectors
tell, how far the outputs are off where they do not, and how many the digests tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import weights
from bench.weights import PROGRAM, WEIGHTS, Change, read
from edgepack.bundle import Bundle, open_bundle
from edgepack.oci import blob
from edgepack.package.bundle import BundleSpec, Content, write_bundle
from edgepack.store import Store
from edgepack.tools.qemu import host_arch
from tests import digits
from tests.digits import NODE, TARGET, Digits

IMAGES = tuple(f"data/val/{n:03}.pgm" for n in range(12))
FOREIGN = "x86_64"  # the target is an aarch64
COUNT = 200


@dataclass(frozen=True)
class Refusal:
    """What was tried, what refused it, and how that ended; whether the old release answers as before, and
    everything on the box is as it was."""

    what: str
    by: str
    code: int
    said: str
    old_answers: bool
    nothing_left: bool


@dataclass(frozen=True)
class Scene:
    """A project whose first release answers on its box. ``good``: that release's bundle, kept aside."""

    project: Digits
    good: Bundle
    foreign: Bundle
    answers: object
    on_box: frozenset[str]
    seed: int

    @property
    def native(self) -> Bundle:
        """The one whose program this machine runs without an emulator."""
        return self.good if self.good.arch == host_arch() else self.foreign

    def tried(self, what: str, by: str, *words: str | Path) -> Refusal:
        """Run a command that should be refused, then look at the box."""
        said = self.project.run(*words)
        told = [
            line.split(":", 1)[1].strip()
            for line in said.err.splitlines()
            if line.startswith(("error:", "  why:"))
        ]
        return Refusal(what, by, said.code, "; ".join(told) or "not refused", *self.as_before())

    def as_before(self) -> tuple[bool, bool]:
        """Whether the first release is current and gives the same answers, and whether it is all there is."""
        status = self.project.said("status", NODE)[0]
        asked = self.project.said("ask", NODE, *IMAGES)
        current = (status["release"], status["running"]) == (_hex(self.good), True)
        return current and asked == self.answers, held(self.project) == self.on_box

    @contextlib.contextmanager
    def beside(self, name: str) -> Iterator[Path]:
        """A folder beside the project, for a bundle."""
        with tempfile.TemporaryDirectory(dir=self.project.folder.parent, prefix=f"{name}-") as folder:
            yield Path(folder) / "bundle"


def prepare(folder: Path, kept: Path, seed: int) -> Scene:
    """Build, bring a box up, deploy, ask."""
    project = digits.copy(folder, kept)
    project.said("build", TARGET, FOREIGN)
    aside = {target: folder.with_name(f"good-{target}") for target in (TARGET, FOREIGN)}
    for target, place in aside.items():
        shutil.copytree(project.bundle(target), place)
    project.said("sandbox", "up", NODE, "--server", "builtin")
    project.said("deploy", NODE)
    answers = project.said("ask", NODE, *IMAGES)
    bundles = open_bundle(aside[TARGET]), open_bundle(aside[FOREIGN])
    return Scene(project, *bundles, answers, held(project), seed)


def held(project: Digits) -> frozenset[str]:
    """What lies on the box: stored files, releases, what is on its way; not journal, log and answers."""
    root = project.folder / ".edgepack" / "sandbox" / NODE / "root" / "home" / "edgepack"
    places = [*(root / "store").rglob("*"), *(root / "incoming").rglob("*"), root / "apps/digits/current"]
    places += (root / "apps/digits/releases").rglob("*")
    return frozenset(f"{place.relative_to(root)} {place.resolve().name}" for place in places)


def forged(bundle: Bundle, changed: Mapping[str, bytes], dest: Path) -> Path:
    """A bundle like another but for some files, consistent in all of its digests."""
    layers: dict[str, dict[str, Content]] = {}
    for file in bundle.files:
        if file.path != "release.json":
            data = changed[file.path] if file.path in changed else read(bundle, file.path)
            layers.setdefault(file.layer, {})[file.path] = Content(data, file.mode)
    identity = {key: getattr(bundle, key) for key in ("name", "version", "target", "arch", "runtime")}
    return write_bundle(BundleSpec(**identity, layers=layers, release=bundle.release), dest).folder


def one_weight(scene: Scene) -> list[Refusal]:
    """(a) by a converter that is almost right, in the cache, in a bundle, and in a bundle made around it."""
    what, change = "one weight changed", a_weight(scene)
    return [
        _converted_wrongly(scene, what, change),
        _changed_in_the_cache(scene, what, change),
        _changed_in_a_bundle(scene, what, change),
        _forged(scene, what, {WEIGHTS: weights.made(change, read(scene.good, WEIGHTS))}),
    ]


def a_weight(scene: Scene) -> Change:
    """A convolution's weight whose sign is to be changed, by the seed."""
    some = weights.changes(scene.good, "its sign", 5000, scene.seed)
    return next(c for c in some if c.blob.kind == "weights" and "conv" in c.blob.layer)


def _converted_wrongly(scene: Scene, what: str, change: Change) -> Refusal:
    """By a recipe of the project's own, which wins over the shipped one, and changes what it has compared."""
    recipe = scene.project.folder / "recipes" / "onnx-ncnn"
    shutil.copytree(digits.EXAMPLE.parents[1] / "recipes" / "onnx-ncnn", recipe)
    hook = _HOOK.format(at=change.at)
    convert = recipe / "convert.py"
    convert.write_text(convert.read_text() + hook)
    try:
        return scene.tried(what, "build: golden vectors", "build", "--for", NODE)
    finally:
        shutil.rmtree(recipe.parent)


# What is compared, and what is kept: ``launch.py PROGRAM REQUEST`` ends after the recipe's own check.
_HOOK = """

def _spoil() -> None:
    import atexit, struct, sys

    def late() -> None:
        file = Path(json.loads(Path(sys.argv[2]).read_text())["out"]) / "model.bin"
        data = bytearray(file.read_bytes())
        struct.pack_into("<f", data, {at}, -struct.unpack_from("<f", data, {at})[0])
        file.write_bytes(data)

    atexit.register(late)


_spoil()
"""


def _changed_in_the_cache(scene: Scene, what: str, change: Change) -> Refusal:
    """After conversion and proof, before the bundle is made again from what was kept of both."""
    good, project = read(scene.good, WEIGHTS), scene.project
    place = Store(project.kept / "store").blob(hashlib.sha256(good).hexdigest())
    place.chmod(0o644)
    place.write_bytes(weights.made(change, good))
    shutil.rmtree(project.bundle())
    refused = scene.tried(what, "build: digests of the cache", "build", "--for", NODE)
    project.said("build", "--for", NODE)
    assert open_bundle(project.bundle(), verify=True).digest == scene.good.digest, "it was not made anew"
    return refused


def _changed_in_a_bundle(scene: Scene, what: str, change: Change) -> Refusal:
    """In the bundle's own file, as a bad disk does it."""
    with scene.beside("damaged") as folder:
        shutil.copytree(scene.good.folder, folder)
        layer = next(layer for layer in scene.good.layers if layer.kind == "model")
        data = blob(folder, layer.digest).read_bytes()
        moved = Change(change.blob, scene.good.file(WEIGHTS).offset + change.at, change.old, change.new)
        blob(folder, layer.digest).write_bytes(weights.made(moved, data))
        return scene.tried(what, "deploy: digests of the bundle", "deploy", NODE, "--bundle", folder)


def _forged(scene: Scene, what: str, changed: Mapping[str, bytes]) -> Refusal:
    """In a bundle that is consistent in itself: nothing but the proof on the box can tell."""
    with scene.beside("forged") as folder:
        bundle = forged(scene.good, changed, folder)
        return scene.tried(what, "box: golden vectors", "deploy", NODE, "--bundle", bundle)


def other_mean(scene: Scene) -> list[Refusal]:
    """(b) by the manifest, and by a bundle with the program that was compiled from it."""
    what, project = "the mean changed in `pre`", scene.project
    project.rewrite("edgepack.yaml", "mean: [0.5]", "mean: [0.4]")
    built = scene.tried(what, "build: golden vectors", "build", "--for", NODE)
    linked = project.folder / ".edgepack" / "build" / f"{TARGET}-zig" / "build" / "bin" / "digits"
    program = linked.read_bytes()
    project.rewrite("edgepack.yaml", "mean: [0.4]", "mean: [0.5]")
    return [built, _forged(scene, what, {PROGRAM: program})]


def other_architecture(scene: Scene) -> list[Refusal]:
    """(c) in an honest bundle for another target, and in one that claims to be for this one."""
    what = f"a program built for {FOREIGN}"
    honest = scene.tried(what, "deploy: preflight", "deploy", NODE, "--bundle", scene.foreign.folder)
    return [honest, _forged(scene, what, {PROGRAM: read(scene.foreign, PROGRAM)})]


def show(rows: Sequence[Refusal]) -> None:
    print("| what | refused by | exit | in these words | old release answers as before | left on the box |")
    print("|---|---|--:|---|---|---|")
    for row in rows:
        answers = "yes" if row.old_answers else "NO"
        left = "nothing" if row.nothing_left else "SOMETHING"
        print(f"| {row.what} | {row.by} | {row.code} | {row.said} | {answers} | {left} |")


def show_parameters(scene: Scene, release: Path, seed: int) -> None:
    """One line a way of changing, and one a layer for the sign."""
    every = weights.changes(scene.native, "its sign", COUNT, seed)
    gates, samples = scene.native.release["gates"], scene.native.release["golden"]["samples"]
    print(f"\n{COUNT} of the {sum(b.count for b in layout(scene))} parameters, one at a time; gates {gates}.")
    print(f"What is not refused moved no output of the {samples} golden vectors beyond the gate, no class:\n")
    print("| changed | refused by the golden vectors | else off by at most | allowed | told by digests |")
    print("|---|--:|--:|--:|--:|")
    for kind in weights.KINDS:
        these = weights.changes(scene.native, kind, COUNT, seed)
        told = weights.told(scene.native, release, these)
        missed = [one.error for one in told if not one.refused]
        digests = weights.told_by_digests(scene.native, these)
        print(
            f"| {kind} | {COUNT - len(missed)} of {COUNT} | {max(missed, default=0):.2g} "
            f"| {told[0].limit:.2g} | {digests} of {COUNT} |"
        )
        every = told if kind == "its sign" else every
    print("\nBy layer, the sign changed:\n\n| layer | parameters | drawn | refused |\n|---|--:|--:|--:|")
    for one in layout(scene):
        drawn = [told.refused for told in every if told.change.blob == one]
        print(f"| {one.layer}, {one.kind} | {one.count} | {len(drawn)} | {sum(drawn)} |")


def layout(scene: Scene) -> list[weights.Blob]:
    return weights.layout(read(scene.native, weights.PARAM).decode(), scene.native.file(WEIGHTS).size)


def _hex(bundle: Bundle) -> str:
    return bundle.digest.removeprefix("sha256:")


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(1 << 16)
    with tempfile.TemporaryDirectory(prefix="edgepack-refusals-") as temporary:
        place = Path(temporary)
        scene = prepare(place / "digits", digits.fresh_cache(place / "cache"), seed)
        try:
            rows = [*one_weight(scene), *other_mean(scene), *other_architecture(scene)]
        finally:
            scene.project.said("sandbox", "down", NODE)
        print(f"seed {seed}\n")
        show(rows)
        show_parameters(scene, weights.unpack(scene.native, place / "release"), seed)
    if not all(row.code and row.old_answers and row.nothing_left for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
