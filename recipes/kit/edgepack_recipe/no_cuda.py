"""Stands in for the CUDA libraries that the registries' PyTorch is linked to, so that it runs without them.

PyTorch's wheel for x86_64 Linux names some 15 CUDA libraries (4 GB) that the loader wants before it loads the
first byte, though nothing computed on a processor calls them. Here each gets an empty library of its name,
and one more defines every symbol of theirs as a function that returns 100, which is CUDA's
``cudaErrorNoDevice``: PyTorch then finds no device, as on any machine without one. Layouts: the System V ABI,
``elf.h``, gABI chapters 4 and 5.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
import struct
from pathlib import Path

import numpy as np

SONAME = re.compile(rb"lib(cu|nv|nccl)[A-Za-z_]*\.so\.[0-9]+")
SYMBOL = re.compile(rb"(cu|nccl|nvrtc|nvtx|nvshmem|nvJit|__cuda|_nvtx|__nv)[A-Za-z0-9_]*\Z")
CODE = b"\xb8\x64\x00\x00\x00\xc3"  # mov eax, 100; ret
PAGE = 0x1000
SYM = np.dtype([("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("at", "<u8", 2)])
DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_SONAME = 1, 4, 5, 6, 10, 11, 14
SHT_DYNAMIC, SHT_DYNSYM = 6, 11


def stand_in(work: Path) -> None:
    """Before ``import torch``: load the stand-ins, written to ``work``. Does nothing where PyTorch has no
    CUDA."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent / "lib"
    if not (folder / "libtorch_cuda.so").is_file():
        return
    needed: set[bytes] = set()
    undefined: set[bytes] = set()
    for file in sorted(folder.glob("*.so*")):
        names, symbols = wanted(file)
        needed |= names
        undefined |= symbols
    place = work / "no-cuda"
    place.mkdir(exist_ok=True)
    _load(place / "libno_cuda.so", sorted(undefined))
    for name in sorted(needed):
        _load(place / name.decode(), [])


def _load(file: Path, symbols: list[bytes]) -> None:
    file.write_bytes(library(file.name.encode(), symbols))
    ctypes.CDLL(str(file), ctypes.RTLD_GLOBAL)


def wanted(file: Path) -> tuple[set[bytes], set[bytes]]:
    """The CUDA libraries that an ELF file names, and the symbols of theirs that it does not define itself."""
    data = np.memmap(str(file), dtype=np.uint8, mode="r")
    sections = _sections(data)
    needed: set[bytes] = set()
    undefined: set[bytes] = set()
    for kind, offset, size, link in sections:
        if kind not in (SHT_DYNAMIC, SHT_DYNSYM):
            continue
        _, at, length, _ = sections[link]
        strings = data[at : at + length].tobytes()
        table = data[offset : offset + size].tobytes()
        if kind == SHT_DYNAMIC:
            entries = np.frombuffer(table, "<u8").reshape(-1, 2)
            needed |= {_string(strings, int(v)) for tag, v in entries if tag == DT_NEEDED}
        else:
            symbols = np.frombuffer(table, SYM)
            names = symbols["name"][symbols["section"] == 0]
            undefined |= {_string(strings, int(n)) for n in names}
    return {n for n in needed if SONAME.match(n)}, {n for n in undefined if SYMBOL.match(n)}


def _sections(data: np.ndarray) -> list[tuple[int, int, int, int]]:
    """(type, offset, size, link) of each section of an ELF64 file; none of any other file."""
    if data.size < 64 or data[:6].tobytes() != b"\x7fELF\x02\x01":
        return []
    (start,) = struct.unpack("<Q", data[40:48].tobytes())
    size, count = struct.unpack("<HH", data[58:62].tobytes())
    found = []
    for number in range(count):
        header = data[start + number * size : start + (number + 1) * size].tobytes()
        _, kind, _, _, offset, length, link = struct.unpack("<IIQQQQI", header[:44])
        found.append((kind, offset, length, link))
    return found


def _string(strings: bytes, at: int) -> bytes:
    return strings[at : strings.index(b"\0", at)]


def library(soname: bytes, symbols: list[bytes]) -> bytes:
    """An ELF shared object of x86_64 in which each symbol is a function that returns 100."""
    strings = b"\0" + soname + b"\0"
    places = []
    for symbol in symbols:
        places.append(len(strings))
        strings += symbol + b"\0"
    code = 64 + 56 * 4
    hashes = _aligned(code + len(CODE))
    table = _hash_table(symbols)
    symtab = hashes + len(table)
    strtab = symtab + 24 * (len(symbols) + 1)
    text_end = strtab + len(strings)
    dynamic_at = (text_end + PAGE - 1) // PAGE * PAGE
    entries = ((DT_SONAME, 1), (DT_HASH, hashes), (DT_STRTAB, strtab), (DT_SYMTAB, symtab))
    entries += ((DT_STRSZ, len(strings)), (DT_SYMENT, 24), (0, 0))
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    body = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56, 4, 64, 0, 0
    )
    body += _segment(1, 5, 0, text_end, PAGE)  # PT_LOAD, read and execute
    body += _segment(1, 6, dynamic_at, len(dynamic), PAGE)  # the loader writes into it
    body += _segment(2, 6, dynamic_at, len(dynamic), 8)  # PT_DYNAMIC
    body += _segment(0x6474E551, 6, 0, 0, 16)  # PT_GNU_STACK: no executable stack
    body = (body + CODE).ljust(hashes, b"\0") + table + bytes(24)
    for place in places:
        body += struct.pack("<IBBHQQ", place, 0x12, 0, 1, code, len(CODE))  # a global function
    return (body + strings).ljust(dynamic_at, b"\0") + dynamic


def _segment(kind: int, flags: int, at: int, size: int, align: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, align)


def _hash_table(symbols: list[bytes]) -> bytes:
    count = max(1, len(symbols) // 2)
    buckets, chains = [0] * count, [0] * (len(symbols) + 1)
    for number, symbol in enumerate(symbols, 1):
        bucket = _hash(symbol) % count
        chains[number], buckets[bucket] = buckets[bucket], number
    table = struct.pack(f"<{2 + count + len(chains)}I", count, len(chains), *buckets, *chains)
    return table.ljust(_aligned(len(table)), b"\0")


def _hash(name: bytes) -> int:
    value = 0
    for letter in name:
        value = (value << 4) + letter
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value & 0xFFFFFFFF


def _aligned(size: int) -> int:
    return (size + 15) // 16 * 16
