"""Licences: a few lines of text for one box, signed with Ed25519, which the program on it reads.

The program decides (``templates/program/src/licence_text.cpp``); here is who writes them, and the same
decision beforehand. A test holds the two to each other. What is in it and why: docs/how-to/licences.md.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgepack.box.endpoint import Endpoint
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.errors import InputError
from edgepack.ship.lease import held
from edgepack.tools.signers import Signer

FOLDER = "licences"  # of a project: NODE.licence in it
MAX_FEATURES = 32
MAX_BYTES = 8192
MAX_DAYS = 3660
FEATURE = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)
_FIRST = "edgepack-licence 1"
_WORDS = ("app", "node", "device", "from", "until", "grace", "issued")
_DAY_S = 24 * 60 * 60
_LINE = re.compile(r"signature ([0-9a-f]{64}) ([0-9a-f]{128})\n", re.ASCII)
_DEVICE = re.compile(r"[a-z0-9-]{1,32} [0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Terms:
    """What is granted. device: source and fingerprint, as the box's probe says them; until ``last`` ends."""

    app: str
    node: str
    device: tuple[str, str]
    first: dt.date
    last: dt.date
    grace_days: int
    features: tuple[str, ...] = ()
    issued: int = 0  # seconds since 1970

    def text(self) -> str:
        """The lines that are signed. Raises InputError for terms that no program takes."""
        problems = {
            "the last day is before the first one": self.last < self.first,
            f"the grace time is not 0 to {MAX_DAYS} days": not 0 <= self.grace_days <= MAX_DAYS,
            f"there are more than {MAX_FEATURES} features": len(self.features) > MAX_FEATURES,
            "the device is not a source and a fingerprint": not _DEVICE.fullmatch(" ".join(self.device)),
        }
        for feature in self.features:
            problems[
                f"{feature!r} is no name of a feature: lower-case letters, digits, . _ -"
            ] = not FEATURE.fullmatch(feature)
        for what, there in problems.items():
            if there:
                raise InputError(f"there is no such licence: {what}")
        lines = [
            *(_FIRST, f"app {self.app}", f"node {self.node}", f"device {' '.join(self.device)}"),
            *(f"from {self.first}", f"until {self.last}", f"grace {self.grace_days}"),
            *(f"feature {feature}" for feature in sorted(set(self.features))),
            f"issued {self.issued}",
        ]
        return "".join(f"{line}\n" for line in lines)


def sign(terms: Terms, signer: Signer) -> bytes:
    """The licence's file."""
    text = terms.text().encode("ascii")
    return text + f"signature {signer.key} {signer.sign(text).hex()}\n".encode("ascii")


@dataclass(frozen=True)
class Standing:
    """How a licence stands, in the program's own words.

    state: valid, grace; else why it does not hold: missing, damaged, forged, app, device, early, ended.
    """

    state: str
    words: str
    terms: Terms | None = None  # of one that a known key signed
    left_s: int = 0  # until it ends; below 0 in its grace time

    @property
    def holds(self) -> bool:
        """Whether the program runs with it."""
        return self.state in ("valid", "grace")


def judge(
    text: bytes, app: str, keys: Sequence[str], devices: Sequence[tuple[str, str]], now: float
) -> Standing:
    """What the program makes of a licence on a box with these fingerprints at that time."""
    if not text:
        return Standing("missing", "there is no licence")
    if not text.startswith(b"edgepack-licence "):
        return Standing("damaged", "the file is not a licence")
    if not _signed(text, keys):
        return Standing("forged", "the licence is not as one of the keys that this program knows signed it")
    try:
        terms = parse(text)
    except ValueError:
        words = "the licence has lines that this program does not know: it is of a newer edgepack"
        return Standing("damaged", words)
    if terms.app != app:
        return Standing("app", f"the licence is for {terms.app}, and this is {app}", terms)
    if terms.device not in devices:
        source = terms.device[0]
        there = any(source == known for known, _ in devices)
        which = f"whose {source} is another" if there else f"which has a {source} that can be read"
        return Standing("device", f"the licence is for another box: {terms.node}, {which}", terms)
    return _by_time(terms, int(now))


def _by_time(terms: Terms, now: int) -> Standing:
    begins, ends = _second(terms.first), _second(terms.last) + _DAY_S - 1
    stops = ends + terms.grace_days * _DAY_S
    its, stop_day = f"the licence of {terms.node}", _day(stops)
    if now < begins:
        return Standing("early", f"{its} begins on {terms.first}", terms, ends - now)
    if now <= ends:
        return Standing("valid", f"{its} holds until {terms.last}", terms, ends - now)
    ended = f"{its} ended on {terms.last}"
    if now <= stops:
        words = f"{ended}; without a new one the program stops after {stop_day}"
        return Standing("grace", words, terms, ends - now)
    grace = f", its grace time on {stop_day}" if terms.grace_days else ""
    return Standing("ended", ended + grace, terms, ends - now)


def parse(text: bytes) -> Terms:
    """What a licence grants; nobody vouches for it here. Raises ValueError."""
    lines = text.decode("ascii").splitlines()
    said: dict[str, str] = {}
    features = []
    if lines[:1] != [_FIRST]:
        raise ValueError("it is no licence")
    for line in lines[1:-1]:
        word, _, value = line.partition(" ")
        if word == "feature":
            features.append(value)
        elif word not in _WORDS or word in said:
            raise ValueError(f"it has a line that is not known: {word}")
        else:
            said[word] = value
    if len(said) != len(_WORDS):
        raise ValueError("it lacks a line")
    source, _, fingerprint = said["device"].partition(" ")
    first, last = (dt.date.fromisoformat(said[word]) for word in ("from", "until"))
    grace, issued = (int(said[word]) for word in ("grace", "issued"))
    return Terms(
        said["app"], said["node"], (source, fingerprint), first, last, grace, tuple(features), issued
    )


def _signed(text: bytes, keys: Sequence[str]) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    at = text.rfind(b"\nsignature ") + 1
    line = _LINE.fullmatch(text[at:].decode("ascii", "replace"))
    if not at or line is None or line[1] not in keys:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(line[1])).verify(bytes.fromhex(line[2]), text[:at])
    except (InvalidSignature, ValueError):
        return False
    return True


def _second(day: dt.date) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp())


def _day(second: int) -> dt.date:
    return dt.datetime.fromtimestamp(second, dt.UTC).date()


@dataclass(frozen=True)
class Asked:
    """What a release asks for. Of its ``release.json``."""

    keys: tuple[str, ...]
    required: bool
    warn_days: int

    @staticmethod
    def of(release: Mapping[str, Any]) -> Asked | None:
        """None where it asks for no licence."""
        said = release.get("licence")
        if not isinstance(said, Mapping):
            return None
        keys, warn = said.get("keys"), said.get("warn_days")
        return Asked(
            tuple(str(key) for key in keys) if isinstance(keys, list) else (),
            said.get("required") is not False,
            warn if isinstance(warn, int) else 30,
        )


def foreseen(release: Mapping[str, Any], facts: Facts, brought: bytes | None) -> Facts:
    """The box with the licence that it will have: the one that is brought, unless its own is a newer one."""
    asked = Asked.of(release)
    if asked is None or brought is None:
        return facts
    if issued(facts.licence.encode("ascii", "replace"), asked.keys) > issued(brought, asked.keys):
        return facts
    return replace(facts, licence=brought.decode("ascii", "replace"))


def issued(text: bytes, keys: Sequence[str]) -> int:
    """When a licence was signed; 0 for one that none of these keys did."""
    with contextlib.suppress(ValueError):
        return parse(text).issued if _signed(text, keys) else 0
    return 0


def on_box(text: bytes, app: str, keys: Sequence[str], facts: Facts) -> Standing:
    """How a licence stands on a box.

    By the box's clock, but never before the licence was issued: a box without a battery may say 1970.
    """
    now = facts.clock if facts.clock is not None else int(time.time())
    return judge(text, app, keys, facts.devices, max(now, issued(text, keys)))


def beforehand(app: str, release: Mapping[str, Any], facts: Facts) -> Standing | None:
    """How the licence that the box has stands there; None where the release asks for none."""
    asked = Asked.of(release)
    return on_box(facts.licence.encode("ascii", "replace"), app, asked.keys, facts) if asked else None


def refusal(app: str, release: Mapping[str, Any], facts: Facts) -> str:
    """Why the program would not run on the box for want of a licence; "" where it would."""
    asked, standing = Asked.of(release), beforehand(app, release, facts)
    if asked is None or standing is None or standing.holds or not asked.required:
        return ""
    return standing.words


def note(app: str, release: Mapping[str, Any], facts: Facts) -> str:
    """What a person should know of a licence with which the program runs."""
    asked, standing = Asked.of(release), beforehand(app, release, facts)
    if asked is None or standing is None:
        return ""
    if not standing.holds:
        return "" if asked.required else f"{standing.words}: the program runs, and opens no feature"
    return soon(standing, asked.warn_days)


def soon(standing: Standing, warn_days: int) -> str:
    """What is said of a licence that holds, but not for long."""
    if standing.state == "grace" or standing.terms is None:
        return standing.words
    days = standing.left_s // _DAY_S
    if days >= warn_days:
        return ""
    return f"the licence of {standing.terms.node} ends in {days} days, on {standing.terms.last}"


def send(box: Box, token: str, app: str, text: bytes) -> bool:
    """Bring it, in the place of the one there; whether it is another. The program reads it by itself."""
    digest = hashlib.sha256(text).hexdigest()
    return "licence changed" in box.call("secrets", token, app, "licence", digest, stdin=[text])


def renew(endpoint: Endpoint, app: str, keys: Sequence[str], text: bytes) -> tuple[Standing, bool]:
    """Bring a box its licence and nothing else; how it stands there, and whether it is another than before.

    Raises InputError for one that would not hold there, BoxError, UnreachableError.
    """
    with Box(endpoint) as box:
        facts = probe(box, app)
        standing = on_box(text, app, keys, facts)
        if not standing.holds:
            raise InputError(
                f"this licence would not hold on {endpoint.node}",
                where=endpoint.where,
                why=standing.words,
                fix=f"edgepack licence issue {endpoint.node} --until DATE --key KEY",
            )
        with held(box, facts.lock) as lease:
            return standing, send(box, lease.token, app, text)
