"""YAML that reads the same everywhere."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgepack.containers import text

# Each is text here, and something else without quotes: in YAML 1.1, in 1.2, or in both.
OTHERWISE = [
    "yes",
    "No",
    "on",
    "y",
    "N",
    "null",
    "~",
    "true",
    "1",
    "1e3",
    "0o17",
    "0x1f",
    "1:30",
    "2026-01-01",
]
OTHERWISE += [".5", ".inf", "", " a", "a ", "a: b", "a #b", "- a", "*a", "&a", "!a", "%a", "@a", "`a", "a\nb"]
OTHERWISE += ["=", "<<", "{}", "[]", "?", "|", ">", "'", '"', "é", "\x07", "a:"]
BARE = [
    "doors",
    "no-new-privileges:true",
    "/data",
    "./secrets/x",
    "redis:7.2-alpine",
    "unless-stopped",
    "yes-men",
]


@pytest.mark.parametrize("value", OTHERWISE)
def test_what_could_be_something_else_is_quoted(value: str) -> None:
    written = text.document({"key": value}, ["from x"]).splitlines()[1]
    assert written.startswith('key: "')
    assert written.endswith('"')
    assert yaml.safe_load(written) == {"key": value}


@pytest.mark.parametrize("value", BARE)
def test_what_is_plain_is_written_plainly(value: str) -> None:
    assert text.document({"key": value}, ["from x"]).splitlines()[1] == f"key: {value}"


values = st.recursive(
    st.text() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_what_is_read_is_what_was_written(value: object) -> None:
    assert yaml.safe_load(text.document({"key": value}, ["from x"])) == {"key": value}


@given(st.text())
def test_a_header_stays_a_comment(line: str) -> None:
    written = text.document({"key": 1}, ["from x", line])
    assert yaml.safe_load(written) == {"key": 1}
    assert all(row.startswith("#") for row in written.splitlines()[:-1])


def test_the_order_is_the_given_one_and_nothing_is_an_alias() -> None:
    same = ["a"]
    assert text.document({"z": same, "a": same}, ["from x"]) == (
        "# Made by edgepack from x\nz:\n  - a\na:\n  - a\n"
    )
