"""What a user has in an editor's file stays as it is, to the byte; what we add is there once."""

from __future__ import annotations

import json
import random
import re

import pytest

from edgepack.debug.jsonc import NotJsonc, added, read

OURS = {"name": "ours", "type": "cppdbg", "list": [1, {"a": None}], "path": 'naïve "q" // no comment'}

KEPT = {
    "empty object": "{}",
    "empty list": '{"configurations": []}',
    "one": '{\n  "version": "0.2.0",\n  "configurations": [\n    {"name": "mine"}\n  ]\n}\n',
    "comments": '// top\n{\n\t/* a, "b": [ */\n\t"configurations": [\n'
    '\t\t{"name": "mine"} // } ] ,\n\t\t// last\n\t],\n'
    '\t"other": 1 // "configurations": []\n}\n// end',
    "trailing commas": '{\n  "configurations": [\n    {"name": "mine",},\n  ],\n}',
    "windows": '{\r\n    "configurations": [\r\n        {"name": "mine"}\r\n    ]\r\n}\r\n',
    "one line": '{"a":[{"name":"ours"}],"configurations":[{"name":"mine"}]}',
    "a byte order mark": '\ufeff{"configurations": []}',
    "no such key": '{\n    // mine\n    "version": "0.2.0" // why\n    // done\n}',
    "twice": '{"configurations": [{"name": "gone"}], "configurations": [{"name": "mine"}]}',
}


@pytest.mark.parametrize("text", KEPT.values(), ids=list(KEPT))
def test_all_of_the_users_bytes_stay_in_their_order(text: str) -> None:
    made, other = added(text, "configurations", [OURS], "name")
    assert not other
    value = read(made).value
    assert value["configurations"][-1] == OURS
    before = read(text).value
    assert value["configurations"][:-1] == before.get("configurations", [])
    assert {**value, "configurations": 0} == {**before, "configurations": 0}
    kept = iter(made)
    assert all(each in kept for each in text.replace("\n", "").replace("\r", "").replace(" ", ""))
    for comment in re.findall(r"//.*|/\*.*\*/", text):
        assert comment.rstrip("\r") in made
    assert added(made, "configurations", [OURS], "name") == (made, []), "the second time nothing changes"


def test_an_entry_that_the_user_changed_is_left_alone_and_told() -> None:
    made, _ = added("{}", "configurations", [OURS], "name")
    changed = made.replace("cppdbg", "mine")
    assert added(changed, "configurations", [OURS, {"name": "x"}], "name")[1] == ["ours"]
    assert '"type": "mine"' in added(changed, "configurations", [OURS, {"name": "x"}], "name")[0]


WRONG = {
    '{\n"a": [1,\n 2': 3,
    "": 1,
    "{\n'a': 1}": 2,
    '{"a": 1 "b": 2}': 1,
    '{"configurations": {}}': 1,
    "[]": 1,
    '{"a": 1}\n}': 2,
    '{"a" 1}': 1,
    '{"a": tru}': 1,
    "[" * 5000: 1,
    '{"a": "\\x"}': 1,
    '{"a": 1 /* }': 1,
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_no_such_file_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(NotJsonc) as refused:
        added(text, "configurations", [OURS], "name")
    assert refused.value.line == WRONG[text]


def test_plain_json_is_read_as_the_library_reads_it() -> None:
    source = random.Random(7)

    def value(depth: int) -> object:
        kind = source.randrange(7 if depth < 4 else 5)
        if kind == 5:
            return [value(depth + 1) for _ in range(source.randrange(4))]
        if kind == 6:
            return {chr(source.randrange(32, 1000)) * 2: value(depth + 1) for _ in range(source.randrange(4))}
        return [None, True, source.randrange(-9, 10**12), source.random() * 1e30, 'a"\\\n\u20ac'][kind]

    for _ in range(300):
        known = value(0)
        text = json.dumps(known, indent=source.choice([None, 1, 4]), ensure_ascii=source.random() < 0.5)
        assert read(text).value == known
