"""``edgepack image --verify REF``: who signed an image, and that all of it is what was signed."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgepack.cli.screen import Screen
    from edgepack.package.image_verify import Checked, Source

_LAYOUT, _REGISTRY = "oci:", "docker://"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument(
        "--verify",
        metavar="IMAGE",
        help="make nothing; say who signed this image, and whether it, its bills and its provenance are what "
        "was signed: docker://REPOSITORY:TAG, oci:FOLDER@TAG",
    )
    parser.add_argument(
        "--by",
        metavar="FILE.pub",
        action="append",
        default=[],
        help="with --verify: one of these public keys must have signed it; left out: whoever did",
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Say it. Raises PackageError where something is not what it says, is not signed, or by somebody else."""
    from edgepack.package import image_verify
    from edgepack.tools import signers

    wanted = dict(signers.public(Path(file)) for file in args.by)
    with tempfile.TemporaryDirectory(prefix="edgepack-verify-") as place:
        source, tag = _source(args.verify, Path(place), insecure=args.insecure)
        found = image_verify.verify(source, tag)
    for one in found:
        screen.text(f"{one.what}  {one.digest[:19]}")
        for key in one.keys:
            screen.text(f"  signed by {wanted.get(key, f'{key[:16]}…')}")
        for kind in one.papers.values():
            screen.text(f"  {kind}: {'not signed' if kind in one.unsigned() else 'as it was signed'}")
    if source.layers is None:
        screen.remark("layers were not fetched: whoever pulls the image compares them with the digests in it")
    _judge(found, list(wanted), source.at)
    screen.result([_row(one) for one in found])
    return 0


def _judge(found: Sequence[Checked], wanted: Sequence[str], at: str) -> None:
    from edgepack.package.errors import PackageError

    images = {one.digest for one in found}
    for one in found:
        if any(not signature.holds for signature in one.signatures):
            raise PackageError(
                f"a signature of {one.what} does not hold",
                where=at,
                why="it is not of the key that it names, or what it was made of was changed",
                fix="get it again from where it came, or sign it again: edgepack image --push … --key KEY",
            )
        if not one.keys:
            raise PackageError(
                f"nobody vouches for {one.what}",
                where=at,
                why=f"no signature refers to {one.digest[:19]}…",
                fix="sign it: edgepack image --push REPOSITORY --key KEY",
            )
        if lost := one.missing(images):
            raise PackageError(
                f"what was signed with {one.what} is not there",
                where=at,
                why=f"a signature names {lost[0][:19]}…, and that is neither listed nor an image of it",
                fix="get the image again from where it came: somebody changed what refers to it",
            )
        if wanted and not set(wanted) & set(one.keys):
            raise PackageError(
                f"{one.what} was signed by somebody else",
                where=at,
                why=", ".join(f"{key[:16]}…" for key in one.keys),
                fix="ask who that is before you run it",
            )


def _source(words: str, place: Path, *, insecure: bool) -> tuple[Source, str]:
    from edgepack.errors import UsageError
    from edgepack.package import image_verify

    if words.startswith(_LAYOUT):
        folder, at, tag = words.removeprefix(_LAYOUT).rpartition("@")
        if at and tag:
            return image_verify.of_layout(Path(folder).absolute()), tag
    elif words.startswith(_REGISTRY):
        repository, colon, tag = words.removeprefix(_REGISTRY).rpartition(":")
        if colon and tag and "/" not in tag:
            return _of_registry(repository, place, insecure=insecure), tag
    raise UsageError(f"`{words}` names no image", fix="docker://REPOSITORY:TAG, or oci:FOLDER@TAG")


def _of_registry(repository: str, place: Path, *, insecure: bool) -> Source:
    """Manifests one by one, papers as each list names them; no layer."""
    from edgepack.oci import blob
    from edgepack.package.image_verify import Source
    from edgepack.tools import skopeo

    def manifest(name: str) -> bytes | None:
        at = "@" if name.startswith("sha256:") else ":"
        return skopeo.raw(f"{repository}{at}{name}", insecure=insecure)

    def paper(tag: str, digest: str) -> Path:
        layout = place / tag
        if not layout.is_dir():
            skopeo.carry_out(
                skopeo.pull_all(f"{repository}:{tag}", layout, "papers", insecure=insecure),
                f"what refers to {tag[:19]}… was not fetched",
            )
        return blob(layout, digest)

    return Source(f"{_REGISTRY}{repository}", manifest, paper)


def _row(one: Checked) -> dict[str, Any]:
    return {
        "what": one.what,
        "digest": one.digest,
        "signed_by": list(one.keys),
        "papers": sorted(one.papers.values()),
        "unsigned": list(one.unsigned()),
    }
