"""An encrypted model: the same each time, nothing of it without the key, and what a change of it changes."""

from __future__ import annotations

import random
import traceback
from pathlib import Path

import pytest

from edgepack.model.sealed import CHUNK, ContentKey, SealError, make_key, read_key, seal, unseal, write_key
from tests.model_keys import KEY, STRANGER


def sealed(folder: Path, plain: bytes, key: ContentKey = KEY) -> bytes:
    (folder / "plain").write_bytes(plain)
    seal(key, folder / "plain", folder / "sealed")
    return (folder / "sealed").read_bytes()


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 77])
def test_it_comes_back_and_is_the_same_each_time(size: int, tmp_path: Path) -> None:
    plain = noise(size)
    whole = sealed(tmp_path, plain)
    assert unseal(KEY, whole) == plain
    assert sealed(tmp_path, plain) == whole
    assert len(whole) == 42 + 32 + size + -(-size // CHUNK) * 48
    assert sealed(tmp_path, plain, STRANGER)[42:] != whole[42:]


def test_nothing_of_the_model_is_in_it(tmp_path: Path) -> None:
    plain = b"7767517 Convolution " * 9000
    whole = sealed(tmp_path, plain)
    assert b"Convolution" not in whole
    assert KEY.value not in whole


def test_no_bit_can_be_another(tmp_path: Path) -> None:
    whole = sealed(tmp_path, noise(200))
    for place in range(len(whole)):
        changed = whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
        with pytest.raises(SealError):
            unseal(KEY, changed)


def test_neither_more_nor_less(tmp_path: Path) -> None:
    whole = sealed(tmp_path, noise(CHUNK + 5))
    for size in (0, 17, 41, 42, 100, len(whole) - 1):
        with pytest.raises(SealError):
            unseal(KEY, whole[:size])
    with pytest.raises(SealError):
        unseal(KEY, whole + b"\0")
    with pytest.raises(SealError, match="another key"):
        unseal(STRANGER, whole)


def test_where_a_part_of_a_model_changed_only_its_chunks_are_others(tmp_path: Path) -> None:
    plain = noise(20 * CHUNK)
    head = plain[: 19 * CHUNK] + noise(CHUNK, seed=2)  # its last layer trained anew
    before, after = sealed(tmp_path, plain), sealed(tmp_path, head)
    front, step = 42 + 20 * 32 + 32, CHUNK + 16
    assert after[front : front + 19 * step] == before[front : front + 19 * step]
    assert after[front + 19 * step :] != before[front + 19 * step :]


def test_a_key_does_not_show_itself() -> None:
    key = make_key()
    assert key != make_key()
    assert read_key(write_key(key)) == key
    assert key.value.hex() not in f"{key} {key!r}"
    for text in (b"", b"x", write_key(key)[:-2], write_key(key).upper(), write_key(key) * 2):
        with pytest.raises(ValueError, match="no key of a model") as caught:
            read_key(text)
        assert key.value.hex() not in "".join(traceback.format_exception_only(caught.value)).lower()
