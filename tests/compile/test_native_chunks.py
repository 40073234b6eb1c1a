"""Parcels from a base that only the box has: it says its chunks, and what comes out is what went in."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compile.test_native import BLOCK, Box, box, encoder, helper

__all__ = ["box", "encoder", "helper"]

pytestmark = pytest.mark.slow

ByChunks = Callable[[bytes, str], tuple[bytes, dict[str, list[int]]]]


@pytest.fixture
def by_chunks(tmp_path: Path, encoder: Path) -> ByChunks:
    def made(content: bytes, listed: str) -> tuple[bytes, dict[str, list[int]]]:
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "list").write_text(listed)
        words = [encoder, tmp_path / "new", "644", "3", "2", tmp_path / "parcel"]
        done = subprocess.run(
            [*words, "--chunks", tmp_path / "list"], capture_output=True, timeout=60, check=True
        )
        return (tmp_path / "parcel").read_bytes(), json.loads(done.stdout)

    return made


def listed(box: Box, base: bytes) -> str:
    """What the encoder is told of a base in the box's store."""
    sha = box.store(base)
    done = box.call("chunks", str(box.root / "store" / sha))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert all(line.startswith("chunk ") for line in lines)
    return "".join(f"{line}\n" for line in (sha, *(line.removeprefix("chunk ") for line in lines)))


def _noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


WEIGHTS = _noise(1, 5 * BLOCK + 321)
# The new file, its base, and the most that it may cost on the way, in bytes. A chunk has 128 KiB at the most,
# and a change costs the chunks that it touches.
CASES: dict[str, tuple[bytes, bytes, int]] = {
    "the same": (WEIGHTS, WEIGHTS, 1000),
    "the head is new": (
        WEIGHTS[: 4 * BLOCK] + _noise(2, BLOCK // 2),
        WEIGHTS,
        BLOCK // 2 + (256 << 10),
    ),
    "put in front": (b"new" * 1000 + WEIGHTS, WEIGHTS, 256 << 10),
    "taken out of the middle": (WEIGHTS[:BLOCK] + WEIGHTS[BLOCK + 70_000 :], WEIGHTS, 256 << 10),
    "halves exchanged": (WEIGHTS[2 * BLOCK :] + WEIGHTS[: 2 * BLOCK], WEIGHTS, 384 << 10),
    "nothing in common": (_noise(3, 2 * BLOCK), WEIGHTS, 2 * BLOCK + 1000),
    "zeros": (bytes(9 * BLOCK), bytes(7 * BLOCK), 2 * BLOCK),
    "small": (b"x", WEIGHTS, 200),
    "empty": (b"", WEIGHTS, 200),
    "of a small base": (WEIGHTS, b"y", len(WEIGHTS) + 1000),
}


@pytest.mark.parametrize("name", CASES)
def test_what_went_in_comes_out_and_what_is_there_is_not_sent(
    name: str, box: Box, by_chunks: ByChunks
) -> None:
    content, base, most = CASES[name]
    parcel, _ = by_chunks(content, listed(box, base))
    done = box.receive(parcel)
    assert f"received {hashlib.sha256(content).hexdigest()}" in done.stdout.decode()
    assert box.has(content)
    assert len(parcel) <= most


@pytest.mark.parametrize("seed", range(12))
def test_any_edits_of_any_file_come_out_right(seed: int, box: Box, by_chunks: ByChunks) -> None:
    chance = random.Random(seed)
    base = chance.randbytes(chance.randrange(1, 3 * BLOCK))
    content = bytearray(base)
    for _ in range(chance.randrange(8)):
        at, length = chance.randrange(len(content) + 1), chance.randrange(200_000)
        piece = chance.choice([b"", chance.randbytes(length), base[at : at + length]])
        content[at : at + chance.randrange(200_000)] = piece
    parcel, _ = by_chunks(bytes(content), listed(box, base))
    box.receive(parcel)
    assert box.has(bytes(content))


def test_chunks_are_of_what_was_asked_for_and_have_their_sizes(box: Box) -> None:
    sizes = [int(line.split()[0]) for line in listed(box, WEIGHTS).splitlines()[1:]]
    assert sum(sizes) == len(WEIGHTS)
    assert all(8 << 10 <= size <= 128 << 10 for size in sizes[:-1])


def test_a_box_that_tells_another_file_s_chunks_gets_nothing_wrong_into_its_store(
    box: Box, by_chunks: ByChunks
) -> None:
    lies = [box.store(_noise(7, len(WEIGHTS))), *listed(box, WEIGHTS).splitlines()[1:]]
    (box.root / "store" / hashlib.sha256(WEIGHTS).hexdigest()).unlink()
    parcel, made = by_chunks(WEIGHTS, "".join(f"{line}\n" for line in lies))
    assert made["copy"][0] == len(WEIGHTS)
    assert "received" not in box.receive(parcel).stdout.decode()
    assert not (box.root / "store" / hashlib.sha256(WEIGHTS).hexdigest()).is_file()


@pytest.mark.parametrize(
    "text",
    ["", "0\n", f"{'0' * 64}\n-1 {'0' * 32}\n", f"{'0' * 64}\n999999 {'0' * 32}\n", f"{'0' * 64}\n9 zz\n"],
)
def test_what_is_no_list_is_refused(text: str, tmp_path: Path, encoder: Path) -> None:
    (tmp_path / "list").write_text(text)
    (tmp_path / "new").write_bytes(b"new")
    words = (encoder, tmp_path / "new", "644", "3", "1", tmp_path / "parcel", "--chunks", tmp_path / "list")
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"edgepack-error bad-chunks" in done.stderr) == (20, True)
