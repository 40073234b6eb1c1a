"""The helper and its encoder: what comes out of a parcel is what went in, and nothing else ever is."""

from __future__ import annotations

import hashlib
import json
import random
import resource
import signal
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgepack.catalog.native_build import MOST_BYTES, HelperSpec
from edgepack.compile.native import build_helper

pytestmark = pytest.mark.slow

Done = subprocess.CompletedProcess[bytes]
BLOCK = 1 << 20
HEAD, BLOCK_HEAD = 104, 32
END = b"EKE1"


@pytest.fixture(scope="module")
def helper() -> Path:
    return build_helper(HelperSpec("x86_64"))


@pytest.fixture(scope="module")
def encoder() -> Path:
    return build_helper(HelperSpec("x86_64", "encoder"))


@dataclass(frozen=True)
class Box:
    """A store on a disk, and the helper beside it."""

    root: Path
    helper: Path

    def store(self, content: bytes) -> str:
        sha = hashlib.sha256(content).hexdigest()
        (self.root / "store" / sha).write_bytes(content)
        return sha

    def call(self, *words: str, stdin: bytes = b"", memory: int = 0) -> Done:
        def limit() -> None:
            if memory:
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

        return subprocess.run(
            [self.helper, *words], input=stdin, capture_output=True, timeout=60, preexec_fn=limit, check=False
        )

    def receive(self, *parcels: bytes, end: bytes = END, memory: int = 0) -> Done:
        return self.call("receive", str(self.root), stdin=b"".join(parcels) + end, memory=memory)

    def has(self, content: bytes) -> bool:
        kept = self.root / "store" / hashlib.sha256(content).hexdigest()
        return kept.is_file() and kept.read_bytes() == content

    def parts(self) -> dict[str, int]:
        lines = self.call("parts", str(self.root)).stdout.decode().splitlines()
        return {line.split()[1]: int(line.split()[2]) for line in lines}


@pytest.fixture
def box(tmp_path: Path, helper: Path) -> Box:
    for name in ("store", "incoming"):
        (tmp_path / name).mkdir()
    return Box(tmp_path, helper)


Encode = Callable[..., tuple[bytes, dict[str, list[int]]]]


@pytest.fixture
def encode(tmp_path: Path, encoder: Path) -> Encode:
    def made(content: bytes, base: bytes | None = None, level: int = 3) -> tuple[bytes, dict[str, list[int]]]:
        (tmp_path / "new").write_bytes(content)
        words = [encoder, tmp_path / "new", "644", str(level), "2", tmp_path / "parcel"]
        if base is not None:
            (tmp_path / "base").write_bytes(base)
            words.append(tmp_path / "base")
        done = subprocess.run(words, capture_output=True, timeout=60, check=True)
        return (tmp_path / "parcel").read_bytes(), json.loads(done.stdout)

    return made


def _weights(chance: random.Random, count: int, width: int) -> bytes:
    """Numbers as a layer's weights lie: fp32, fp16 or int8, normal with a small spread."""
    if width == 1:
        return bytes(min(127, max(-128, round(chance.gauss(0, 30)))) & 255 for _ in range(count))
    code = {4: "f", 2: "e"}[width]
    return struct.pack(f"<{count}{code}", *(chance.gauss(0, 0.05) for _ in range(count)))


def _trained_on(chance: random.Random, base: bytes, width: int) -> bytes:
    """The same weights after a few more steps: most of them moved by a little."""
    if width == 1:
        return bytes((byte + chance.choice((0, 0, 0, 1, 255))) & 255 for byte in base)
    code = {4: "f", 2: "e"}[width]
    numbers = struct.unpack(f"<{len(base) // width}{code}", base)
    return struct.pack(f"<{len(numbers)}{code}", *(x + chance.gauss(0, 1e-5) for x in numbers))


def _pairs() -> dict[str, tuple[bytes, bytes | None]]:
    chance = random.Random(1)
    noise = chance.randbytes(3 * BLOCK + 12345)
    words = [
        b"x" * chance.randrange(1, 9) + b"%d " % chance.randrange(10 ** chance.randrange(1, 6))
        for _ in range(300)
    ]
    text = b"".join(chance.choices(words, k=150_000))
    edited = bytearray(noise)
    for _ in range(200):
        edited[chance.randrange(len(edited))] ^= 0xFF
    pairs: dict[str, tuple[bytes, bytes | None]] = {
        "empty": (b"", None),
        "empty, from something": (b"", noise[:10]),
        "one byte": (b"x", None),
        "of nothing": (noise[:5000], b""),
        "alone": (text, None),
        "the same": (noise, noise),
        "whole blocks alone": (noise[: 2 * BLOCK], None),
        "put in front": (b"new" * 1000 + noise, noise),
        "cut off in front": (noise[BLOCK + 77 :], noise),
        "shorter base": (noise, noise[: BLOCK // 2]),
        "single bytes": (bytes(edited), noise),
        "halves exchanged": (noise[2 * BLOCK :] + noise[: 2 * BLOCK], noise),
    }
    weights = _weights(chance, 300_000, 4)
    pairs["trained on, and longer"] = (_trained_on(chance, weights, 4) + b"more", weights)
    for width, phase in ((2, 0), (4, 3)):
        pairs[f"weights alone, {width} bytes each from {phase}"] = (
            noise[:phase] + _weights(chance, 300_000, width) + b"end",
            None,
        )
    for width, phase in ((1, 0), (2, 1), (4, 0), (4, 3)):
        weights = _weights(chance, 400_000, width)
        pairs[f"trained on, {width} bytes each from {phase}"] = (
            noise[:phase] + _trained_on(chance, weights, width) + b"end",
            noise[:phase] + weights + b"END",
        )
    return pairs


PAIRS = _pairs()


@pytest.mark.parametrize("name", PAIRS)
def test_comes_out_as_it_went_in(name: str, box: Box, encode: Encode) -> None:
    content, base = PAIRS[name]
    if base is not None:
        box.store(base)
    parcel, kinds = encode(content, base)
    done = box.receive(parcel, memory=64 << 20)
    sha = hashlib.sha256(content).hexdigest()
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[-1] == f"received {sha}"
    assert box.has(content)
    assert box.parts() == {}
    assert sum(made for made, _ in kinds.values()) == len(content)


@pytest.mark.parametrize(
    ("name", "kind", "most"),
    [
        ("the same", "copy", 0.0001),
        ("put in front", "copy", 0.001),
        ("cut off in front", "copy", 0.0001),
        ("halves exchanged", "copy", 0.02),
        ("single bytes", "delta", 0.002),
        ("trained on, 1 bytes each from 0", "delta", 0.35),
        ("trained on, 2 bytes each from 1", "delta", 0.6),
        ("trained on, 4 bytes each from 3", "delta", 0.75),
        ("trained on, and longer", "delta", 0.75),
        ("weights alone, 2 bytes each from 0", "planes", 0.96),
        ("weights alone, 4 bytes each from 3", "planes", 0.93),
        ("alone", "zstd", 0.3),
    ],
)
def test_takes_what_is_smallest(name: str, kind: str, most: float, encode: Encode) -> None:
    content, base = PAIRS[name]
    parcel, kinds = encode(content, base)
    assert max(kinds, key=lambda each: kinds[each][0]) == kind
    assert len(parcel) <= HEAD + 12 * BLOCK_HEAD + most * len(content)


def test_a_cut_link_loses_at_most_one_block(box: Box, encode: Encode) -> None:
    content = random.Random(2).randbytes(4 * BLOCK + 99)
    sha = hashlib.sha256(content).hexdigest()
    parcel, _ = encode(content)
    starts = [HEAD + i * (BLOCK + BLOCK_HEAD) for i in range(5)]
    chance = random.Random(3)
    for cut in (HEAD - 1, HEAD, *sorted(chance.sample(range(HEAD, len(parcel)), 12))):
        done = box.receive(parcel[:cut], end=b"")
        assert done.returncode == 20
        assert b"cut-off" in done.stderr
        whole = sum(start <= cut for start in starts[1:])
        assert box.parts() == ({sha: whole * BLOCK} if cut >= HEAD else {})
        assert not box.has(content)
    kept = box.parts()[sha]
    rest = parcel[:88] + struct.pack("<Q", kept) + parcel[96:HEAD] + parcel[starts[kept // BLOCK] :]
    done = box.receive(rest)
    assert done.returncode == 0, done.stderr
    assert box.has(content)


def test_one_that_waits_on_a_dead_link_ends_when_another_comes(box: Box, encode: Encode) -> None:
    """It has the file open that the other one makes: nobody could start it, and it might yet write to it."""
    content = box.helper.read_bytes()
    parcel, _ = encode(content)
    words = [box.helper, "receive", str(box.root)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as waits:
        assert waits.stdin is not None
        assert waits.stdout is not None
        waits.stdin.write(parcel[:-1])
        waits.stdin.flush()
        while not list((box.root / "incoming").glob("*.part")):
            assert waits.poll() is None
        again = box.receive(parcel)
        assert again.returncode == 0, again.stderr
        assert waits.wait(60) == -signal.SIGKILL
        assert box.has(content)
        made = box.root / "store" / hashlib.sha256(content).hexdigest()
        made.chmod(0o755)
        assert subprocess.run([made, "sha256"], input=b"", timeout=60, check=False).returncode == 0
    assert list((box.root / "incoming").iterdir()) == []


def test_several_in_one_stream_and_one_that_is_not_right(box: Box, encode: Encode) -> None:
    first, second = PAIRS["alone"][0], b"second" * 1000
    wrong = bytearray(encode(b"wrong" * 1000)[0])
    wrong[8] ^= 1  # its sha256
    done = box.receive(encode(first)[0], bytes(wrong), encode(second)[0])
    said = [line.split()[0] for line in done.stdout.decode().splitlines() if not line.startswith("part")]
    assert said == ["received", "bad", "received"]
    assert sorted(path.stat().st_size for path in (box.root / "store").iterdir()) == [
        len(second),
        len(first),
    ]
    assert box.parts() == {}


def test_a_base_that_is_not_there_or_is_another(box: Box, encode: Encode) -> None:
    content, base = PAIRS["single bytes"]
    assert base is not None
    parcel, _ = encode(content, base)
    missing = box.receive(parcel)
    assert missing.returncode == 20
    assert missing.stderr.startswith(b"edgepack-error bad-base")
    sha = box.store(base)
    worn = bytearray(base)
    worn[5000] ^= 1
    (box.root / "store" / sha).write_bytes(worn)
    done = box.receive(parcel)
    assert done.stdout.decode().splitlines()[-1] == f"bad {hashlib.sha256(content).hexdigest()}"
    assert not box.has(content)


def test_a_stranger_writes_nothing_outside_and_crashes_nothing(box: Box, encode: Encode) -> None:
    """Every drawn mutation of good parcels ends in words or in a file whose sha256 is right."""
    base = PAIRS["trained on, 2 bytes each from 1"][1]
    assert base is not None
    box.store(base)
    good = [encode(PAIRS["trained on, 2 bytes each from 1"][0], base)[0], encode(PAIRS["alone"][0])[0]]
    chance = random.Random(4)
    before = {path.name for path in box.root.iterdir()}
    for trial in range(150):
        parcel = bytearray(chance.choice(good))
        for _ in range(chance.choice((1, 1, 2, 8))):
            reach = chance.choice((HEAD, HEAD + BLOCK_HEAD, HEAD + BLOCK_HEAD, len(parcel)))
            parcel[chance.randrange(reach)] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        length = chance.choice((len(parcel), chance.randrange(len(parcel))))
        done = box.receive(bytes(parcel[:length]))
        assert done.returncode in (0, 20), (trial, done.returncode, done.stderr)
        if done.returncode == 20:
            assert done.stderr.startswith(b"edgepack-error ")
            assert done.stderr.count(b"\n") == 1
        for path in (box.root / "store").iterdir():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        for path in (box.root / "incoming").iterdir():
            path.unlink()
    assert {path.name for path in box.root.iterdir()} == before


def test_a_link_in_the_store_is_not_followed(box: Box, encode: Encode) -> None:
    content = b"new content"
    sha = hashlib.sha256(content).hexdigest()
    outside = box.root / "outside"
    outside.write_bytes(b"mine")
    (box.root / "incoming" / f"{sha}.part").symlink_to(outside)
    done = box.receive(encode(content)[0])
    assert done.returncode == 20
    assert outside.read_bytes() == b"mine"


def test_a_full_disk_is_said(box: Box, encode: Encode) -> None:
    content = random.Random(5).randbytes(2 * BLOCK)
    (box.root / "incoming").rmdir()
    (box.root / "incoming").symlink_to("/proc/self")
    assert box.receive(encode(content)[0]).returncode == 20


def test_digests_as_sha256sum_says_them(box: Box) -> None:
    files = {"a": b"", "b": b"abc", "c": random.Random(6).randbytes(200_000)}
    for name, content in files.items():
        (box.root / name).write_bytes(content)
    names = "".join(f"{box.root / name}\n" for name in (*files, "missing"))
    said = box.call("sha256", stdin=names.encode()).stdout.decode()
    assert said == "".join(
        f"{hashlib.sha256(content).hexdigest()} {box.root / name}\n" for name, content in files.items()
    )


def test_signatures_of_the_keys_it_was_enrolled_with(box: Box) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    known, stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys = box.root / "keys"
    keys.write_text(f"# comment\n{known.public_key().public_bytes_raw().hex()} the office\n")
    message = b"sha256:" + b"a" * 64
    cases = [
        (known.sign(message), message, 0),
        (stranger.sign(message), message, 20),
        (known.sign(message), message + b"!", 20),
        (bytes(64), message, 20),
    ]
    for signature, said, status in cases:
        assert box.call("verify", str(keys), signature.hex(), stdin=said).returncode == status
    keys.write_text("nonsense\n")
    assert box.call("verify", str(keys), known.sign(message).hex(), stdin=message).returncode == 20


def test_small_and_the_same_from_anywhere(helper: Path) -> None:
    content = helper.read_bytes()
    assert len(content) < MOST_BYTES
    assert str(Path.home()).encode() not in content
    assert b"edgepack/box" not in content
