"""``edgepack licence issue|send|show``: who may run the app, on which box, and for how long."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

    from edgepack.box.facts import Facts
    from edgepack.cli.nodes import Found
    from edgepack.cli.screen import Screen
    from edgepack.manifest.licence import Licence
    from edgepack.manifest.project import Project
    from edgepack.ship.licence import Standing

_DAY = "a day like 2027-12-31"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    from edgepack.cli.sign import KEY_HELP, add_key_arguments

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    issue = actions.add_parser("issue", help="sign a licence for a box, into licences/NODE.licence")
    issue.add_argument("node", metavar="NODE", help="a box of fleet.yaml, or a sandbox")
    issue.add_argument("--until", metavar="DATE", required=True, help=f"its last day, {_DAY}")
    issue.add_argument("--from", dest="first", metavar="DATE", help=f"its first day, {_DAY}; today else")
    issue.add_argument("--grace", type=int, metavar="DAYS", help="what edgepack.yaml says else")
    issue.add_argument(
        "--feature", metavar="NAME", action="append", default=[], help="what it opens, as the app's C++ asks"
    )
    issue.add_argument(
        "--device",
        metavar="SOURCE:FINGERPRINT",
        help="what tells the box from others, as `licence show` says it; the box is asked else",
    )
    issue.add_argument("--key", metavar="KEY", required=True, help=KEY_HELP)
    add_key_arguments(issue)
    send = actions.add_parser("send", help="bring a box its licence, and nothing else")
    send.add_argument("node", metavar="NODE", help="a box of fleet.yaml, or a sandbox")
    show = actions.add_parser("show", help="the licence here and the one on the box")
    show.add_argument("node", metavar="NODE", help="a box of fleet.yaml, or a sandbox")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """One of the three."""
    return {"issue": _issue, "send": _send, "show": _show}[args.action](args, screen)


def file_of(folder: Path, node: str) -> Path:
    """Where a box's licence lies in the project."""
    from edgepack.ship.licence import FOLDER

    return folder / FOLDER / f"{node}.licence"


def read(folder: Path, node: str) -> bytes | None:
    """The licence that lies here for a box; None where there is none. Raises InputError."""
    from edgepack.errors import InputError
    from edgepack.ship.licence import MAX_BYTES

    file = file_of(folder, node)
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"the licence {file.name} cannot be read", where=str(file), why=error.strerror or str(error)
        ) from None
    if len(text) > MAX_BYTES or not text.isascii():
        raise InputError(
            f"{file.name} is no licence",
            where=str(file),
            fix=f"edgepack licence issue {node} --until DATE --key KEY",
        )
    return text


def _project(folder: Path) -> tuple[Project, Licence]:
    from edgepack.errors import InputError
    from edgepack.manifest import project as manifests

    project = manifests.load(folder)
    if project.manifest.licence is None:
        raise InputError(
            f"{project.manifest.name} asks for no licence",
            where=manifests.FILE,
            fix="name the key of who issues them there: `licence: {key: issuer.pub}`, and build again",
        )
    return project, project.manifest.licence


def _issue(args: argparse.Namespace, screen: Screen) -> int:
    import datetime as dt
    import time

    from edgepack.cli import nodes
    from edgepack.cli.sign import signer
    from edgepack.errors import InputError
    from edgepack.ship import licence

    folder = Path(args.folder).absolute()
    project, asked = _project(folder)
    last = _day("--until", args.until)
    first = _day("--from", args.first) if args.first else dt.datetime.now(dt.UTC).date()
    found = nodes.find(folder, args.node) if args.device is None else None
    nodes.target_of(folder, args.node)
    key = signer(args.key, args)
    if key.key not in asked.keys(folder):
        raise InputError(
            f"the program takes no licences of the key {key.name}",
            where="licence.key in edgepack.yaml",
            why=f"it begins with {key.key[:16]}, and none of those named there does",
            fix="sign with one of them, or add its public half there, build and deploy",
        )
    device = _named(args.device) if found is None else _device_of(found, project, read(folder, args.node))
    if _of_the_key(project, device[0]):
        raise InputError(
            f"a licence cannot name the {device[0]} of {args.node}",
            why="the key of the encrypted model is made of it, and the licence lies on the flash in plain",
            fix="another source, as `licence show` says them: machine-id",
        )
    terms = licence.Terms(
        app=project.manifest.name,
        node=args.node,
        device=device,
        first=first,
        last=last,
        grace_days=asked.grace_days if args.grace is None else args.grace,
        features=tuple(args.feature),
        issued=int(time.time()),
    )
    text = licence.sign(terms, key)
    file = file_of(folder, args.node)
    _write(file, text)
    standing = licence.judge(text, terms.app, [key.key], [device], time.time())
    screen.result({**_told(standing), "file": str(file)})
    grace = f", {terms.grace_days} days of grace after that" if standing.state == "valid" else ""
    screen.text(f"{file.relative_to(folder)}: {standing.words}{grace}")
    screen.text(f"  for the box whose {device[0]} has the fingerprint {device[1][:16]}…")
    if terms.features:
        screen.text(f"  opens: {', '.join(sorted(set(terms.features)))}")
    screen.text(f"  edgepack licence send {args.node} brings it; so does the next deploy")
    return 0


def _write(file: Path, text: bytes) -> None:
    from edgepack.manifest.project import not_writable

    beside = file.with_suffix(".new")
    try:
        file.parent.mkdir(exist_ok=True)
        beside.write_bytes(text)
        beside.replace(file)
    except OSError as error:
        raise not_writable(file.parent, error) from error


def _day(flag: str, words: str) -> dt.date:
    import datetime as dt

    from edgepack.errors import UsageError

    try:
        return dt.datetime.strptime(words, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise UsageError(f"{flag} takes {_DAY}, not {words}") from None


def _named(words: str) -> tuple[str, str]:
    source, _, fingerprint = words.partition(":")
    return source, fingerprint


def _device_of(found: Found, project: Project, before: bytes | None) -> tuple[str, str]:
    """What the box says of itself: the source of the licence before, where it is still the same."""
    from edgepack.errors import InputError
    from edgepack.ship import licence

    devices = tuple(d for d in _ask(found, project).devices if not _of_the_key(project, d[0]))
    if not devices:
        raise InputError(
            f"nothing on {found.name} tells it from other boxes",
            where=found.endpoint.where,
            why="it has neither a serial number, nor /etc/machine-id, nor a network card of its own",
            fix="give it an /etc/machine-id: systemd-machine-id-setup, or dbus-uuidgen >/etc/machine-id",
        )
    with contextlib.suppress(ValueError):
        if before is not None and (known := licence.parse(before).device) in devices:
            return known
    return devices[0]


def _of_the_key(project: Project, source: str) -> bool:
    """Whether the key of an encrypted model is made of it: then it must not lie on the flash in a licence."""
    from edgepack.ship.model_key import HARDWARE

    return project.manifest.encryption is not None and source in HARDWARE


def _ask(found: Found, project: Project) -> Facts:
    from edgepack.box.facts import probe
    from edgepack.box.session import Box

    with found.blamed(), Box(found.endpoint) as box:
        return probe(box, project.manifest.name)


def _send(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.cli import nodes
    from edgepack.errors import InputError
    from edgepack.ship import licence

    folder = Path(args.folder).absolute()
    project, asked = _project(folder)
    found = nodes.find(folder, args.node)
    text = read(folder, args.node)
    if text is None:
        raise InputError(
            f"there is no licence for {args.node}",
            where=str(file_of(folder, args.node)),
            fix=f"edgepack licence issue {args.node} --until DATE --key KEY",
        )
    with found.blamed():
        standing, changed = licence.renew(found.endpoint, project.manifest.name, asked.keys(folder), text)
    screen.result({**_told(standing), "changed": changed})
    state = "it has it now" if changed else "it had it already"
    screen.text(f"{args.node}: {standing.words}; {state}")
    return 0


def _show(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.cli import nodes
    from edgepack.ship import licence

    folder = Path(args.folder).absolute()
    project, asked = _project(folder)
    name, keys = project.manifest.name, asked.keys(folder)
    here = read(folder, args.node)
    facts = _ask(nodes.find(folder, args.node), project)
    there = facts.licence.encode("ascii", "replace")
    rows = {
        "here": licence.on_box(here or b"", name, keys, facts),
        "on the box": licence.on_box(there, name, keys, facts),
    }
    devices = [":".join(device) for device in facts.devices]
    screen.result(
        {
            "node": args.node,
            "devices": devices,
            "here": _told(rows["here"]),
            "on_the_box": _told(rows["on the box"]),
            "same": here == there,
        }
    )
    for place, standing in rows.items():
        terms = standing.terms
        opens = f"; opens {', '.join(terms.features)}" if terms and terms.features else ""
        same = ", the same" if place == "on the box" and there and here == there else ""
        screen.text(f"{place}{same}: {standing.words}{opens}")
    screen.text(f"what tells {args.node} from other boxes, the best first:")
    for line in devices or ["nothing: it can have no licence"]:
        screen.text(f"  {line}")
    return 0


def _told(standing: Standing) -> dict[str, Any]:
    terms = standing.terms
    return {
        "state": standing.state,
        "words": standing.words,
        "from": str(terms.first) if terms else None,
        "until": str(terms.last) if terms else None,
        "grace_days": terms.grace_days if terms else None,
        "features": list(terms.features) if terms else [],
        "device": ":".join(terms.device) if terms else None,
    }
