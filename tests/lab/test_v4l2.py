"""The kernel's own camera: its driver `vivid` in an emulated PC, which draws bars of known colours.

A camera that is pulled out is a driver that is unbound while the program streams.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgepack.tools import cache
from edgepack.tools.runner import command, run
from tests.compile.conftest import Tiny
from tests.compile.talking import built
from tests.lab import cpio

MODULES = "lib/modules/*/kernel/drivers/media"
# Stays up until the program has answered, was unplugged and plugged in again; then says all that there is.
INIT = """\
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install /bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
mkdir -p /data
for module in $(cat /modules/order); do insmod /modules/$module || echo "NO $module"; done
/program run --data /data >/log 2>&1 &
answers() { grep -c . /data/results.jsonl 2>/dev/null || echo 0; }
await() { # COMMAND  at most two minutes
	n=0
	until eval "$1"; do
		n=$((n + 1))
		[ $n -lt 600 ] || return 1
		sleep 0.2
	done
}
await '[ $(answers) -ge 5 ]' && echo ANSWERS || echo SILENT
echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind
await 'grep -q "has gone" /log' && echo GONE || echo NOTICED-NOTHING
await 'grep -q "cannot be opened" /log'
before=$(answers)
echo vivid.0 >/sys/bus/platform/drivers/vivid/bind
await '[ $(answers) -gt $((before + 3)) ]' && echo BACK || echo NOT-BACK
kill %1; wait %1; echo "ended with $?"
echo LOG; cat /log; echo PICTURE; base64 $(ls /data/samples/*.ppm | head -n 1); echo END
reboot -f
"""
QEMU = (
    *("qemu-system-x86_64", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"),
    *("-m", "512", "-nic", "none", "-accel", "tcg", "-cpu", "max"),  # not every /dev/kvm can
)


@pytest.fixture(scope="module")
def kernel() -> Path:
    """Debian's, unpacked, with its modules; fetched once."""
    said = run(command("apt-cache", "depends", "linux-image-amd64")).text()
    named = re.search(r"Depends: (linux-image-\S+)", said)
    assert named is not None, said
    folder = cache.root() / "lab" / f"vivid-{named[1]}"
    if not (folder / "whole").exists():
        folder.mkdir(parents=True, exist_ok=True)
        fetched = run(command("apt-get", "-q", "download", named[1], cwd=folder))
        assert fetched.ok, fetched.text()
        (package,) = folder.glob(f"{named[1]}_*.deb")
        assert run(command("dpkg", "-x", package, folder)).ok
        package.unlink()
        (folder / "whole").touch()
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return built(
        tmp_path_factory.mktemp("v4l2"),
        source={"kind": "v4l2", "width": 320, "height": 180, "fps": 10, "silent_s": 20},
        sink=[{"kind": "jsonl"}, {"kind": "samples", "keep_mb": 20, "when": {"every": 1}}],
    )


def modules(kernel: Path, wanted: str) -> Iterator[Path]:
    """A module after those that it depends on."""
    (file,) = (kernel / "lib").rglob(f"{wanted}.ko")
    found = re.search(rb"\0depends=([^\0]*)\0", file.read_bytes())
    assert found is not None
    for needed in found[1].decode().split(","):
        if needed:
            yield from modules(kernel, needed)
    yield file


def initrd(kernel: Path, program: Tiny) -> bytes:
    release = program.release
    files = list(dict.fromkeys(modules(kernel, "vivid")))
    order = "\n".join(file.name for file in files)
    folders = ("bin", "dev", "proc", "sys", "modules", "release", "release/bin", "release/model")
    entries = [cpio.folder(name) for name in folders]
    entries += [cpio.console(), cpio.file("init", INIT.encode(), 0o755)]
    entries += [cpio.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)]
    entries += [cpio.file("program", b'#!/bin/sh\nexec /release/bin/tiny "$@"\n', 0o755)]
    entries += [cpio.file(f"modules/{file.name}", file.read_bytes()) for file in files]
    entries += [cpio.file("modules/order", order.encode())]
    for part in ("model/model.param", "model/model.bin", "bin/tiny"):
        entries.append(cpio.file(f"release/{part}", (release / part).read_bytes(), 0o755))
    return cpio.archive(entries)


def test_the_kernels_own_camera_is_read_is_pulled_out_and_comes_back(
    kernel: Path, program: Tiny, tmp_path: Path
) -> None:
    (tmp_path / "initrd").write_bytes(initrd(kernel, program))
    (image,) = kernel.glob("boot/vmlinuz-*")
    words = [
        "-kernel",
        str(image),
        "-initrd",
        str(tmp_path / "initrd"),
        "-append",
        "console=ttyS0 quiet panic=-1 mitigations=off",
    ]
    done = subprocess.run([*QEMU, *words], capture_output=True, text=True, timeout=1200, check=False)
    said = done.stdout.replace("\r", "")
    assert "ANSWERS" in said, said[-4000:]
    assert "GONE" in said, said[-4000:]
    assert "\nBACK" in said, said[-4000:]
    assert "ended with 0" in said, said[-4000:]
    assert "the camera /dev/video0: vivid: 320 x 180 yuyv" in said
    picture = base64.b64decode(said.partition("\nPICTURE\n")[2].partition("\nEND")[0])
    head = b"P6\n320 180\n255\n"
    assert picture.startswith(head)
    pixels = np.frombuffer(picture[len(head) :], np.uint8).reshape(180, 320, 3).astype(int)
    low, high = 0, 191  # three quarters of the way: "75% colour bar"
    bars = [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)]
    for number, bar in enumerate(bars):
        middle = pixels[150, number * 40 + 20]
        assert np.abs(middle - [high if part else low for part in bar]).max() <= 3, (number, middle)
