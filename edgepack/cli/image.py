"""``edgepack image [TARGET…]``: a container image from built bundles, without daemon, root or emulation."""

from __future__ import annotations

import argparse
import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edgepack.cli.nodes import Found
    from edgepack.cli.screen import Screen
    from edgepack.manifest.project import Project
    from edgepack.package.image import Image, ImageSpec, TargetImage
    from edgepack.package.image_papers import Sign


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    from edgepack.cli import image_node, image_verify, sign

    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these; all that are built else")
    parser.add_argument("-o", "--into", metavar="FOLDER", help="where images go; left out: dist")
    parser.add_argument(
        "--base",
        metavar="BASE",
        help="what lies below: none, libc, oci:FOLDER[@TAG] or docker://REPOSITORY:TAG; left out: none where "
        "the program is static, libc where its runtime travels with it",
    )
    parser.add_argument(
        "--archive",
        action="store_true",
        help="also files for docker load, podman load and skopeo: one a target, and one with the whole index",
    )
    parser.add_argument(
        "--name",
        metavar="REPOSITORY",
        help="what engines call it: registry.example/team/app; left out: where it is pushed to, or the "
        "project's name",
    )
    parser.add_argument(
        "--push", metavar="REPOSITORY", help="also to a registry, with skopeo and docker's credentials"
    )
    parser.add_argument(
        "--insecure", action="store_true", help="a registry without TLS, or with a certificate of its own"
    )
    image_node.add_arguments(parser)
    image_verify.add_arguments(parser)
    parser.add_argument("--gzip", action="store_true", help="compressed layers; left out: as in the bundle")
    parser.add_argument(
        "--annotation",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="one more for index and manifests, and a label: org.opencontainers.image.revision=…",
    )
    parser.add_argument("--key", metavar="KEY", help=f"vouch for it: {sign.KEY_HELP}")
    sign.add_key_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write the image, and say what is in it."""
    from edgepack.cli import image_fits, image_node, image_verify
    from edgepack.manifest import project as manifests
    from edgepack.package import image

    if args.verify:
        return image_verify.run(args, screen)
    folder = Path(args.folder).absolute()
    project = manifests.load(folder)
    found, asked = image_node.targets(folder, args)
    spec = _spec(project, args, screen)
    image.check(spec)
    image_fits.check(spec, folder, asked, screen)
    place = (Path(args.into).absolute() if args.into else folder / "dist") / f"{spec.name}.oci"
    repository = _repository(args.name or args.push or spec.name)
    to = _repository(args.push) if args.push else None
    _remarks(spec, screen)
    image_node.warn(project, found, screen)
    if args.dry_run:
        planned = _planned(spec, place, _archive_names(spec) if args.archive else [], to, screen)
        rows, code = _plan_nodes(spec, folder, repository, found, screen)
        screen.result({**planned, "nodes": rows})
        return code
    made = image.write_image(spec, place)
    files = _archives(made, repository, place.parent) if args.archive else []
    _show(made, files, screen)
    pushed = _push(made, to, args.insecure, screen) if to else []
    nodes = image_node.bring(made, repository, found, screen)
    said = {"archives": [str(file) for file in files], "pushed": pushed, "nodes": nodes}
    screen.result({**_as_dict(made), **said})
    return 0


def _plan_nodes(
    spec: ImageSpec, folder: Path, repository: str, found: Sequence[Found], screen: Screen
) -> tuple[list[Any], int]:
    """An image has no digests before it is made: it is, in a folder that goes again."""
    import tempfile
    from dataclasses import replace

    from edgepack.cli import image_node
    from edgepack.package import image

    if not found:
        return [], 0
    (folder / ".edgepack").mkdir(exist_ok=True)  # on the file system of the bundles: blobs are links
    with tempfile.TemporaryDirectory(dir=folder / ".edgepack", prefix="image-") as place:
        made = image.write_image(replace(spec, sign=None), Path(place) / "oci")
        return image_node.plan(made, repository, found, screen)


# OCI distribution-spec 1.1, "Pulling manifests", with a registry's host and port before it.
_REPOSITORY = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
    r"(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*",
    re.ASCII,
)


def _repository(name: str) -> str:
    from edgepack.errors import UsageError

    if len(name) > 255 or not _REPOSITORY.fullmatch(name):
        raise UsageError(
            f"`{name}` is not the name of a repository", fix="registry.example/team/app, without a tag"
        )
    return name


def _push(made: Image, repository: str, insecure: bool, screen: Screen) -> list[str]:
    """Each tag; an index brings its images along."""
    from edgepack.package.image import tag_of
    from edgepack.tools import skopeo

    tags = [*([tag_of(made.version)] if made.index else []), *(one.tag for one in made.targets)]
    with _step(screen, repository) as say:
        for tag in tags:
            say(tag)
            skopeo.carry_out(
                skopeo.push(made.folder, tag, repository, insecure=insecure),
                f"{repository}:{tag} was not pushed",
            )
        say("bills of materials and provenance")
        kinds = [_push_papers(made.folder, tag, repository, insecure) for tag in made.papers_tags]
    if not all(kinds):
        screen.remark(
            "this skopeo leaves out of which kind each paper is, where the registry lists them under a tag: "
            "a newer one keeps it"
        )
    screen.text(f"pushed to {repository}: {', '.join(tags)}")
    return [f"{repository}:{tag}" for tag in tags]


def _push_papers(layout: Path, tag: str, repository: str, insecure: bool) -> bool:
    """One list of papers, with what the registry's own has beside them. False as of `skopeo.push_papers`."""
    import tempfile

    from edgepack.package import image_merged
    from edgepack.tools import skopeo

    listed = skopeo.raw(f"{repository}:{tag}", insecure=insecure)
    if listed is None:
        return skopeo.push_papers(layout, tag, repository, insecure=insecure)
    with tempfile.TemporaryDirectory(dir=layout.parent, prefix=".papers-") as place:
        theirs, both = Path(place) / "theirs", Path(place) / "both"
        skopeo.carry_out(
            skopeo.pull_all(f"{repository}:{tag}", theirs, "theirs", insecure=insecure),
            f"what {repository}:{tag} lists was not fetched, and so nothing is written over it",
        )
        image_merged.merge(layout, tag, theirs, listed, both)
        return skopeo.push_papers(both, tag, repository, insecure=insecure)


@contextlib.contextmanager
def _step(screen: Screen, name: str) -> Iterator[Callable[[str], None]]:
    screen.started(name)
    try:
        yield lambda note: screen.note(name, note)
    except BaseException:
        screen.done(name, good=False)
        raise
    screen.done(name, "pushed")
    screen.stop()


def _archives(made: Image, repository: str, place: Path) -> list[Path]:
    from edgepack.package import image_archive

    files = [
        image_archive.write_target(made, one, repository, place / f"{made.name}-{one.tag}.tar")
        for one in made.targets
    ]
    if made.index:
        whole = place / f"{made.name}-{made.version}.tar"
        files.append(image_archive.write_whole(made, repository, whole))
    return files


def _spec(project: Project, args: argparse.Namespace, screen: Screen) -> ImageSpec:
    from edgepack.cli import bundles
    from edgepack.package.image import ImageSpec, Part, open_all
    from edgepack.package.image_base import choose
    from edgepack.package.image_config import runs

    why = "an image is made of bundles; an SDK or a model alone does not run"
    found = open_all(bundles.built(project, args.targets, why))

    def fetch(reference: str, platform: Mapping[str, str]) -> Path:
        return _fetched(project.folder, reference, platform, insecure=args.insecure)

    return ImageSpec(
        parts=[Part(bundle, choose(bundle, args.base, fetch, screen.remark)) for bundle in found],
        runs=runs(project.manifest),
        annotations=_annotations(args.annotation),
        gzip=args.gzip,
        lock=_lock(project.folder / "edgepack.lock"),
        sign=_signing(args) if args.key and not args.dry_run else None,
    )


def _lock(file: Path) -> Mapping[str, Any]:
    """What went into each target's bundle, where the last build has said so."""
    import json

    try:
        found = json.loads(file.read_bytes())["targets"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _signing(args: argparse.Namespace) -> Sign:
    from edgepack.cli import sign

    key = sign.signer(args.key, args)
    return lambda data: (key.key, key.sign(data))


def _fetched(folder: Path, reference: str, platform: Mapping[str, str], *, insecure: bool) -> Path:
    """One platform's image of a registry, in a layout below .edgepack/bases; asked for anew each time."""
    import hashlib

    from edgepack.tools import skopeo

    name = hashlib.sha256(f"{reference} {sorted(platform.items())}".encode()).hexdigest()[:16]
    layout = folder / ".edgepack" / "bases" / name
    layout.parent.mkdir(parents=True, exist_ok=True)
    skopeo.carry_out(
        skopeo.pull(reference, platform, layout, insecure=insecure), f"the base {reference} was not fetched"
    )
    return layout


def _annotations(said: Sequence[str]) -> dict[str, str]:
    from edgepack.errors import UsageError

    found = {}
    for words in said:
        key, equals, value = words.partition("=")
        if not (key and equals and key.isprintable() and value.isprintable()):
            raise UsageError(f"--annotation takes KEY=VALUE, not `{words}`")
        found[key] = value
    return found


def _remarks(spec: ImageSpec, screen: Screen) -> None:
    """What the user would otherwise find out from outside of a container."""
    from edgepack.package.image import common

    for one in spec.runs.listens:
        if not one.outside:
            screen.remark(
                f"{one.what} listens on {one.address} alone: nobody outside of the container reaches it"
            )
    chosen = common([part.bundle for part in spec.parts])
    for arch in dict.fromkeys(part.bundle.arch for part in spec.parts):
        if arch not in chosen:
            names = ", ".join(part.bundle.target for part in spec.parts if part.bundle.arch == arch)
            screen.remark(f"{arch} is not in the index: {names} are all of it; each has its own tag")


def _archive_names(spec: ImageSpec) -> list[str]:
    from edgepack.package.image import common, tag_of

    tag = tag_of(spec.version)
    names = [f"{spec.name}-{tag}-{part.bundle.target}.tar" for part in spec.parts]
    return [*names, f"{spec.name}-{spec.version}.tar"] if common([p.bundle for p in spec.parts]) else names


def _planned(
    spec: ImageSpec, place: Path, archives: Sequence[str], to: str | None, screen: Screen
) -> dict[str, Any]:
    rows = [
        {
            "target": part.bundle.target,
            "arch": part.bundle.arch,
            "base": part.base.told,
            "bytes": sum(layer.size for layer in part.bundle.layers),
            "release": part.bundle.digest,
        }
        for part in spec.parts
    ]
    files = [str(place.parent / name) for name in archives]
    said = {"folder": str(place), "version": spec.version, "targets": rows, "archives": files}
    for file in (str(place), *files):
        screen.text(f"would write {file}")
    screen.rows([[f"  {row['target']}", str(row["arch"]), f"base: {row['base']}"] for row in rows])
    if to:
        screen.text(f"would push to {to}")
    return {**said, "pushes_to": to, "dry_run": True}


def _show(made: Image, files: Sequence[Path], screen: Screen) -> None:
    from edgepack.cli.screen import amount

    screen.text(f"{made.folder}")
    if made.index:
        platforms = ", ".join(one.platform for one in made.targets if one.in_index)
        screen.text(f"  {made.version}  {made.index['digest'][:19]}  {platforms}")
    screen.rows(
        [
            [
                f"  {one.tag}",
                str(one.manifest["digest"])[:19],
                one.platform,
                amount(sum(layer.size for layer in one.layers)),
                f"base: {one.base}",
            ]
            for one in made.targets
        ]
    )
    for file in files:
        screen.text(f"{file}: {amount(file.stat().st_size)}")


def _as_dict(made: Image) -> Mapping[str, Any]:
    return {
        "folder": str(made.folder),
        "version": made.version,
        "index": made.index["digest"] if made.index else None,
        "index_papers": {entry["artifactType"]: entry["digest"] for entry in made.index_papers},
        "targets": [_target(one) for one in made.targets],
    }


def _target(one: TargetImage) -> dict[str, Any]:
    return {
        "target": one.target,
        "tag": one.tag,
        "platform": one.platform,
        "manifest": one.manifest["digest"],
        "release": one.bundle.digest,
        "base": one.base,
        "in_index": one.in_index,
        "papers": {entry["artifactType"]: entry["digest"] for entry in one.papers},
        "papers_tag": one.papers_tag,
        "layers": [{"kind": layer.kind, "digest": layer.digest, "bytes": layer.size} for layer in one.layers],
    }
