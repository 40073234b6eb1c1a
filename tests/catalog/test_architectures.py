"""One table says what an architecture is called everywhere; here it is asked by each of those names."""

import pytest

from edgepack.catalog.architectures import ARCHITECTURES, architecture, of_elf, of_machine
from edgepack.errors import InputError


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "x86_64"),
        ("aarch64", "aarch64"),
        ("arm64", "aarch64"),
        ("armv7l", "armhf"),
        ("armv8l", "armhf"),
        ("riscv64", "riscv64"),
        ("armv6l", None),  # a Raspberry Pi Zero: its processor lacks what armhf programs use
        ("mips", None),
        ("", None),
    ],
)
def test_a_box_is_known_by_what_uname_says(machine: str, name: str | None) -> None:
    found = of_machine(machine)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("bits", "machine", "flags", "name"),
    [
        (64, 62, 0, "x86_64"),
        (64, 183, 0, "aarch64"),
        (32, 40, 0x05000400, "armhf"),
        (32, 40, 0x05000200, None),  # soft float: its functions take numbers elsewhere
        (64, 243, 0x0005, "riscv64"),  # compressed instructions, double float
        (64, 243, 0x0001, None),  # soft float
        (32, 243, 0x0005, None),
        (32, 62, 0, None),  # x32
    ],
)
def test_a_program_is_known_by_its_header(bits: int, machine: int, flags: int, name: str | None) -> None:
    found = of_elf(bits, machine, flags)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("arm64", "aarch64"), ("x86-64", "x86_64"), ("riscv", "riscv64"), ("armv7l", "armhf")],
)
def test_an_unknown_name_is_answered_with_the_near_miss(wrong: str, meant: str) -> None:
    with pytest.raises(InputError) as refused:
        architecture(wrong)
    assert wrong in refused.value.what
    assert meant in refused.value.fix


def test_no_two_architectures_claim_one_box() -> None:
    machines = [machine for entry in ARCHITECTURES.values() for machine in entry.machines]
    assert len(machines) == len(set(machines))
    assert {name: entry.name for name, entry in ARCHITECTURES.items()} == {n: n for n in ARCHITECTURES}
