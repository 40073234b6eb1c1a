"""Boxes as folders of files, each with what tells it from others: for the script and the program alike."""

from __future__ import annotations

import hashlib
from pathlib import Path

SOC, SOC0 = "proc/device-tree/serial-number", "sys/devices/soc0/serial_number"
BOARD, MACHINE = "sys/class/dmi/id/product_uuid", "etc/machine-id"
NET = "sys/class/net"
UUID = "4C4C4544-0051-3410-8052-B4C04F4E3132"

# The files of a box, and each source with what is hashed of it.
BOXES: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "a Raspberry Pi": (
        {SOC: "10000000abcdef12\0", MACHINE: "3d1219c7c4c5404aaa1f6d2a48adfda4\n"},
        [("soc", "10000000abcdef12"), ("machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4")],
    ),
    "an i.MX": ({SOC0: "0A1B2C3D4E5F6071\n"}, [("soc0", "0a1b2c3d4e5f6071")]),
    "an x86 board": ({BOARD: f"{UUID}\n"}, [("board", UUID.lower())]),
    "a board that nobody filled in": (
        {BOARD: "03000200-0400-0500-0006-000700080009\n", SOC: "0000000000000000\0"},
        [],
    ),
    "all ones": ({BOARD: "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n"}, []),
    "an image before its first start": ({MACHINE: "uninitialized\n"}, []),
    "empty files": ({MACHINE: "", SOC: "\0"}, []),
    "too short to tell": ({SOC: "123\0"}, []),
    "words, not a number": ({SOC: "to be filled by O.E.M.$(id)\n"}, []),
    "blanks around it": ({SOC: " \t10000000abcdef12 \r\n"}, [("soc", "10000000abcdef12")]),
    "bytes": ({SOC: "\x01\x02\x7f\x1b[31mabcdef"}, []),
    "more than anybody writes": ({SOC: "1a" * 200}, [("soc", "1a" * 128)]),
    "two lines": ({MACHINE: "0123456789abcdef\nfedcba98\n"}, [("machine-id", "0123456789abcdef")]),
    "cards": (
        {
            f"{NET}/eth0/address": "02:FC:00:00:00:01\n",
            f"{NET}/eth0/addr_assign_type": "0\n",
            f"{NET}/eth0/device/x": "",
            f"{NET}/wlan0/address": "de:ad:be:ef:00:01\n",
            f"{NET}/wlan0/addr_assign_type": "0\n",
            f"{NET}/wlan0/device/x": "",
            # A bridge, one whose address was drawn at random, the loop.
            f"{NET}/br0/address": "02:00:00:00:00:09\n",
            f"{NET}/br0/addr_assign_type": "0\n",
            f"{NET}/usb0/address": "02:00:00:00:00:08\n",
            f"{NET}/usb0/addr_assign_type": "1\n",
            f"{NET}/usb0/device/x": "",
            f"{NET}/lo/address": "00:00:00:00:00:00\n",
        },
        [("mac", "02:fc:00:00:00:01"), ("mac", "de:ad:be:ef:00:01")],
    ),
    "nothing": ({}, []),
}


def fingerprint(app: str, source: str, value: str) -> str:
    """What script and program make of a value: docs/how-to/licences.md."""
    return hashlib.sha256(f"edgepack-device 1\napp {app}\n{source} {value}\n".encode()).hexdigest()


def device(files: dict[str, str], root: Path) -> Path:
    """A box's files below a folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    root.mkdir(exist_ok=True)
    return root
