"""The processor architectures edgepack builds for, and what each part of the world calls them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from edgepack.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """One architecture under every name it goes by.

    machines: what ``uname -m`` says on such a box. elf_machine, elf_flags, elf_flags_mask: ``e_machine``
    and the ABI bits of ``e_flags`` (System V ABI supplements: 62 x86-64, 183 AArch64, 40 Arm, 243 RISC-V).
    loader: glibc's dynamic loader as ``PT_INTERP`` names it. glibc: the oldest that zig can link to; what is
    linked to it starts on every later one. baseline: the least the compiler assumes.
    """

    name: str
    machines: tuple[str, ...]
    bits: int
    elf_machine: int
    elf_flags: int
    elf_flags_mask: int
    loader: str
    zig_musl: str
    zig_gnu: str
    glibc: str
    gcc: str
    qemu: str
    debian: str
    baseline: str

    @property
    def musl_loader(self) -> str:
        """musl's dynamic loader as ``PT_INTERP`` names it."""
        return f"/lib/ld-musl-{self.name}.so.1"

    def runs(self, machine: str) -> bool:
        """Whether a box whose ``uname -m`` is ``machine`` is of this architecture."""
        return machine in self.machines


_TABLE = (
    Architecture(
        name="x86_64",
        machines=("x86_64", "amd64"),
        bits=64,
        elf_machine=62,
        elf_flags=0,
        elf_flags_mask=0,
        loader="/lib64/ld-linux-x86-64.so.2",
        zig_musl="x86_64-linux-musl",
        zig_gnu="x86_64-linux-gnu",
        glibc="2.17",
        gcc="x86_64-linux-gnu",
        qemu="x86_64",
        debian="amd64",
        baseline="x86-64 (SSE2); AVX2 is used where the processor has it",
    ),
    Architecture(
        name="aarch64",
        machines=("aarch64", "arm64"),
        bits=64,
        elf_machine=183,
        elf_flags=0,
        elf_flags_mask=0,
        loader="/lib/ld-linux-aarch64.so.1",
        zig_musl="aarch64-linux-musl",
        zig_gnu="aarch64-linux-gnu",
        glibc="2.17",
        gcc="aarch64-linux-gnu",
        qemu="aarch64",
        debian="arm64",
        baseline="Armv8.0-A with NEON",
    ),
    Architecture(
        name="armhf",
        machines=("armv7l", "armv8l", "armhf"),
        bits=32,
        elf_machine=40,
        elf_flags=0x0500_0400,  # EABI5, hard float: ELF for the Arm Architecture, EF_ARM_ABI_FLOAT_HARD
        elf_flags_mask=0xFF00_0000 | 0x0400,
        loader="/lib/ld-linux-armhf.so.3",
        zig_musl="arm-linux-musleabihf",
        zig_gnu="arm-linux-gnueabihf",
        glibc="2.17",
        gcc="arm-linux-gnueabihf",
        qemu="arm",
        debian="armhf",
        baseline="Armv7-A with VFPv3 and NEON",
    ),
    Architecture(
        name="riscv64",
        machines=("riscv64",),
        bits=64,
        elf_machine=243,
        elf_flags=0x0004,  # EF_RISCV_FLOAT_ABI_DOUBLE
        elf_flags_mask=0x0006,
        loader="/lib/ld-linux-riscv64-lp64d.so.1",
        zig_musl="riscv64-linux-musl",
        zig_gnu="riscv64-linux-gnu",
        glibc="2.27",
        gcc="riscv64-linux-gnu",
        qemu="riscv64",
        debian="riscv64",
        baseline="RV64GC, double-float ABI, no vector extension",
    ),
)

ARCHITECTURES = {entry.name: entry for entry in _TABLE}


def architecture(name: str) -> Architecture:
    """The entry of that name. Raises InputError, with the near miss, where there is none."""
    found = ARCHITECTURES.get(name)
    if found is not None:
        return found
    alias = of_machine(name)
    near = [alias.name] if alias else difflib.get_close_matches(name, ARCHITECTURES, 1)
    raise InputError(
        f"unknown architecture {name!r}",
        why=f"edgepack knows {', '.join(ARCHITECTURES)}",
        fix=f"did you mean {near[0]!r}?" if near else "use one of these",
    )


def of_machine(machine: str) -> Architecture | None:
    """The architecture of a box whose ``uname -m`` says ``machine``, or None where edgepack has none."""
    return next((entry for entry in _TABLE if entry.runs(machine)), None)


def of_elf(bits: int, machine: int, flags: int) -> Architecture | None:
    """The architecture of an ELF file by its class, ``e_machine`` and ``e_flags``, or None."""
    for entry in _TABLE:
        same_abi = flags & entry.elf_flags_mask == entry.elf_flags
        if (entry.bits, entry.elf_machine) == (bits, machine) and same_abi:
            return entry
    return None
