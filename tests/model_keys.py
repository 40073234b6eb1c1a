"""Keys of models as they may lie on a box, and what program and deployer make of each: a table for both."""

from __future__ import annotations

from edgepack.model.sealed import ContentKey
from edgepack.ship.model_key import wrap
from tests.devices import fingerprint

APP = "tiny"
KEY, STRANGER = ContentKey(bytes(range(32))), ContentKey(b"\x07" * 32)
SERIAL, MACHINE = "10000000abcdef12", "3d1219c7c4c5404aaa1f6d2a48adfda4"
FILES = {"proc/device-tree/serial-number": f"{SERIAL}\0", "etc/machine-id": f"{MACHINE}\n"}
SOC = ("soc", fingerprint(APP, "soc", SERIAL))
ID = ("machine-id", fingerprint(APP, "machine-id", MACHINE))
DEVICES = (SOC, ID)
ELSEWHERE = ("soc", fingerprint(APP, "soc", "10000000abcdef13"))
BOARD = ("board", fingerprint(APP, "board", "4c4c4544-0051"))
GOOD = wrap(KEY, APP, SOC)


def changed(old: str, new: str) -> str:
    """The good one with something else in it."""
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def flipped(place: int) -> str:
    """The good one with another digit, counted from its end."""
    return f"{GOOD[:place]}{'0' if GOOD[place] != '0' else '1'}{GOOD[place + 1 :]}"


_DAMAGED = "the file of the model's key is damaged, or of a newer edgepack"
_OTHER = f"the model's key {KEY.id} was wrapped for another box, whose soc is another, or its file is damaged"
_THIS = f"and this is {KEY.id} of {APP}"

# The line, whether it opens, in which words it is refused.
TABLE: dict[str, tuple[str, bool, str]] = {
    "its own": (GOOD, True, ""),
    "by the machine-id": (wrap(KEY, APP, ID), True, ""),
    "another box's": (wrap(KEY, APP, ELSEWHERE), False, _OTHER),
    "of a box with a board": (
        wrap(KEY, APP, BOARD),
        False,
        f"the model's key {KEY.id} was wrapped for another box, which has a board that can be read",
    ),
    "another key": (
        wrap(STRANGER, APP, SOC),
        False,
        f"the file of the model's key has the key {STRANGER.id} of {APP}, {_THIS}",
    ),
    "another app's": (
        wrap(KEY, "other", SOC),
        False,
        f"the file of the model's key has the key {KEY.id} of other, {_THIS}",
    ),
    "another key by this name": (
        wrap(STRANGER, APP, SOC).replace(STRANGER.id, KEY.id),
        False,
        _OTHER,
    ),
    "its source renamed": (changed(" soc ", " machine-id "), False, _OTHER.replace("soc", "machine-id")),
    "a digit of the key": (flipped(-2), False, _OTHER),
    "a digit of the salt": (flipped(-100), False, _OTHER),
    "a newer form": (changed("edgepack-key 1", "edgepack-key 2"), False, _DAMAGED),
    "a word more": (f"{GOOD} {'0' * 96}", False, _DAMAGED),
    "cut off": (GOOD[:-1], False, _DAMAGED),
    "in capitals": (GOOD[:-96] + GOOD[-96:].upper().replace("0", "A", 1), False, _DAMAGED),
    "a licence": ("edgepack-licence 1", False, _DAMAGED),
    "bytes": ("\x7fELF \x01", False, _DAMAGED),
}
