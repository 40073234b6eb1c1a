"""Boxes with a root of their own (tests/lab): OpenSSH and Debian's userland, or dropbear and busybox alone.

Their disk is a tmpfs, so it can be made full at any moment, to the page and to the inode. Needs root.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bench.chaos.boxes import Reach
from edgepack.sandbox import processes
from edgepack.tools.runner import command, run
from tests.lab import rootfs
from tests.lab.boxes import Box, Kind

USERLANDS = {"debian": rootfs.DEBIAN, "busybox": rootfs.BUSYBOX}
_DISK_MB = 96
_PAGE_KB = 4


class Rooted:
    """One of USERLANDS."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        self._box = Box(folder / "box", Kind(USERLANDS[kind], disk_mb=_DISK_MB))
        self._box.start()
        assert self._box._process is not None
        (self._first,) = (pid for pid, of in processes.table().items() if of == self._box._process.pid)
        at = self._box.endpoint()
        self.reach = Reach(at.port, at.user, at.identity, at.host_key)
        self.root = Path(f"/proc/{self._first}/root/home/edge/edgepack")

    def pids(self) -> set[int]:
        return processes.below(self._first)

    def inside(self, program: str, *words: str) -> Sequence[str]:
        return ("chroot", f"/proc/{self._first}/root", f"/home/edge/edgepack/{program}", *words)

    def fill(self, what: str, left: int) -> None:
        """From now on there are so many pages (what: pages) or inodes left, and no more."""
        for _ in range(100):
            disk = os.statvfs(self.root.parent)
            used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize // 1024
            inodes = disk.f_files - disk.f_ffree
            options = f"size={used + left * _PAGE_KB}k" if what == "pages" else f"nr_inodes={inodes + left}"
            if self._remount(options):  # it refuses where more was taken meanwhile
                return
        raise RuntimeError(f"the box's disk could not be made full by {options}")

    def empty(self) -> None:
        """The room is there again."""
        assert self._remount(f"size={_DISK_MB}m,nr_inodes=100000")

    def down(self) -> None:
        self._box.stop()

    def _remount(self, options: str) -> bool:
        mount = ("mount", "-o", f"remount,{options}", str(self._box.folder / "disk"))
        return run(command("nsenter", "-t", str(self._first), "-m", *mount)).ok
