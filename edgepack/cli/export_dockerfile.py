"""``edgepack export dockerfile [TARGET…]``: a Dockerfile for edgepack's image, and its files."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgepack.bundle import Bundle
    from edgepack.cli.screen import Screen
    from edgepack.manifest.project import Project
    from edgepack.package.dockerfile import Compiler, DockerfileSpec, Source
    from edgepack.plan.step import Plan
    from edgepack.store import Store

_REGISTRY, _LAYOUT = "docker://", "oci:"
# Of an image, with a tag or a digest: github.com/distribution/reference. Nothing of it ends a line.
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,300}", re.ASCII)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write the folder anew; then build, where that is asked for."""
    from edgepack.containers import files
    from edgepack.manifest import project as manifests
    from edgepack.package import dockerfile
    from edgepack.tools import builders

    asked = _builder_asked(args.also)
    builder = builders.choose(asked) if args.build else None
    project = manifests.load(Path(args.folder).absolute())
    spec = _spec(project, args, screen)
    place = Path(args.into).absolute() if args.into else project.folder / "docker"
    text = {"Dockerfile": dockerfile.render(spec), ".gitignore": dockerfile.IGNORED}
    states: dict[str, Any] = dict(files.write(place, text, {}, dry=True))
    if not args.dry_run:
        _write_context(spec, place)
        files.write(place, text, {}, dry=False)
    named = dockerfile.folders(spec.bundles)
    told = {one.target: f"{dockerfile.FILES}/{named[one.target]}" for one in spec.bundles}
    screen.text(f"{place}" + (": nothing is written, this is a dry run" if args.dry_run else ""))
    screen.rows([["   ", state, name] for name, state in states.items()])
    screen.rows([["   ", where, f"for {target}"] for target, where in told.items()])
    built = [] if builder is None or args.dry_run else _build(builder, spec, place, project, screen)
    said = {"folder": str(place), "files": states, "targets": told, "dry_run": args.dry_run}
    screen.result({**said, "builder": builder, "built": built})
    return 0


def _builder_asked(also: Sequence[str]) -> str | None:
    from edgepack.errors import UsageError
    from edgepack.tools.builders import BUILDERS

    if len(also) > 1 or any(word not in BUILDERS for word in also):
        raise UsageError(
            f"`--with {also[-1]}` names nobody who builds a Dockerfile",
            fix=f"one of {', '.join(BUILDERS)}; left out: the first of them that is here",
        )
    return also[0] if also else None


def _spec(project: Project, args: argparse.Namespace, screen: Screen) -> DockerfileSpec:
    from edgepack.cli import bundles
    from edgepack.package import dockerfile, image
    from edgepack.package.image_base import Base, choose
    from edgepack.package.image_config import runs

    found = image.open_all(bundles.built(project, args.nodes, "a Dockerfile copies what is in bundles"))
    base = _base(args.base)

    def below(bundle: Bundle) -> Base:
        if base:
            return Base(base, foreign=True)
        return choose(bundle, args.base, lambda *_: Path(), screen.remark)

    parts = [image.Part(bundle, below(bundle)) for bundle in found]
    image.check(image.ImageSpec(parts))
    plan, store = _plan(project, [bundle.target for bundle in found])
    sources, compiler = _sources(plan, store, parts, screen)
    builder = _reference(args.builder, "--builder") if args.builder else dockerfile.BUILDER
    return dockerfile.DockerfileSpec(sources, compiler, runs(project.manifest), builder, base)


def _base(asked: str | None) -> str:
    from edgepack.errors import UsageError

    if asked and asked.startswith(_LAYOUT):
        raise UsageError(
            "a Dockerfile names its base as an image, not as a folder",
            fix="--base docker://REPOSITORY:TAG, of a registry or of the builder's own store",
        )
    return _reference(asked.removeprefix(_REGISTRY), "--base") if asked and _REGISTRY in asked else ""


def _reference(name: str, flag: str) -> str:
    from edgepack.errors import UsageError

    if not _REFERENCE.fullmatch(name):
        raise UsageError(f"{flag} takes the name of an image, not `{name}`")
    return name


def _plan(project: Project, targets: Sequence[str]) -> tuple[Plan, Store]:
    """What the bundles were made by. Raises InputError where something of it has changed since."""
    from edgepack import pipeline
    from edgepack.errors import InputError
    from edgepack.store import Store
    from edgepack.tools import cache

    store = Store(cache.root() / "store")
    plan = pipeline.make_plan(project, pipeline.Request(project.folder, tuple(targets)), store)
    if plan.todo:
        first = plan.todo[0]
        raise InputError(
            "the bundles are not of what lies here now",
            where=first.id,
            why=first.why,
            fix=f"edgepack build {' '.join(targets)}",
        )
    return plan, store


def _sources(plan: Plan, store: Store, parts: Sequence[Any], screen: Screen) -> tuple[list[Source], Compiler]:
    from edgepack.compile import in_image
    from edgepack.package.dockerfile import Compiler, Source
    from edgepack.plan.step import Work

    made: list[Source] = []
    variables: Mapping[str, str] = {}
    for part in parts:
        work = Work(plan, plan.choices[part.bundle.target], store, screen.remark, "compile")
        build_id = str(work.result("compile").report["build_id"])
        made.append(Source(part, in_image.files(work, build_id)))
        variables = in_image.variables(work)
    compiler = Compiler(
        tools=str(in_image.TOOLS),
        place=str(in_image.PLACE),
        cmake=str(in_image.CMAKE),
        ninja=str(in_image.NINJA),
        strip=in_image.STRIP,
        link_words=in_image.LINK_WORDS,
        variables=variables,
    )
    return made, compiler


def _write_context(spec: DockerfileSpec, place: Path) -> None:
    """Anew beside the old one, then in its place; only where the Dockerfile there is ours or none."""
    from edgepack.catalog import paths
    from edgepack.catalog.toolchains import LOCK
    from edgepack.errors import InputError
    from edgepack.package import dockerfile

    last, fresh = place / dockerfile.FILES, place / f".{dockerfile.FILES}.new"
    if os.path.lexists(last) and not (place / "Dockerfile").is_file():
        raise InputError(
            f"{last.name} is there, and no Dockerfile of edgepack's beside it",
            where=str(last),
            fix="move it away, or name another folder: --into FOLDER",
        )
    shutil.rmtree(fresh, ignore_errors=True)
    for name, put in dockerfile.context(spec, paths.data(LOCK)):
        path = fresh / Path(name).relative_to(dockerfile.FILES)
        if put is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with put.open() as stream, path.open("wb") as out:
            shutil.copyfileobj(stream, out, 1 << 20)
        path.chmod(put.mode)
    for folder in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
        folder.chmod(0o755)  # whatever the umask is: a builder copies modes
    shutil.rmtree(last, ignore_errors=True)
    fresh.rename(last)


def _build(
    builder: str, spec: DockerfileSpec, place: Path, project: Project, screen: Screen
) -> list[dict[str, str]]:
    from edgepack.errors import ToolError
    from edgepack.package import dockerfile
    from edgepack.package.image import tag_of
    from edgepack.tools import builders, qemu

    named, made = dockerfile.folders(spec.bundles), []
    here = dockerfile.platform_of(qemu.host_arch())
    for bundle in spec.bundles:
        name = f"localhost/{bundle.name}:{tag_of(bundle.version)}-{bundle.target}"
        log = project.folder / ".edgepack" / "logs" / f"dockerfile-{bundle.target}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        step = f"{bundle.target}/dockerfile"
        screen.started(step, builder)
        what = builders.Build(place, dockerfile.platform(bundle), name, named[bundle.target], log)
        try:
            builders.carry_out(builder, what, here, lambda line, step=step: screen.note(step, line[:100]))  # type: ignore[misc]
        except ToolError:
            screen.done(step, good=False)
            raise
        screen.done(step, f"{name} by {builder}")
        made.append({"target": bundle.target, "platform": what.platform, "image": name})
    screen.stop()
    return made
