"""Licences good and bad, and what program and deployer alike make of each: a table for both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgepack.ship.licence import Terms, sign
from edgepack.tools.signers import Signer
from tests.devices import fingerprint

APP = "tiny"
VALUE = "3d1219c7c4c5404aaa1f6d2a48adfda4"
DEVICE = ("machine-id", fingerprint(APP, "machine-id", VALUE))
OTHER = ("machine-id", fingerprint(APP, "machine-id", "0" * 31 + "1"))
ELSEWHERE = ("soc", fingerprint(APP, "soc", "10000000abcdef12"))
DAY = 24 * 60 * 60


def signer(seed: int = 1) -> Signer:
    """A key, the same one for the same seed."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return Signer(key.public_key().public_bytes_raw().hex(), f"key {seed}", key.sign)


def at(day: str, second: int = 0) -> int:
    """A second of a day, since 1970."""
    return int(dt.datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) + second


ISSUER, OLDER, STRANGER = signer(1), signer(2), signer(3)
KEYS = [ISSUER.key, OLDER.key]
TERMS = Terms(
    app=APP,
    node="box-07",
    device=DEVICE,
    first=dt.date(2026, 11, 1),
    last=dt.date(2026, 11, 30),
    grace_days=14,
    features=("counting", "alarms"),
    issued=at("2026-10-20"),
)
GOOD = sign(TERMS, ISSUER)
LAST = DAY - 1


def changed(old: bytes, new: bytes) -> bytes:
    """The good one with something else in it, as nobody signed it."""
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def resigned(change: Callable[[str], str]) -> bytes:
    """What edgepack does not write, signed by the right key all the same."""
    text = change(TERMS.text()).encode()
    return text + f"signature {ISSUER.key} {ISSUER.sign(text).hex()}\n".encode()


_ENDED = "the licence of box-07 ended on 2026-11-30"
_FORGED = "the licence is not as one of the keys that this program knows signed it"
_NEWER = "the licence has lines that this program does not know: it is of a newer edgepack"
_NONE = "the file is not a licence"
_MEANT = at("2026-11-15")

# The file, the time, how it stands, in which words.
TABLE: dict[str, tuple[bytes, int, str, str]] = {
    "the day before": (GOOD, at("2026-10-31", LAST), "early", "the licence of box-07 begins on 2026-11-01"),
    "the first second": (GOOD, at("2026-11-01"), "valid", "the licence of box-07 holds until 2026-11-30"),
    "the last second": (
        GOOD,
        at("2026-11-30", LAST),
        "valid",
        "the licence of box-07 holds until 2026-11-30",
    ),
    "the first of grace": (
        GOOD,
        at("2026-12-01"),
        "grace",
        f"{_ENDED}; without a new one the program stops after 2026-12-14",
    ),
    "the last of grace": (
        GOOD,
        at("2026-12-14", LAST),
        "grace",
        f"{_ENDED}; without a new one the program stops after 2026-12-14",
    ),
    "after grace": (GOOD, at("2026-12-15"), "ended", f"{_ENDED}, its grace time on 2026-12-14"),
    "without grace": (sign(replace(TERMS, grace_days=0), ISSUER), at("2026-12-01"), "ended", _ENDED),
    "over a leap day": (
        sign(replace(TERMS, last=dt.date(2028, 2, 29)), ISSUER),
        at("2028-02-29", LAST),
        "valid",
        "the licence of box-07 holds until 2028-02-29",
    ),
    "by the other key": (sign(TERMS, OLDER), _MEANT, "valid", "the licence of box-07 holds until 2026-11-30"),
    "no file": (b"", _MEANT, "missing", "there is no licence"),
    "another file": (b"\x7fELF\0\0", _MEANT, "damaged", _NONE),
    "by a stranger": (sign(TERMS, STRANGER), _MEANT, "forged", _FORGED),
    "a longer one": (changed(b"until 2026-11-30", b"until 2036-11-30"), _MEANT, "forged", _FORGED),
    "another feature": (changed(b"feature alarms", b"feature export"), _MEANT, "forged", _FORGED),
    "a line after": (GOOD + b"feature export\n", _MEANT, "forged", _FORGED),
    "cut off": (GOOD[:-40], _MEANT, "forged", _FORGED),
    "without its end": (GOOD[:-1], _MEANT, "forged", _FORGED),
    "a signature without a key": (GOOD[: GOOD.rfind(b" ")] + b"\n", _MEANT, "forged", _FORGED),
    "its key in capitals": (
        changed(b"signature " + ISSUER.key.encode(), b"signature " + ISSUER.key.upper().encode()),
        _MEANT,
        "forged",
        _FORGED,
    ),
    "twice": (GOOD + GOOD, _MEANT, "forged", _FORGED),
    "a signature of zeros": (
        TERMS.text().encode() + f"signature {ISSUER.key} {'0' * 128}\n".encode(),
        _MEANT,
        "forged",
        _FORGED,
    ),
    "of a release": (
        b"edgepack-release 1\n" + GOOD[GOOD.index(b"\n") + 1 :],
        _MEANT,
        "damaged",
        _NONE,
    ),
    "of a newer form": (resigned(lambda text: text.replace("ce 1", "ce 2")), _MEANT, "damaged", _NEWER),
    "with a line more": (resigned(lambda text: text + "cores 4\n"), _MEANT, "damaged", _NEWER),
    "with a line twice": (resigned(lambda text: text + "grace 99\n"), _MEANT, "damaged", _NEWER),
    "with a line less": (resigned(lambda text: text.replace("grace 14\n", "")), _MEANT, "damaged", _NEWER),
    "for another app": (
        sign(replace(TERMS, app="other"), ISSUER),
        _MEANT,
        "app",
        "the licence is for other, and this is tiny",
    ),
    "for another box": (
        sign(replace(TERMS, device=OTHER), ISSUER),
        _MEANT,
        "device",
        "the licence is for another box: box-07, whose machine-id is another",
    ),
    "for a box with a serial number": (
        sign(replace(TERMS, device=ELSEWHERE), ISSUER),
        _MEANT,
        "device",
        "the licence is for another box: box-07, which has a soc that can be read",
    ),
}
