"""Three things that must never answer on a box, and what refuses each: ``python -m bench.refusals [SEED]``.

On a copy of examples/digits with a sandbox box whose first release answers: one weight of the converted
model with its sign changed, another mean in ``pre``, and a program built for another architecture. Each is
tried by an ordinary build and, in a bundle made around it whose digests are all consistent, by a deploy.
After each the old release must be there and give the same answers. Then: how many of 200 such single
weights the golden vectors tell apart, since a weight that no output depends on cannot be told by outputs.
"""

from __future__ import annotations

import random
import shutil
import struct
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgepack.bundle import Bundle, open_bundle
from edgepack.package.bundle import BundleSpec, Content, write_bundle
from edgepack.tools import cache
from edgepack.tools.runner import command, run
from tests import digits
from tests.digits import NODE, TARGET, Digits

IMAGES = tuple(f"data/val/{n:03}.pgm" for n in range(12))
PROGRAM, WEIGHTS = "bin/digits", "model/model.bin"


@dataclass(frozen=True)
class Refusal:
    """What was tried, where, how it ended, and whether the old release answers as before."""

    what: str
    where: str
    code: int
    said: str
    old_answers: bool


@dataclass(frozen=True)
class Scene:
    """A project whose first release answers on its box. ``good``: that release's bundle, kept aside."""

    project: Digits
    good: Bundle
    other_arch: Bundle
    answers: object
    seed: int

    def tried(self, what: str, where: str, *words: str | Path) -> Refusal:
        """Run a command that should be refused, then look at the box."""
        said = self.project.run(*words)
        first = next((line for line in said.err.splitlines() if line.startswith("error:")), "not refused")
        return Refusal(what, where, said.code, first.removeprefix("error: "), self.old_answers())

    def old_answers(self) -> bool:
        """Whether the first release is current and gives the answers that it gave."""
        status = self.project.said("status", NODE)[0]
        release = self.good.digest.removeprefix("sha256:")
        asked = self.project.said("ask", NODE, *IMAGES)
        return bool((status["release"], status["running"]) == (release, True) and asked == self.answers)


def prepare(folder: Path, kept: Path, seed: int) -> Scene:
    """Build, bring a box up, deploy, ask."""
    project = digits.copy(folder, kept)
    project.said("build", TARGET, "x86_64")
    aside = {t: folder.with_name(f"good-{t}") for t in (TARGET, "x86_64")}
    for target, place in aside.items():
        shutil.copytree(project.bundle(target), place)
    project.said("sandbox", "up", NODE)
    project.said("deploy", NODE)
    answers = project.said("ask", NODE, *IMAGES)
    return Scene(project, open_bundle(aside[TARGET]), open_bundle(aside["x86_64"]), answers, seed)


def forged(bundle: Bundle, changes: Mapping[str, bytes], dest: Path) -> Path:
    """A bundle like another but for some files, consistent in all of its digests."""
    layers: dict[str, dict[str, Content]] = {}
    for file in bundle.files:
        if file.path != "release.json":
            data = changes[file.path] if file.path in changes else bundle.open(file).read()
            layers.setdefault(file.layer, {})[file.path] = Content(data, file.mode)
    identity = {key: getattr(bundle, key) for key in ("name", "version", "target", "arch", "runtime")}
    return write_bundle(BundleSpec(**identity, layers=layers, release=bundle.release), dest).folder


def bytes_of(bundle: Bundle, path: str) -> bytes:
    return bundle.open(bundle.file(path)).read()


def with_one_weight_changed(weights: bytes, at: int) -> bytes:
    """ncnn's ``.bin`` with the sign of the float32 at byte ``at`` changed."""
    (value,) = struct.unpack_from("<f", weights, at)
    return weights[:at] + struct.pack("<f", -value) + weights[at + 4 :]


def places(weights: bytes, count: int, seed: int) -> list[int]:
    """Byte offsets of ``count`` floats that are weights: not zero, not a layer's tag (all bits zero)."""
    chance = random.Random(seed)
    every = [at for at in range(0, len(weights) - 3, 4) if struct.unpack_from("<f", weights, at)[0]]
    return chance.sample(every, count)


def one_weight(scene: Scene) -> list[Refusal]:
    """(a) by a recipe of the project's own that converts almost rightly, and by a deploy."""
    project = scene.project
    weights = bytes_of(scene.good, WEIGHTS)
    at = next(p for p in places(weights, 50, scene.seed) if p < 10_000)  # in the convolutions
    recipe = project.folder / "recipes" / "onnx-ncnn"
    shutil.copytree(digits.EXAMPLE.parents[1] / "recipes" / "onnx-ncnn", recipe)
    convert = recipe / "convert.py"
    hook = _HOOK.format(at=at)
    convert.write_text(convert.read_text().replace('if __name__ == "__main__":', hook))
    built = scene.tried("one weight changed", "build", "build", "--for", NODE)
    shutil.rmtree(project.folder / "recipes")
    changed = {WEIGHTS: with_one_weight_changed(weights, at)}
    bundle = forged(scene.good, changed, project.folder.with_name("weight"))
    return [built, scene.tried("one weight changed", "deploy", "deploy", NODE, "--bundle", bundle)]


_HOOK = """def _spoil() -> None:
    import atexit, json, pathlib, struct

    def late() -> None:
        file = pathlib.Path(json.loads(pathlib.Path(sys.argv[1]).read_text())["out"]) / "model.bin"
        data = bytearray(file.read_bytes())
        struct.pack_into("<f", data, {at}, -struct.unpack_from("<f", data, {at})[0])
        file.write_bytes(data)

    atexit.register(late)


if __name__ == "__main__":
    _spoil()"""


def other_mean(scene: Scene) -> list[Refusal]:
    """(b) by the manifest, and with the program that was compiled from it."""
    project = scene.project
    project.rewrite("edgepack.yaml", "mean: [0.5]", "mean: [0.4]")
    built = scene.tried("the mean changed in pre", "build", "build", "--for", NODE)
    program = project.folder / ".edgepack" / "build" / f"{TARGET}-zig" / "build" / "digits"
    bundle = forged(scene.good, {PROGRAM: program.read_bytes()}, project.folder.with_name("mean"))
    project.rewrite("edgepack.yaml", "mean: [0.4]", "mean: [0.5]")
    return [built, scene.tried("the mean changed in pre", "deploy", "deploy", NODE, "--bundle", bundle)]


def other_architecture(scene: Scene) -> list[Refusal]:
    """(c) an honest bundle for another target, and one that claims to be for this one."""
    what, folder = "a program for x86_64", scene.project.folder
    foreign = bytes_of(scene.other_arch, PROGRAM)
    liar = forged(scene.good, {PROGRAM: foreign}, folder.with_name("liar"))
    return [
        scene.tried(what, "deploy", "deploy", NODE, "--bundle", scene.other_arch.folder),
        scene.tried(f"{what}, labelled aarch64", "deploy", "deploy", NODE, "--bundle", liar),
    ]


def told_apart(scene: Scene, count: int, folder: Path) -> int:
    """How many of ``count`` single-weight changes the golden vectors tell, by the program run natively."""
    for file in scene.other_arch.files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(scene.other_arch.open(file).read())
        place.chmod(file.mode)
    weights = bytes_of(scene.good, WEIGHTS)
    found = 0
    for at in places(weights, count, scene.seed):
        (folder / WEIGHTS).write_bytes(with_one_weight_changed(weights, at))
        found += run(command(folder / PROGRAM, "verify")).returncode == 8
    return found


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory(prefix="edgepack-refusals-") as temporary:
        scene = prepare(Path(temporary) / "digits", cache.root(), seed)
        try:
            rows = [*one_weight(scene), *other_mean(scene), *other_architecture(scene)]
        finally:
            scene.project.said("sandbox", "down", NODE)
        told = told_apart(scene, 200, Path(temporary) / "release")
    print(f"seed {seed}\n")
    print("| what | tried by | exit | said | the old release answers as before |\n|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.what} | {row.where} | {row.code} | {row.said} | {'yes' if row.old_answers else 'NO'} |"
        )
    print(f"\n{told} of 200 single weights with their sign changed are told by the golden vectors' gates.")
    if not all(row.code and row.old_answers for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
