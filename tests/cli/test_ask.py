from __future__ import annotations

import pytest

from edgepack.cli.ask import fields


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (None, "null"),
        (7, "7"),
        (0.12345, "0.123"),
        ("Ente", '"Ente"'),
        ("größer", '"größer"'),
        ([1, 2], "[1, 2]"),
    ],
)
def test_an_answer_is_shown_as_json_has_it(value: object, shown: str) -> None:
    assert fields({"file": "a.pgm", "is": value, "class": 1}) == f"is {shown}  class 1"
