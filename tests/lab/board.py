"""A real arm64 board, emulated whole: its own kernel, disk and userland, a Cortex-A72 by QEMU.

It listens on 127.0.0.1 only and reaches nothing outside. Pulling its plug is ending the emulator: what
the board had not written to its disk is gone, as on a real one. What its disk is told from its first boot
to the first time it is off is kept in ``disk_log`` (see ``disk_log.py``).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from edgepack.tools.runner import command, run

from . import rootfs
from .endpoint import DIES_WITH_US, LOOPBACK, Endpoint, Keys, free_port, new_keys, owner_tar, wait_for_ssh

QEMU = "qemu-system-aarch64"
CPU = "cortex-a72"
MEMORY_MB = 512
BOOT_TIMEOUT_S = 240.0  # 10 to 20 s on a quiet machine; the rest is for a loaded one
HOMES = {"root": 0, "home/edge": 1000}


class Board:
    """One board with its own disk and keys in ``folder``; boot it, use ``endpoint()``, power it off."""

    def __init__(self, folder: Path, userland: rootfs.Userland = rootfs.DEBIAN) -> None:
        self.folder = folder
        self.userland = userland
        self.port = free_port()
        self.keys: Keys = new_keys(folder)
        self._image = rootfs.image(userland)
        self.disk_log = folder / "disk.log"
        self._disk = folder / "disk.img"
        self._owner = folder / "owner.tar"
        self._process: subprocess.Popen[bytes] | None = None
        copied = run(command("cp", "--sparse=always", "--reflink=auto", self._image.disk, self._disk))
        assert copied.ok, copied.text()
        self._owner.write_bytes(owner_tar(self.keys, HOMES))

    @property
    def console(self) -> Path:
        """What the board's kernel and init said, over all boots."""
        return self.folder / "console.log"

    def endpoint(self, user: str = "edge") -> Endpoint:
        return Endpoint(self.port, user, self.keys.identity, self.keys.host_key())

    def boot(self) -> float:
        """Power on and return the seconds until its SSH server answered."""
        assert self._process is None, "the board is already on"
        disk = self._plain_disk() if self.disk_log.exists() else self._logged_disk()
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                self._argv(disk),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        try:
            return wait_for_ssh(LOOPBACK, self.port, BOOT_TIMEOUT_S, self.is_on)
        except (TimeoutError, ChildProcessError) as error:
            self.pull_power()
            said = self.console.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{error}\nthe board's console ends with:\n{said}") from error

    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def power_off(self) -> None:
        """Ask the board to write everything and switch itself off."""
        if self._process is None:
            return
        self.endpoint("root").ssh("poweroff", timeout_s=20.0)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.pull_power()
            raise
        self._process = None

    def pull_power(self) -> None:
        """Off, at once, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pristine_disk(self) -> Path:
        """The disk as it was before the first boot."""
        return self._image.disk

    def _plain_disk(self) -> str:
        return f"driver=raw,node-name=disk,file.driver=file,file.filename={self._disk}"

    def _logged_disk(self) -> str:
        self.disk_log.touch()
        below = f"file.driver=raw,file.file.driver=file,file.file.filename={self._disk}"
        return f"driver=blklogwrites,node-name=disk,{below},log.driver=file,log.filename={self.disk_log}"

    def _argv(self, disk: str) -> list[str]:
        return [
            *DIES_WITH_US, QEMU, "-M", "virt", "-cpu", CPU, "-accel", "tcg,thread=multi", "-smp", "2",
            "-m", str(MEMORY_MB), "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio",
            "-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd),
            "-append", "console=ttyAMA0 quiet panic=-1",
            "-blockdev", disk,
            "-device", "virtio-blk-pci,drive=disk",
            "-drive", f"if=none,id=owner,format=raw,readonly=on,file={self._owner}",
            "-device", "virtio-blk-pci,drive=owner",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:{LOOPBACK}:{self.port}-:22",
            "-device", "virtio-net-pci,netdev=net,romfile=",
        ]  # fmt: skip
