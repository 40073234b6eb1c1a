"""qemu-user: runs a program built for another architecture on this host.

Life cycle: found on PATH, else in edgepack's cache, else fetched once as a pinned Debian package.
An emulator counts as found only after it ran a small program of the architecture to its end.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.tools import apt, cache, debian
from edgepack.tools.debian import Package, Progress
from edgepack.tools.runner import command, run

PINS = Path(__file__).with_name("qemu.json")

# Older ones crash in an initialiser of ONNX Runtime 1.28 and later, on aarch64 and armhf (seen with 7.2).
FOR_LIBRARIES = (10,)

# edgepack's architecture → qemu's name of it
NAMES = {"x86_64": "x86_64", "aarch64": "aarch64", "armhf": "arm", "riscv64": "riscv64"}

_MACHINES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "armv7l": "armhf",
    "armv8l": "armhf",
}


def host_arch() -> str:
    """This host's architecture in edgepack's words, or the machine's own word for another."""
    machine = platform.machine()
    return _MACHINES.get(machine, machine)


def find(arch: str, pins: Path = PINS, least: tuple[int, ...] = ()) -> Path | None:
    """An emulator for ``arch`` that works here: PATH first, then the cache; else None.

    ``arch`` is x86_64, aarch64, armhf or riscv64. The file's name is ``qemu-<qemu's arch>`` or
    that with ``-static``. least: the oldest version that will do.
    """
    name = f"qemu-{NAMES[arch]}"
    on_path = (shutil.which(f"{name}-static"), shutil.which(name))
    candidates = [Path(p) for p in on_path if p]
    candidates += [_folder(pin) / name for pin in debian.pins(pins, host_arch())]
    candidates += sorted(_cache().glob(f"*/{name}"))
    for path in dict.fromkeys(candidates):
        if path.is_file() and _new_enough(path, least) and why_not(path, arch) is None:
            return path
    return None


def _new_enough(emulator: Path, least: tuple[int, ...]) -> bool:
    numbers = version(emulator) if least else ""
    return not least or tuple(int(part) for part in re.findall(r"\d+", numbers)) >= least


def version(emulator: Path) -> str:
    """What ``--version`` says, as "10.0.13"; "unknown" where it says nothing of the kind."""
    said = run(command(emulator, "--version", timeout_s=20)).text()
    match = re.search(r"version (\d+(?:\.\d+)+)", said)
    return match[1] if match else "unknown"


def fetch(arch: str, progress: Progress, pins: Path = PINS, least: tuple[int, ...] = ()) -> Path:
    """An emulator for ``arch`` from Debian, put into the cache; no network where it is there.

    least: the oldest version that will do.

    Tries, in order, the pinned packages from this host's Debian archives, then what the host's
    own apt index names, each held to its SHA-256. All of edgepack's architectures are unpacked
    at once. Raises ToolError, with what was tried, where none can be had.
    """
    name = f"qemu-{NAMES[arch]}"
    tried: list[str] = []
    with cache.locked(_cache() / "fetch"):
        found = find(arch, pins, least)
        if found is not None:
            return found
        archives, proxies = apt.archives(), apt.proxy()
        for package in _candidates(pins):
            for url in debian.addresses(package, archives):
                try:
                    _install(package, url, proxies, progress)
                except debian.NotHad as error:
                    tried.append(f"{url}: {error}")
                    continue
                emulator = _folder(package) / name
                problem = why_not(emulator, arch)
                if problem is None and not _new_enough(emulator, least):
                    problem = f"{version(emulator)} is too old for programs with shared libraries"
                if problem is None:
                    return emulator
                tried.append(f"{url}: {problem}")
                break
    raise _cannot(arch, archives, tried)


def why_not(emulator: Path, arch: str) -> str | None:
    """Why this emulator cannot run programs of ``arch`` here, or None where it did so."""
    with tempfile.TemporaryDirectory(prefix="edgepack-qemu-") as folder:
        program = Path(folder) / "probe"
        program.write_bytes(probe(arch))
        program.chmod(0o755)
        try:
            done = run(command(emulator, program, timeout_s=30))
        except ToolError as error:
            return error.why or error.what
    if done.returncode == PROBE_EXIT:
        return None
    said = done.text().strip()
    return f"it ended a {arch} program with {done.returncode} {said}".strip()


PROBE_EXIT = 42

# exit(42) in machine code, and ELF's number of the machine and its flags.
# Call numbers: Linux's asm-generic/unistd.h (93), arm/tools/syscall.tbl (1), syscall_64.tbl (60).
_PROBES = {
    "x86_64": (62, 0, "bf2a000000b83c0000000f05"),  # mov edi,42; mov eax,60; syscall
    "aarch64": (183, 0, "400580d2a80b80d2010000d4"),  # mov x0,#42; mov x8,#93; svc #0
    "armhf": (40, 0x5000400, "2a00a0e30170a0e3000000ef"),  # mov r0,#42; mov r7,#1; svc #0
    "riscv64": (243, 5, "1305a0029308d00573000000"),  # li a0,42; li a7,93; ecall
}


def probe(arch: str) -> bytes:
    """The smallest static ELF program of ``arch``: it exits with ``PROBE_EXIT``."""
    machine, flags, code_hex = _PROBES[arch]
    code = bytes.fromhex(code_hex)
    wide = arch != "armhf"
    header_size, segment_size = (64, 56) if wide else (52, 32)
    start = header_size + segment_size
    base = 0x10000
    size = start + len(code)
    identity = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    # fields: elf(5), Elf64_Ehdr/Elf32_Ehdr and Elf64_Phdr/Elf32_Phdr
    word = "Q" if wide else "I"
    header = struct.pack(
        f"<HHI{word}{word}{word}IHHHHHH",
        *(2, machine, 1, base + start, header_size, 0),
        *(flags, header_size, segment_size, 1, 0, 0, 0),
    )
    if wide:
        segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    else:
        segment = struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 0x1000)
    return identity + header + segment + code


def _candidates(pins: Path) -> Iterator[Package]:
    """Pinned packages first. apt is asked only when it comes to that: it takes a second."""
    yield from debian.pins(pins, host_arch())
    yield from apt.indexed("qemu-user-static", "qemu-user")


def _install(package: Package, url: str, proxies: dict[str, str], progress: Progress) -> None:
    folder = _folder(package)
    with debian.fetched(package, url, proxies, progress) as deb:
        progress(f"unpacking {package}", 0, 0)
        ending = "-static" if package.name.endswith("-static") else ""
        names = [f"qemu-{qemu_arch}" for qemu_arch in NAMES.values()]
        debian.extract(deb, {f"usr/bin/{n}{ending}": folder / n for n in names})
    note = folder / "package.json"
    note.write_text(json.dumps({**asdict(package), "url": url}, indent=2) + "\n", "utf-8")


def _cache() -> Path:
    return cache.root() / "qemu"


def _folder(package: Package) -> Path:
    return _cache() / package.sha256[:16]


def _cannot(arch: str, archives: tuple[str, ...], tried: list[str]) -> ToolError:
    name = f"qemu-{NAMES[arch]}"
    if archives or tried:
        why = f"{name} is not on PATH, and no Debian archive of this host gave a package of it"
    else:
        why = f"{name} is not on PATH, and this host's apt names no Debian archive to fetch it from"
    return ToolError(
        f"no emulator for {arch}",
        why=why,
        fix=(
            "install Debian's or Ubuntu's package qemu-user-static, or put "
            f"{name} on PATH, or set EDGEPACK_DEBIAN_MIRROR to the base address of a Debian archive"
        ),
        detail="\n".join(tried),
    )
