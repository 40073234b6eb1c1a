from __future__ import annotations

import pytest

from edgepack.box.facts import parse

LINES = """arch armhf
machine armv7l
kernel Linux 4.19.94
emulator
libc musl 1.2.3
root /data/edgepack
folder /data
disk_free_kb 2048
inodes_free
filesystem ext4 rw,noexec
memory_total_kb 512
memory_available_kb
clock 1700000000
user root
writable yes
tool tar
tool busybox
have aa
damaged bb
current digits cc
release cc
release dd
lock t 12 2026-01-01T00:00:00Z me@here:1
something new 1
""".splitlines()


def test_what_a_box_says() -> None:
    facts = parse(LINES)
    assert (facts.arch, facts.libc, facts.disk_free, facts.memory_total) == (
        "armhf",
        "musl 1.2.3",
        2 << 20,
        512 << 10,
    )
    assert (facts.inodes_free, facts.memory_available, facts.emulator) == (None, None, "")
    assert facts.mount_options == ("rw", "noexec")
    assert facts.current == {"digits": "cc"}
    assert facts.releases == ("cc", "dd")
    assert (facts.have, facts.damaged) == ({"aa"}, ("bb",))
    assert "sha256sum" not in facts.missing_tools
    assert "mv-T" in facts.missing_tools


@pytest.mark.parametrize("word", ["arch", "root", "filesystem", "user", "writable"])
def test_what_it_must_say(word: str) -> None:
    with pytest.raises(KeyError):
        parse(line for line in LINES if not line.startswith(word))
