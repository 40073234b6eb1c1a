"""Results are found again whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepack.store import Store, digest_of, digest_tree


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_what_was_put_is_found(store: Store, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    assert store.get("k") is None
    put = store.put("k", {"bin": program}, {"lines": [1, 2]})
    assert store.get("k") == put
    assert store.keys() == {"k"}
    assert store.blob(put.outputs["bin"].sha256).read_bytes() == b"\x7fELF"
    assert put.outputs["bin"].executable


@pytest.mark.parametrize("harm", ["remove", "cut", "garble the list"])
def test_a_damaged_result_is_no_result(store: Store, tmp_path: Path, harm: str) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    blob = store.blob(store.put("k", {"f": tmp_path / "f"}, {}).outputs["f"].sha256)
    if harm == "remove":
        blob.unlink()
    elif harm == "cut":
        blob.chmod(0o644)
        blob.write_bytes(b"ab")
    else:
        (store.root / "results" / "k.json").write_text("{")
    assert store.get("k") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_equal_values_have_equal_keys_and_others_do_not(one: object, other: object) -> None:
    # repr tells True from 1, which == does not and JSON does.
    assert (digest_of(one) == digest_of(other)) == (_canonical(one) == _canonical(other))


def _canonical(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{k!r}:{_canonical(v)}" for k, v in sorted(value.items())) + "}"
    return "[" + ",".join(map(_canonical, value)) + "]" if isinstance(value, list) else repr(value)


def test_a_trees_digest_follows_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    first = digest_tree(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_text("noise")
    assert digest_tree(tmp_path) == first
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    assert digest_tree(tmp_path) != first


def test_changed_bytes_are_found_and_made_anew(store: Store, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "g").write_bytes(b"xyz")
    result = store.put("k", {"f": tmp_path / "f", "g": tmp_path / "g"}, {})
    assert store.damaged(result) is None
    blob = store.blob(result.outputs["g"].sha256)
    blob.chmod(0o644)
    blob.write_bytes(b"xyZ")
    assert store.get("k") == result  # a stat cannot see it
    assert store.damaged(result) == "g"
    store.forget("k")
    assert store.get("k") is None
    assert store.blob(result.outputs["f"].sha256).is_file()
    store.put("k", {"f": tmp_path / "f", "g": tmp_path / "g"}, {})
    assert store.damaged(result) is None
