"""Everything that planning looks at, taken before it: planning itself reads nothing.

A file's digest is kept with its size and times, so that a second look costs a stat.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from edgepack import __version__
from edgepack.catalog import paths, targets
from edgepack.catalog.architectures import architecture
from edgepack.catalog.libraries import LibrarySpec
from edgepack.catalog.ncnn_build import NcnnSpec
from edgepack.catalog.ncnn_layers import Tier
from edgepack.catalog.packaged_runtimes import PACKAGED, PackagedSpec
from edgepack.catalog.recipes import Recipe
from edgepack.catalog.targets import Target
from edgepack.manifest import pointer
from edgepack.manifest.project import Manifest, Place, Project, named_files
from edgepack.model import external
from edgepack.model.errors import ExternalDataError
from edgepack.plan import libraries
from edgepack.plan import toolchain as toolchain_words
from edgepack.plan.chain import format_of
from edgepack.store import Store, digest_file, digest_of, digest_tree

SOURCES = {".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".inc", ".ipp"}
TIERS: tuple[Tier, ...] = ("common", "all")
_RACY_NS = 2_000_000_000  # a file touched this close to the look may change again within its timestamp


@dataclass(frozen=True)
class Snapshot:
    """A moment of the project, the catalogue and the store."""

    project: Project
    targets: Mapping[str, Target]
    recipes: Mapping[str, Recipe]
    digests: Mapping[str, str]  # of each recipe, by its id
    format: str | None  # of the model, by its name
    files: Mapping[str, str]  # path in the project → sha256
    weights: Mapping[str, str]  # that the model keeps in files beside it: path in the project → sha256
    sources: str  # digest of all C and C++ files of the project
    code: Mapping[str, str]  # parts of edgepack that decide bytes → digest
    # Each that may be wanted → the digest of all its bytes depend on.
    runtimes: Mapping[NcnnSpec | PackagedSpec, str]
    results: frozenset[str]  # keys that have a result
    layers: Mapping[str, tuple[str, ...]]  # convert key → ncnn layers its result uses
    libraries: Mapping[LibrarySpec, str]  # each C library that may be wanted → as above
    previous: Mapping[str, Mapping[str, str]]  # step id → inputs of the last build
    here: Here


@dataclass(frozen=True)
class Here:
    """What this host can do, looked up by those who know."""

    qemu: Mapping[str, str]  # arch → what verifies its programs here
    arch: str  # this host's own
    missing: Mapping[str, str]  # recipe id → what it lacks here
    programs: frozenset[str]  # runtimes that the program's template can drive
    # A vendor's runtime → digest of its headers here, or what is missing and what points to it.
    vendors: Mapping[str, str] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    # recipe id → what its results depend on here: a version's or a device's name → what was told
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # A compiler in a container or on a node, as the manifest names it → with what it was found to be.
    toolchains: Mapping[str, str] = field(default_factory=dict)


def take(
    project: Project,
    target_ids: tuple[str, ...],
    store: Store,
    elsewhere: frozenset[str],
    known_recipes: Mapping[str, Recipe],
    here: Here,
) -> Snapshot:
    """Look at everything once.

    target_ids: which of the manifest's; elsewhere: keys of results that lie outside the store. Raises
    InputError for an unknown target, and ExternalDataError where weights lie where the model may not keep
    them.
    """
    folder = project.folder
    known = StatDigests(folder / ".edgepack" / "digests.json")
    files = {name: _digest(project, known, path, name) for path, name in named_files(project.manifest)}
    weights = {name: known.digest(path) for name, path in weight_files(project, known_recipes).items()}
    sources = digest_of({str(p.relative_to(folder)): known.digest(p) for p in source_tree(folder)[0]})
    known.save()
    chosen = {t: _target(project, t) for t in target_ids}
    return Snapshot(
        project=project,
        targets=chosen,
        recipes=known_recipes,
        digests={recipe.id: recipe.digest() for recipe in known_recipes.values()},
        format=format_of(project.manifest.model.file, known_recipes, folder),
        files=files,
        weights=weights,
        sources=sources,
        code=_code(folder),
        runtimes={spec: spec.key() for spec in _runtimes(project.manifest, chosen.values(), here)},
        libraries={
            spec: spec.key() for spec in libraries.specs(project.manifest, chosen.values(), here.toolchains)
        },
        results=store.keys() | elsewhere,
        layers=remembered_layers(folder),
        previous=_previous(folder),
        here=here,
    )


def _runtimes(manifest: Manifest, chosen: Iterable[Target], here: Here) -> Iterator[NcnnSpec | PackagedSpec]:
    for target in chosen:
        if target.known_arch is None:  # no program, and so nothing for one
            continue
        for runtime in PACKAGED:
            yield PackagedSpec(runtime, target.arch)
        for toolchain in toolchain_words.known(manifest, target, here.toolchains):
            for tier in TIERS:
                yield NcnnSpec(target.arch, target.cpu, tier, toolchain)
        for tier in TIERS:
            glibc = architecture(target.arch).glibc
            yield NcnnSpec(target.arch, target.cpu, tier, "zig", glibc=glibc)


def _digest(project: Project, known: StatDigests, path: Place, name: str) -> str:
    place = project.file(name)
    try:
        if not place.is_dir():
            return known.digest(place)
        inside = sorted(p for p in place.rglob("*") if p.is_file())
        # Of new files only: what was read before was no pointer, else it had been refused here.
        left = [p for p in inside if not known.knows(p) and pointer.is_pointer(p)]
        if left:
            first = (PurePosixPath(name) / left[0].relative_to(place).as_posix()).as_posix()
            words = pointer.words(first, len(left) - 1)
            raise project.document.wrong(project.document.problem(words, path, pointer.FIX))
        return digest_of({p.relative_to(place).as_posix(): known.digest(p) for p in inside})
    except OSError as error:
        hint = f"look at its owner and mode: ls -ld {name}"
        problem = project.document.problem(f"cannot read {name}: {error.strerror}", path, hint)
        raise project.document.wrong(problem) from None


def weight_files(project: Project, known: Mapping[str, Recipe]) -> dict[str, Path]:
    """Files beside the model that may hold weights of it, by path in the project. Raises ExternalDataError.

    Of ONNX those that it names; of formats in two files all beside it that a recipe would take for the
    second, also where the manifest does not name one.
    """
    model = project.manifest.model.file
    place, folder = project.file(model), PurePosixPath(model).parent
    if PurePosixPath(model).suffix.lower() != ".onnx":
        ends = tuple(end for recipe in known.values() for end in recipe.about.weights)
        beside = sorted(place.parent.iterdir()) if ends and place.is_file() else []
        return {str(folder / p.name): p for p in beside if p.is_file() and p.name.lower().endswith(ends)}
    try:
        found = external.files(place)
    except ExternalDataError as error:
        error.where = f"{model} (edgepack.yaml:{project.document.line(('model', 'file'))})"
        raise
    return {str(folder / name): path for name, path in found.items()}


def _target(project: Project, target_id: str) -> Target:
    found = targets.find(project.folder)
    if target_id not in found:
        message, path = f"there is no target `{target_id}`", ("targets", target_id)
        raise project.document.wrong(project.document.problem(message, path, targets.near(target_id, found)))
    return targets.load(target_id, project.folder)


def source_tree(folder: Path) -> tuple[list[Path], list[Path]]:
    """Every C and C++ file of a project, since any may be included from any, and the folders looked in.

    Hidden folders, bundles and CMake's build folders are not looked into.
    """
    files, folders = [], []
    for place, inside, names in os.walk(folder):
        inside[:] = sorted(n for n in inside if n[0] != "." and n not in ("dist", "build"))
        folders.append(Path(place))
        files += [Path(place, name) for name in names if Path(name).suffix in SOURCES]
    return sorted(files), folders


def _code(folder: Path) -> dict[str, str]:
    package = Path(__file__).resolve().parent.parent
    return {
        "edgepack": __version__,
        "templates/program": digest_tree(paths.template("program", folder)),
        **{f"templates/{form}": digest_tree(paths.template(form, folder)) for form in ("sdk", "service")},
        "edgepack/compile": digest_tree(package / "compile"),
        "edgepack/package": digest_tree(package / "package"),
        "edgepack/convert": digest_tree(package / "convert"),
        "edgepack/convert/feed": digest_of(
            {name: digest_file(package / "convert" / name) for name in ("feed_step.py", "parts.py")}
        ),
        "edgepack/model": digest_tree(package / "model"),
    }


def remembered_layers(folder: Path) -> dict[str, tuple[str, ...]]:
    """Which ncnn layers each conversion of this project was seen to use."""
    raw = _json(folder / ".edgepack" / "layers.json")
    return {str(k): tuple(map(str, v)) for k, v in raw.items() if isinstance(v, list)}


def _previous(folder: Path) -> dict[str, dict[str, str]]:
    raw = _json(folder / ".edgepack" / "last-plan.json")
    return {str(k): dict(v) for k, v in raw.items() if isinstance(v, dict)}


def _json(file: Path) -> dict[str, object]:
    try:
        raw = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _mark(stat: os.stat_result) -> list[object]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


class StatDigests:
    """sha256 of files, remembered by size, inode and times as git does it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, list[object]] = {}
        self.changed = False
        try:
            raw = json.loads(file.read_bytes())
            self.known = raw if isinstance(raw, dict) else {}
        except (OSError, ValueError):
            self.changed = True

    def knows(self, path: Path) -> bool:
        """Whether the file was read before, and has not changed since."""
        return self.known.get(str(path), [])[:4] == _mark(path.stat())

    def digest(self, path: Path) -> str:
        """The file's sha256; read only where its stat says that it may have changed."""
        stat = path.stat()
        if self.knows(path):
            return str(self.known[str(path)][4])
        digest = digest_file(path)
        if time.time_ns() - stat.st_mtime_ns > _RACY_NS:
            self.known[str(path)] = [*_mark(stat), digest]
            self.changed = True
        return digest

    def save(self) -> None:
        """Keep what was learned; losing it costs a read, so nothing here is worth an error."""
        if not self.changed:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            beside = self.file.with_suffix(f".{os.getpid()}.new")
            beside.write_text(json.dumps(self.known))
            beside.replace(self.file)
        except OSError:
            return
