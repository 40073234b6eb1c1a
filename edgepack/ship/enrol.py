"""Keys onto a box: from then on it takes only what one of them signed.

Rotation and revocation are the same list, sent anew and signed by a key of the list before.

What the box keeps, and what is checked when: docs/design/ship-plan.md.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import PreflightError
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.errors import InputError
from edgepack.ship import parcels
from edgepack.ship.lease import held
from edgepack.ship.report import Clock, Progress, quiet
from edgepack.store import digest_file
from edgepack.tools.signers import Signer

MAX_KEYS = 64
_NAME = re.compile(r"[^A-Za-z0-9._@+-]+")


@dataclass(frozen=True)
class Change:
    """What is asked for. add: public keys, 64 hexadecimal digits → name. revoke: names or first digits.

    end: no key at all, so that the box takes what is not signed again. new_helper: also exchange the program
    that checks. signer: one of the keys that the box has; needed where it is enrolled already.
    """

    add: Mapping[str, str]
    revoke: Sequence[str] = ()
    end: bool = False
    new_helper: bool = False
    signer: Signer | None = None

    @property
    def nothing(self) -> bool:
        """Whether the box is only asked."""
        return not (self.add or self.revoke or self.end or self.new_helper)


@dataclass(frozen=True)
class Enrolment:
    """What a box is enrolled with. serial: of its list of keys, or None where it is not enrolled."""

    node: str
    serial: int | None
    keys: Mapping[str, str]  # 64 hexadecimal digits → name
    serials: Mapping[str, int]  # app → of the newest release that was confirmed
    changed: bool

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def shown(endpoint: Endpoint) -> Enrolment:
    """Ask the box. Changes nothing."""
    with Box(endpoint) as box:
        return _enrolment(endpoint, probe(box, None), changed=False)


def enrol(
    endpoint: Endpoint, change: Change, helper: Callable[[Facts], Path], progress: Progress = quiet
) -> Enrolment:
    """Give the box its keys. ``helper``: makes the program that checks, for what the box is.

    Raises InputError where the change does not fit what the box has, PreflightError where the helper does not
    run on the box, BoxError where the box does not take it.
    """
    clock = Clock(progress)
    with clock.stage("connect"):
        box = Box(endpoint)
    with box:
        with clock.stage("probe"):
            facts = probe(box, None)
        keys = _keys(change, facts, endpoint)
        if facts.enrolled is not None and keys == facts.keys and not change.new_helper:
            return _enrolment(endpoint, facts, changed=False)
        signer = _signer(change, facts, endpoint)
        with clock.stage("prepare"):
            program = helper(facts) if facts.enrolled is None or change.new_helper else None
        with held(box, facts.lock) as lease, clock.stage("enrol"):
            _send(box, lease.token, facts, keys, (program, signer))
            return _enrolment(endpoint, probe(box, None), changed=True)


def text(serial: int, helper: str, keys: Mapping[str, str]) -> bytes:
    """The list of keys as the box keeps it, and as it is signed."""
    lines = ["edgepack-keys 1", f"serial {serial}", f"helper {helper}"]
    lines += [f"key {key} {name}" for key, name in sorted(keys.items(), key=lambda pair: pair[1])]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _send(
    box: Box, token: str, facts: Facts, keys: Mapping[str, str], by: tuple[Path | None, Signer | None]
) -> None:
    program, signer = by
    sha = digest_file(program) if program else facts.checker
    listed = text(max(int(time.time()), (facts.enrolled or 0) + 1), sha, keys)
    value = signer.sign(listed).hex() if signer else "-"
    if signer:
        box.call("authorise", token, value, stdin=[listed])
    if program and parcels.install(box, token, facts, program) is None:
        raise PreflightError(
            "the box does not run edgepack's helper, so it cannot check a signature",
            where=box.endpoint.where,
            why="the file system that edgepack's folder is on may be mounted without `exec`",
            fix="set another `root:` for the node in fleet.yaml, on a file system that runs programs",
        )
    box.call("enrol", token, value, stdin=[listed])


def _keys(change: Change, facts: Facts, endpoint: Endpoint) -> dict[str, str]:
    """The keys that the box is to have. Raises InputError."""
    if change.end:
        if facts.enrolled is None:
            raise InputError("this box is not enrolled", where=endpoint.where)
        return {}
    keys = {**facts.keys, **{key: _plain(name) for key, name in change.add.items()}}
    for words in change.revoke:
        found = [
            key for key, name in facts.keys.items() if words == name or (words and key.startswith(words))
        ]
        if len(found) != 1:
            there = ", ".join(f"{name} ({key[:8]})" for key, name in facts.keys.items()) or "none"
            raise InputError(
                f"{words} fits {len(found)} of the keys of this box",
                where=endpoint.where,
                fix=f"its keys: {there}",
            )
        keys.pop(found[0], None)
    if not keys:
        raise InputError(
            "this would leave the box without any key" if facts.keys else "no key is named",
            where=endpoint.where,
            fix="--key FILE.pub names one; --end ends the enrolment",
        )
    if len(keys) > MAX_KEYS:
        raise InputError(f"a box takes {MAX_KEYS} keys at the most", where=endpoint.where)
    return keys


def _signer(change: Change, facts: Facts, endpoint: Endpoint) -> Signer | None:
    if facts.enrolled is None:
        return None
    names = ", ".join(facts.keys.values())
    if change.signer is None:
        raise InputError(
            "this box is enrolled: a change of its keys is signed by one of them",
            where=endpoint.where,
            fix=f"--signer KEY, which is one of: {names}",
        )
    if change.signer.key not in facts.keys:
        raise InputError(
            f"{change.signer.name} is none of the keys of this box",
            where=endpoint.where,
            fix=f"they are: {names}",
        )
    return change.signer


def _plain(name: str) -> str:
    return _NAME.sub("-", name).strip("-")[:64] or "key"


def _enrolment(endpoint: Endpoint, facts: Facts, *, changed: bool) -> Enrolment:
    return Enrolment(endpoint.node, facts.enrolled, facts.keys, facts.serials, changed)
