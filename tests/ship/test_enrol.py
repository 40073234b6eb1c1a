"""A box's list of keys: a line each, whatever people call their keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepack.box.endpoint import Endpoint
from edgepack.box.facts import Facts, parse
from edgepack.errors import InputError
from edgepack.ship import enrol
from edgepack.ship.enrol import Change, text

BOX = Endpoint("box-07", "192.0.2.7")
OPS, NEW = "a" * 64, "b" * 64


def facts(**keys: str) -> Facts:
    lines = [
        "arch x86_64",
        "machine x86_64",
        "kernel Linux",
        "emulator ",
        "libc none",
        "root /r",
        "folder /r",
    ]
    lines += ["writable yes", "user pi", "filesystem ext4 rw"]
    if keys:
        lines += ["enrolled 7 " + "c" * 64, *(f"key {key * 64} {name}" for name, key in keys.items())]
    return parse(lines)


@given(st.dictionaries(st.from_regex(r"[0-9a-f]{64}", fullmatch=True), st.text(), min_size=1, max_size=5))
def test_no_name_becomes_a_line_or_a_word_of_its_own(given_keys: dict[str, str]) -> None:
    keys = enrol._keys(Change(given_keys), facts(), BOX)
    lines = text(3, OPS, keys).decode().splitlines()
    assert lines[:3] == ["edgepack-keys 1", "serial 3", f"helper {OPS}"]
    assert {line.split(" ")[1] for line in lines[3:]} == given_keys.keys()
    assert all(len(line.split(" ")) == 3 and line.startswith("key ") for line in lines[3:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change({}), "no key is named"),
        (Change({}, end=True), "not enrolled"),
        (Change({f"{n:064x}": "k" for n in range(65)}), "64 keys at the most"),
    ],
)
def test_a_box_without_keys(change: Change, words: str) -> None:
    with pytest.raises(InputError, match=words):
        enrol._keys(change, facts(), BOX)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change({NEW: "new"}), {OPS: "ops", NEW: "new"}),
        (Change({NEW: "new"}, revoke=["ops"]), {NEW: "new"}),
        (Change({NEW: "new"}, revoke=["aaaa"]), {NEW: "new"}),
        (Change({OPS: "other name"}), {OPS: "other-name"}),
        (Change({}, end=True), {}),
        (Change({}, revoke=["ops"]), "without any key"),
        (Change({NEW: "new"}, revoke=["nobody"]), "nobody fits 0 of the keys"),
        (Change({NEW: "new"}, revoke=[""]), "fits 0 of the keys"),
    ],
)
def test_a_box_with_one_key(change: Change, expected: dict[str, str] | str) -> None:
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            enrol._keys(change, facts(ops="a"), BOX)
    else:
        assert enrol._keys(change, facts(ops="a"), BOX) == expected
