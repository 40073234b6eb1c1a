"""``edgepack key new|show|send|wrap``: what opens an encrypted model, and on which box."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgepack.box.facts import Facts
    from edgepack.bundle import Bundle
    from edgepack.cli.screen import Screen
    from edgepack.manifest.encryption import Encryption
    from edgepack.manifest.project import Project
    from edgepack.model.sealed import ContentKey

_NODE = "a box of fleet.yaml, or a sandbox"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make a key, into a file that is to stay out of git")
    new.add_argument("file", metavar="FILE", help="the file, of mode 0600; it must not be there yet")
    show = actions.add_parser("show", help="which key it is; of a node, what it has and what binds it")
    show.add_argument("node", metavar="NODE", nargs="?", help=_NODE)
    send = actions.add_parser("send", help="bring a box its key, and nothing else; a deploy brings it too")
    send.add_argument("node", metavar="NODE", help=_NODE)
    wrap = actions.add_parser("wrap", help="into keys/NODE.key, for a box that cannot be reached")
    wrap.add_argument("node", metavar="NODE", help=_NODE)
    wrap.add_argument(
        "--device",
        metavar="SOURCE:FINGERPRINT",
        help="what tells the box from others, as `key show` says it; the box is asked else",
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """One of the four."""
    return {"new": _new, "show": _show, "send": _send, "wrap": _wrap}[args.action](args, screen)


def fetcher(folder: Path) -> Callable[[], ContentKey] | None:
    """What fetches the project's key; None where no edgepack.yaml there says where it is kept."""
    from edgepack.manifest import project as manifests

    if not (folder / manifests.FILE).is_file():
        return None
    said = manifests.load(folder).manifest.encryption
    return (lambda: _fetch(said, folder)) if said else None


def _fetch(said: Encryption, folder: Path) -> ContentKey:
    from edgepack.model import sealed_key

    return sealed_key.fetch(said, folder)


def file_of(folder: Path, node: str) -> Path:
    """Where a box's wrapped key lies in the project."""
    from edgepack.ship.model_key import FOLDER

    return folder / FOLDER / f"{node}.key"


def wrapped(folder: Path, node: str, bundle: Bundle) -> str:
    """The line in keys/NODE.key; "" where there is none, or the bundle wants none. Raises InputError."""
    from edgepack.errors import InputError
    from edgepack.ship import model_key

    asked, file = model_key.Asked.of(bundle.release), file_of(folder, node)
    if asked is None or not file.is_file():
        return ""
    line = file.read_text("latin-1")[:1024].strip()
    if line.split(" ")[:4] != ["edgepack-key", "1", bundle.name, asked.key]:
        raise InputError(
            f"{file.name} is not the key {asked.key} of {bundle.name}, with which the model is encrypted",
            where=str(file.relative_to(folder)),
            fix=f"edgepack key wrap {node}",
        )
    return line


def _new(args: argparse.Namespace, screen: Screen) -> int:
    import os

    from edgepack.errors import InputError
    from edgepack.model import sealed

    key = sealed.make_key()
    place = Path(args.folder) / Path(args.file).expanduser()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(sealed.write_key(key))
    except OSError as error:
        there = place.exists()
        raise InputError(
            f"the key cannot be written to {args.file}",
            where=str(place),
            why="it is there already, and a key that is lost opens nothing again"
            if there
            else str(error.strerror),
            fix="name another file",
        ) from None
    screen.result({"id": key.id, "file": str(place)})
    screen.text(
        f"{args.file}: the key {key.id}; keep a copy of it, and neither in git nor beside the bundles"
    )
    screen.text("  edgepack.yaml:")
    screen.text(f'    encryption: {{id: "{key.id}", key: {{file: {args.file}}}}}')
    screen.text("  or `env: VARIABLE`, `command: […]`, `sops:`, `age:`, like the secrets of fleet.yaml")
    return 0


def _project(folder: Path) -> tuple[Project, Encryption]:
    from edgepack.errors import InputError
    from edgepack.manifest import project as manifests

    project = manifests.load(folder)
    if project.manifest.encryption is None:
        raise InputError(
            f"the models of {project.manifest.name} are not encrypted",
            where=manifests.FILE,
            fix="edgepack key new FILE says what to write there",
        )
    return project, project.manifest.encryption


def _release(said: Encryption) -> dict[str, Any]:
    return {"encryption": {"key": said.id, "device": said.device}}


def _asked(folder: Path, node: str, project: Project) -> Facts:
    from edgepack.box.facts import probe
    from edgepack.box.session import Box
    from edgepack.cli import nodes

    found = nodes.find(folder, node)
    with found.blamed(), Box(found.endpoint) as box:
        return probe(box, project.manifest.name)


def _show(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.ship import model_key

    folder = Path(args.folder).absolute()
    project, said = _project(folder)
    if args.node is None:
        key = _fetch(said, folder)
        screen.result({"id": key.id})
        screen.text(f"{key.id}: it is here, and edgepack.yaml names it")
        return 0
    facts = _asked(folder, args.node, project)
    asked = model_key.Asked.of(_release(said))
    assert asked is not None
    standing = model_key.on_box(project.manifest.name, asked, facts)
    refused = model_key.refusal(project.manifest.name, _release(said), facts)
    bound = asked.device(facts)
    screen.result(
        {
            "node": args.node,
            "id": said.id,
            "state": standing.state,
            "words": standing.words,
            "refused": refused[0] if refused else None,
            "bound_to": standing.source or None,
            "device": ":".join(bound) if bound else None,
        }
    )
    source = f", by its {standing.source}" if standing.state == "opens" else ""
    screen.text(f"{args.node}: {standing.words}{source}")
    if refused and standing.words not in refused[0]:
        screen.text(f"  {refused[0]}: {refused[1]}")
    if bound:
        screen.text(f"  what a key is bound to there: {':'.join(bound)}")
    return 0


def _send(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.cli import nodes
    from edgepack.ship import model_key

    folder = Path(args.folder).absolute()
    project, said = _project(folder)
    found = nodes.find(folder, args.node)
    name, key = project.manifest.name, _fetch(said, folder)
    with found.blamed():
        changed = model_key.bring(found.endpoint, name, _release(said), lambda: key)
    screen.result({"node": args.node, "id": said.id, "changed": changed})
    screen.text(f"{args.node}: the key {said.id}; {'it has it now' if changed else 'it had it already'}")
    return 0


def _wrap(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.errors import InputError
    from edgepack.manifest.project import not_writable
    from edgepack.ship import model_key

    folder = Path(args.folder).absolute()
    project, said = _project(folder)
    name, file = project.manifest.name, file_of(folder, args.node)
    device = _device(args.device) if args.device else None
    if device is None:
        facts = _asked(folder, args.node, project)
        asked = model_key.Asked.of(_release(said))
        device = asked.device(facts) if asked else None
        if device is None:
            what, fix = model_key.refusal(name, _release(said), facts) or ("", "")
            raise InputError(what, where=args.node, fix=fix)
    line = model_key.wrap(_fetch(said, folder), name, device)
    try:
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{line}\n")
    except OSError as error:
        raise not_writable(file.parent, error) from error
    screen.result({"file": str(file), "id": said.id, "bound_to": device[0]})
    screen.text(f"{file.relative_to(folder)}: the key {said.id}, for the box with this {device[0]} alone")
    screen.text(
        f"  edgepack export stick {args.node} takes it along; by hand it is apps/{name}/data/keys/{said.id}"
    )
    return 0


def _device(words: str) -> tuple[str, str]:
    import re

    from edgepack.errors import UsageError

    found = re.fullmatch(r"([a-z0-9-]{1,32}):([0-9a-f]{64})", words)
    if found is None:
        raise UsageError(f"--device takes SOURCE:FINGERPRINT as `edgepack key show` says it, not {words}")
    return found[1], found[2]
