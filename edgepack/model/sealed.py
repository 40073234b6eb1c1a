"""A model's file, encrypted: who has a copy of it, and not the key, has nothing.

The same bytes and key give the same file, so that a bundle's digest says what is in it, and where a part of a
model changed only the chunks of that part are others. The program's half is
``templates/program/src/sealed_file.cpp``; both are written down in docs/how-to/encryption.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edgepack.errors import EdgepackError, Exit

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

MAGIC = b"edgepack-sealed 1\n"
CHUNK = 64 << 10  # bytes of the model in each
TAG = 16
KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_HEAD = struct.Struct("<18s16sQ")  # magic, key, bytes of the model
_MARK = 32  # of a chunk in the header, and of the header itself
_NONCE = bytes(12)  # a key of its own for each chunk, so that one nonce will do


class SealError(EdgepackError):
    """An encrypted model that is not as it was written, or not of this key."""

    exit_code = Exit.MODEL


@dataclass(frozen=True)
class ContentKey:
    """What an app's models are encrypted with. It does not show itself, printed or in a traceback."""

    value: bytes

    def __repr__(self) -> str:
        return f"ContentKey({self.id})"

    @property
    def id(self) -> str:
        """16 hexadecimal digits, which tell it from other keys and say nothing of it."""
        return self.derive(b"edgepack-key-id", b"")[:8].hex()

    def derive(self, purpose: bytes, data: bytes) -> bytes:
        """32 bytes for one purpose: BLAKE2b (RFC 7693) with this key, its personalisation the purpose."""
        return hashlib.blake2b(data, digest_size=32, key=self.value, person=purpose).digest()


def make_key() -> ContentKey:
    """A new one, from the system's own randomness."""
    return ContentKey(secrets.token_bytes(32))


def write_key(key: ContentKey) -> bytes:
    """The line that a person keeps."""
    return f"edgepack-model-key {key.value.hex()}\n".encode()


def read_key(text: bytes) -> ContentKey:
    """The key in such a line. Raises ValueError, which does not repeat it."""
    found = re.fullmatch(rb"\s*edgepack-model-key ([0-9a-f]{64})\s*", text)
    if found is None:
        raise ValueError("it is no key of a model: a line `edgepack-model-key` and 64 hexadecimal digits")
    return ContentKey(bytes.fromhex(found[1].decode()))


def seal(key: ContentKey, plain: Path, to: Path) -> None:
    """Encrypt a file. It is read twice: what comes first depends on all of it."""
    size = plain.stat().st_size
    head = _HEAD.pack(MAGIC, key.id.encode(), size)
    with plain.open("rb") as source, to.open("wb") as out:
        marks = [_mark(key, chunk) for chunk in _chunks(source)]
        head += b"".join(marks)
        out.write(head + key.derive(b"edgepack-header", head))
        source.seek(0)
        for mark, chunk in zip(marks, _chunks(source), strict=True):
            out.write(_cipher(key, mark).encrypt(_NONCE, chunk, None))


def unseal(key: ContentKey, sealed: bytes) -> bytes:
    """The model again. Raises SealError for what is not, to the bit, what ``seal`` wrote with this key."""
    if not sealed.startswith(MAGIC) or len(sealed) < _HEAD.size:
        raise SealError("the file is not an encrypted model")
    _, named, size = _HEAD.unpack_from(sealed)
    if named != key.id.encode():
        raise SealError("the file is encrypted with another key")
    count = -(-size // CHUNK)
    at = _HEAD.size + count * _MARK
    if len(sealed) != at + _MARK + size + count * TAG:
        raise SealError("the encrypted file is not as long as it should be")
    if not hmac.compare_digest(sealed[at : at + _MARK], key.derive(b"edgepack-header", sealed[:at])):
        raise SealError("the encrypted file is not as it was written")
    marks = [sealed[start : start + _MARK] for start in range(_HEAD.size, at, _MARK)]
    at += _MARK
    starts = range(at, len(sealed), CHUNK + TAG)
    parts = (sealed[start : start + CHUNK + TAG] for start in starts)
    return b"".join(_opened(key, mark, part) for mark, part in zip(marks, parts, strict=True))


def _opened(key: ContentKey, mark: bytes, part: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key, mark).decrypt(_NONCE, part, None)
    except InvalidTag:
        raise SealError("the encrypted file is not as it was written") from None


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def _mark(key: ContentKey, chunk: bytes) -> bytes:
    """What a chunk's own key is made of: another for each other content, of use to nobody without the key."""
    return key.derive(b"edgepack-mark", chunk)


def _cipher(key: ContentKey, mark: bytes) -> ChaCha20Poly1305:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key.derive(b"edgepack-chunk", mark))
