"""``edgepack.yaml``: what the user wrote about one project."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgepack import document
from edgepack.errors import InputError, Problem
from edgepack.manifest import labels, pointer
from edgepack.manifest.blocks import Member, PostBlock, PreBlock, misplaced
from edgepack.manifest.encryption import Encryption
from edgepack.manifest.flow import Metrics, Queue, Watchdog
from edgepack.manifest.graph import wrong_graph
from edgepack.manifest.hooks import Hooks
from edgepack.manifest.licence import Licence
from edgepack.manifest.model import ModelSection, Parity, PythonCode, TargetOptions
from edgepack.manifest.python import Python
from edgepack.manifest.rules import Word
from edgepack.manifest.service import Service
from edgepack.manifest.sinks import JsonlSink, Sink, Sinks
from edgepack.manifest.sources import CodeSource, FilesSource, Source
from edgepack.manifest.together import wrong_together
from edgepack.manifest.words import AnyPath, Model, Name, TargetId, Version

FILE = "edgepack.yaml"

Place = tuple[str | int, ...]  # of a value in the manifest: ("post", 1, "code")


class Health(Model):
    """What a new release must show before it is confirmed."""

    timeout: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=30, description="seconds that a release has to become healthy; else the box goes back"
    )
    min_fps: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0, description="images per second that the program must reach before it is confirmed"
    )
    metrics: bool = Field(
        default=False,
        description="whether `/healthz` of `metrics` must answer too, on the box, that no trouble lasts",
    )


class Manifest(Model):
    """One project: a model, its pre- and post-processing, the targets it is for."""

    name: Name = Field(
        description="lower-case letters, digits, hyphens: the program's name, and the app's folder on a box"
    )
    version: Version = Field(description="yours to choose: letters, digits, `.` `+` `-`")
    form: Literal["app", "service", "sdk"] = Field(
        default="app",
        description="app: a program that runs on, from its source to its sink; service: a program that "
        "answers over HTTP and gRPC (Open Inference Protocol); sdk: a library with a C interface that a "
        "partner links",
    )
    model: ModelSection
    pre: list[PreBlock] = Field(
        default=[],
        description="steps from the raw image to the model's input, in order: building blocks, your own C++",
    )
    post: list[PostBlock] = Field(
        default=[], description="steps from the model's outputs to the answer, in order; your own C++ last"
    )
    models: dict[Word, Member] = Field(
        default={}, description="models beside the first one, by names of yours; `each` in `post` asks them"
    )
    source: Source = Field(default=FilesSource(), description="where the pictures come from")
    sink: Sinks = Field(
        default=JsonlSink(),
        description="where the answers go; a list where they go to several places, `[]` where who asks over "
        "HTTP is all that wants them",
    )
    queue: Queue = Queue()
    watchdog: Watchdog = Watchdog()
    metrics: Metrics | None = None
    targets: dict[TargetId, TargetOptions] = Field(
        min_length=1, description="what to build for: ids of `edgepack targets`, each with options or `{}`"
    )
    service: Service = Service()
    parity: Parity = Parity()
    health: Health = Health()
    hooks: Hooks = Hooks()
    licence: Licence | None = None
    encryption: Encryption | None = None
    python: Python | None = None
    sdk: dict[Name, AnyPath] = Field(
        default={}, description="where a vendor's toolkit lies on this host: `cann: /opt/Ascend/latest`"
    )

    @model_validator(mode="after")
    def _together(self) -> Manifest:
        found = tuple(wrong_together(self))
        if found:
            raise document.Misfits(*found)
        return self

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Every place that the answers go to."""
        return tuple(self.sink) if isinstance(self.sink, list) else (self.sink,)


@dataclass(frozen=True)
class Project:
    """A manifest and the folder it speaks of."""

    folder: Path
    manifest: Manifest
    document: document.Document

    def file(self, relative: str) -> Path:
        """A file of the project by the name that the manifest gives it."""
        return self.folder / relative


def load(folder: Path) -> Project:
    """Read ``edgepack.yaml`` in ``folder``. Raises InputError with every problem at once."""
    doc = document.read(folder / FILE, FILE)
    manifest = document.load(Manifest, doc)
    project = Project(folder, manifest, doc)
    problems = list(_missing_files(project))
    if not problems and manifest.licence:
        problems = [doc.problem(words, path, fix) for path, words, fix in manifest.licence.wrong(folder)]
    if not problems:
        project, problems = _with_labels(project)
        manifest = project.manifest
    problems += [doc.problem(words, path) for path, words in misplaced(manifest.pre, manifest.post)]
    problems += [doc.problem(words, path) for path, words in wrong_graph(manifest)]
    for name, member in manifest.models.items():
        wrong = misplaced(member.pre, member.post)
        problems += [doc.problem(words, ("models", name, *path)) for path, words in wrong]
    if problems:
        raise doc.wrong(*problems)
    return project


def _missing_files(project: Project) -> list[Problem]:
    """A line for each file or folder that the manifest names and that is not there."""
    found = []
    for path, relative in named_files(project.manifest):
        place = project.file(relative)
        if not place.exists():
            found.append(project.document.problem(f"there is no {relative}", path, _near(place)))
        elif not place.resolve().is_relative_to(project.folder.resolve()):
            found.append(project.document.problem(f"{relative} is a link out of the project", path))
        elif path not in _MAY_BE_FOLDERS and not place.is_file():
            found.append(project.document.problem(f"{relative} is not a file", path))
        elif pointer.is_pointer(place):
            found.append(project.document.problem(pointer.words(relative), path, pointer.FIX))
    return found


def _with_labels(project: Project) -> tuple[Project, list[Problem]]:
    """With the labels that are in files; and what is wrong with those."""
    post, problems = [], []
    for index, block in enumerate(project.manifest.post):
        step = None if block.kind == "code" else getattr(block, block.kind)
        file = getattr(step, "labels", None)
        if step is not None and isinstance(file, str):
            try:
                known = labels.read(project.file(file), file)
                block = block.model_copy(update={block.kind: step.model_copy(update={"labels": known})})
            except (ValueError, OSError) as error:
                problems.append(project.document.problem(str(error), ("post", index, block.kind, "labels")))
        post.append(block)
    return replace(project, manifest=project.manifest.model_copy(update={"post": post})), problems


_MAY_BE_FOLDERS = (("model", "file"), ("model", "accuracy", "data"), ("model", "calibration", "data"))


def named_files(manifest: Manifest) -> list[tuple[Place, str]]:
    """Each file and folder that the manifest names, and where it does."""
    model = manifest.model
    named: list[tuple[Place, str | None]] = [
        (("source", "code"), manifest.source.code if isinstance(manifest.source, CodeSource) else None),
        (("model", "file"), model.file),
        (("model", "weights"), model.weights),
        (("model", "golden"), model.golden),
    ]
    named += manifest.licence.files() if manifest.licence else ()
    for name, hook in manifest.hooks.named().items():
        named.append((("hooks", name.replace("-", "_"), "file"), hook.file))
    if model.accuracy:
        named.append((("model", "accuracy", "data"), model.accuracy.data))
        if isinstance(model.accuracy.metric, PythonCode):
            named.append((("model", "accuracy", "metric", "code"), model.accuracy.metric.code))
    if model.calibration:
        named.append((("model", "calibration", "data"), model.calibration.data))
        if model.calibration.loader:
            named.append((("model", "calibration", "loader", "code"), model.calibration.loader.code))
    named.append((("python", "requirements"), manifest.python.requirements if manifest.python else None))
    for section, blocks in (("pre", manifest.pre), ("post", manifest.post)):
        named += [((section, i, "code"), block.code) for i, block in enumerate(blocks)]
    for index, block in enumerate(manifest.post):
        known = None if block.kind == "code" else getattr(getattr(block, block.kind), "labels", None)
        file = known if isinstance(known, str) else getattr(known, "file", None)
        named.append((("post", index, block.kind, "labels"), file))
    for name, member in manifest.models.items():
        named += [(("models", name, "file"), member.file), (("models", name, "golden"), member.golden)]
        for section, steps in (("pre", member.pre), ("post", member.post)):
            named += [(("models", name, section, i, "code"), step.code) for i, step in enumerate(steps)]
    return [(path, relative) for path, relative in named if relative]


def _near(place: Path) -> str | None:
    import difflib

    if not place.parent.is_dir():
        return f"there is no folder {place.parent.name}/ either"
    near = difflib.get_close_matches(place.name, [p.name for p in place.parent.iterdir()], 1, 0.6)
    return f"did you mean {near[0]}?" if near else "put it there, or correct the path"


def not_writable(folder: Path, error: OSError) -> InputError:
    """The error for a project's folder that edgepack cannot keep its results in."""
    return InputError(
        "cannot write in the project's folder",
        where=str(folder),
        why=error.strerror or str(error),
        fix="make it writable: edgepack keeps its state in .edgepack/ and its bundles in dist/",
    )
