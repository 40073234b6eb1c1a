"""The key of an encrypted model on its way to a box: wrapped, so that it opens on that box and on no other.

The program opens it (``templates/program/src/sealed_file.cpp``); here is who wraps it, and the same decision
beforehand. A test holds the two to each other. The form and why: docs/how-to/encryption.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgepack.box.endpoint import Endpoint
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.errors import InputError
from edgepack.model.sealed import KEY_ID, ContentKey
from edgepack.ship import licence
from edgepack.ship.lease import held

FOLDER = "keys"  # of a project: NODE.key in it, for a box without a link
HARDWARE = ("soc", "soc0", "board")
"""What tells a box from others and does not lie on its flash, as device.sh names it."""
_FIRST = "edgepack-key 1"
_LINE = re.compile(
    r"edgepack-key 1 (?P<app>\S+) (?P<id>\S+) (?P<source>\S+) (?P<salt>[0-9a-f]{32}) (?P<key>[0-9a-f]{96})"
)
# What it costs to try one fingerprint, since a serial number has few digits: Argon2id (RFC 9106).
_PASSES, _MEMORY_KIB = 3, 16 << 10
_NONCE = bytes(12)  # a key of its own for each salt

Device = tuple[str, str]  # source and fingerprint, as the box's probe says them
Fetch = Callable[[], ContentKey]  # may ask a person, and raises InputError or ToolError


def wrap(key: ContentKey, app: str, device: Device) -> str:
    """The key in one line, for one box; the same line each time."""
    source, fingerprint = device
    salt = key.derive(b"edgepack-salt", f"{app} {source} {fingerprint}".encode())[:16]
    about = f"{_FIRST} {app} {key.id} {source} {salt.hex()}"
    wrapped = _cipher(salt, fingerprint).encrypt(_NONCE, key.value, about.encode())
    return f"{about} {wrapped.hex()}"


def _cipher(salt: bytes, fingerprint: str) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    hard = Argon2id(salt=salt, length=32, iterations=_PASSES, lanes=1, memory_cost=_MEMORY_KIB)
    return ChaCha20Poly1305(hard.derive(fingerprint.encode()))


@dataclass(frozen=True)
class Standing:
    """What a box makes of a wrapped key, in the program's own words; source: what it is bound to."""

    state: str  # opens; else why it does not: missing, damaged, other, box
    words: str
    source: str = ""
    key: ContentKey | None = None


def judge(line: str, app: str, wanted: str, devices: Sequence[Device]) -> Standing:
    """What the program makes of a line on a box with these fingerprints; "" is none."""
    from cryptography.exceptions import InvalidTag

    if not line:
        return Standing("missing", f"the model is encrypted, and its key {wanted} is not on this box")
    found = _LINE.fullmatch(line)
    if found is None:
        return Standing("damaged", "the file of the model's key is damaged, or of a newer edgepack")
    if (found["app"], found["id"]) != (app, wanted):
        has = f"has the key {found['id']} of {found['app']}, and this is {wanted} of {app}"
        return Standing("other", f"the file of the model's key {has}")
    source, about = found["source"], line.rpartition(" ")[0]
    mine = [fingerprint for known, fingerprint in devices if known == source]
    for fingerprint in mine:
        try:
            cipher = _cipher(bytes.fromhex(found["salt"]), fingerprint)
            key = ContentKey(cipher.decrypt(_NONCE, bytes.fromhex(found["key"]), about.encode()))
        except InvalidTag:
            continue
        if key.id == wanted:
            return Standing("opens", f"the model's key {wanted} opens on this box", source, key)
    differs = f"whose {source} is another, or its file is damaged"
    words = differs if mine else f"which has a {source} that can be read"
    return Standing("box", f"the model's key {wanted} was wrapped for another box, {words}", source)


@dataclass(frozen=True)
class Asked:
    """What a release asks for. Of its ``release.json``."""

    key: str  # its id
    hardware: bool  # whether only what does not lie on the flash will do

    @staticmethod
    def of(release: Mapping[str, Any]) -> Asked | None:
        """None where its models are plain."""
        said = release.get("encryption")
        if not isinstance(said, Mapping):
            return None
        key = said.get("key")
        named = key if isinstance(key, str) and KEY_ID.fullmatch(key) else "unknown"
        return Asked(named, said.get("device") != "any")

    def device(self, facts: Facts) -> Device | None:
        """What a key for this box is bound to; None where it has nothing that will do."""
        return next((device for device in facts.devices if self.takes(device[0])), None)

    def takes(self, source: str) -> bool:
        return not self.hardware or source in HARDWARE


def on_box(app: str, asked: Asked, facts: Facts) -> Standing:
    """How the key that the box has stands there."""
    lines = [line for line in facts.model_keys if line.split(" ")[3:4] == [asked.key]]
    return judge(lines[0] if lines else "", app, asked.key, facts.devices)


def foreseen(app: str, release: Mapping[str, Any], facts: Facts, fetch: Fetch | None) -> Facts:
    """The box with the key that it will have. Asks for the content key only where the box lacks it."""
    asked = Asked.of(release)
    device = asked.device(facts) if asked else None
    if asked is None or device is None or fetch is None:
        return facts
    standing = on_box(app, asked, facts)
    if standing.state == "opens" and asked.takes(standing.source):
        return facts
    line = wrap(checked(fetch(), asked.key), app, device)
    others = (line for line in facts.model_keys if line.split(" ")[3:4] != [asked.key])
    return replace(facts, model_keys=(*others, line))


def checked(key: ContentKey, wanted: str) -> ContentKey:
    """The key, where it is the wanted one. Raises InputError."""
    if key.id != wanted:
        raise InputError(
            f"this is the key {key.id}, and the model is encrypted with {wanted}",
            where="encryption.key in edgepack.yaml",
            fix=f"bring the key {wanted} there; or set `id: {key.id}`, build and deploy again",
        )
    return key


def refusal(app: str, release: Mapping[str, Any], facts: Facts) -> tuple[str, str] | None:
    """Why the program could not read its model on the box, and what to do; None where it could."""
    asked = Asked.of(release)
    if asked is None:
        return None
    device = asked.device(facts)
    if device is None:
        return _unbound(facts)
    standing = on_box(app, asked, facts)
    if standing.state != "opens":
        return f"the program would not run: {standing.words}", (
            "deploy from the project, whose edgepack.yaml says where the key is; or edgepack key send NODE"
        )
    if not asked.takes(standing.source):
        return f"the box's key is bound to its {standing.source}, which is copied with the flash", (
            "edgepack key send NODE, which binds it to its hardware"
        )
    if spoilt(standing.source, facts):
        return f"the box's licence has the fingerprint of its {standing.source}, which the key is made of", (
            "edgepack licence issue NODE --until DATE --key KEY, which takes another one now"
        )
    return None


def spoilt(source: str, facts: Facts) -> bool:
    """Whether the licence that lies on the box says in plain what a key is bound to."""
    if source not in HARDWARE or not facts.licence:
        return False
    try:
        device = licence.parse(facts.licence.encode("ascii", "replace")).device
    except ValueError:
        return False
    return device[0] == source and device in facts.devices


def _unbound(facts: Facts) -> tuple[str, str]:
    has = ", ".join(dict.fromkeys(source for source, _ in facts.devices)) or "nothing"
    why = f"its hardware has no serial number that the account may read, it has {has}"
    root = "root may have one to read (`board`)"
    weaker = "`encryption: {device: any}` in edgepack.yaml, with which a whole copy of the flash opens"
    return f"a key cannot be bound to this box: {why}", f"{root}; or {weaker}: docs/how-to/encryption.md"


def note(release: Mapping[str, Any]) -> str:
    """What an update of an encrypted model costs; "" where it is plain."""
    asked = Asked.of(release)
    if asked is None:
        return ""
    words = "of its next version each 64 KiB in which anything changed go whole, not as differences"
    return f"the model is encrypted (key {asked.key}): {words}"


def send(box: Box, token: str, app: str, facts: Facts, wanted: Facts) -> bool:
    """Bring the keys that ``wanted`` has and ``facts`` has not; whether there were any."""
    changed = False
    for line in wanted.model_keys:
        if line not in facts.model_keys:
            text = f"{line}\n".encode()
            words = (line.split(" ")[3], hashlib.sha256(text).hexdigest())
            changed |= "keys changed" in box.call("secrets", token, app, "key", *words, stdin=[text])
    return changed


def bring(endpoint: Endpoint, app: str, release: Mapping[str, Any], fetch: Fetch) -> bool:
    """Bring a box its key and nothing else; whether it is another than before.

    Raises InputError for a box that can have none, BoxError, UnreachableError.
    """
    with Box(endpoint) as box:
        facts = probe(box, app)
        wanted = foreseen(app, release, facts, fetch)
        refused = refusal(app, release, wanted)
        if refused:
            raise InputError(refused[0], where=endpoint.where, fix=refused[1])
        with held(box, facts.lock) as lease:
            return send(box, lease.token, app, facts, wanted)
