"""A light box's disk whose every write is recorded, on its way through QEMU's block layer without any QEMU.

qemu-storage-daemon offers a disk's image as a file (FUSE), and writes down what it is told (blklogwrites, as
tests/lab/disk_log.py reads it); a loop device makes a disk of that file, with ext4 on it. So a write that no
flush followed can be dropped, in any order, and the file system replays its journal as after a power cut.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

from edgepack.tools.runner import command, run

_SIZE = "48M"
_NEIGHBOUR_S = 0.1


class RecordedDisk:
    """Mounted at ``at`` until ``stop``; then ``log`` and ``pristine`` are what disk_log.Replay takes."""

    def __init__(self, folder: Path, at: Path) -> None:
        self.pristine, self.log = folder / "pristine.img", folder / "disk.log"
        self._at = at
        _must("truncate", "-s", _SIZE, self.pristine)
        _must("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0", self.pristine)
        disk, seen = folder / "disk.img", folder / "seen.img"
        _must("cp", "--sparse=always", self.pristine, disk)
        for file in (self.log, seen):
            file.touch()
        below = f"file.driver=raw,file.file.driver=file,file.file.filename={disk}"
        blocks = f"driver=blklogwrites,node-name=disk,{below},log.driver=file,log.filename={self.log}"
        fuse = f"type=fuse,id=seen,node-name=disk,mountpoint={seen},writable=on"
        self._daemon = subprocess.Popen(["qemu-storage-daemon", "--blockdev", blocks, "--export", fuse])
        end = time.monotonic() + 30
        while not seen.stat().st_size:
            if time.monotonic() > end or self._daemon.poll() is not None:
                raise RuntimeError("qemu-storage-daemon offers no disk: apt-get install qemu-system-common")
            time.sleep(0.05)
        _must("mount", "-t", "ext4", "-o", "loop,commit=1", seen, at)
        self._ends = threading.Event()
        self._neighbour = threading.Thread(target=self._sync_something, daemon=True)
        self._neighbour.start()

    def size(self) -> int:
        """Of the log by now."""
        return self.log.stat().st_size

    def _sync_something(self) -> None:
        """Another program on the box, which syncs a file of its own now and then: so ext4 commits what names
        there are at moments that are not edgepack's, without what they name.
        """
        with (self._at / "neighbour").open("wb") as file:
            while not self._ends.wait(_NEIGHBOUR_S):
                file.write(b".")
                file.flush()
                os.fsync(file.fileno())

    def stop(self) -> None:
        self._ends.set()
        self._neighbour.join()
        end = time.monotonic() + 20
        while not run(command("umount", self._at)).ok and time.monotonic() < end:
            time.sleep(0.2)  # the SSH server's last process stands there
        self._daemon.terminate()
        self._daemon.wait(60)


def _must(*argv: str | Path) -> None:
    done = run(command(*argv, timeout_s=120))
    if not done.ok:
        raise RuntimeError(f"{argv[0]}: {done.text()}")
