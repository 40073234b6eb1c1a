"""What the lab's boxes and boards run: Debian's own packages, from where this host gets its packages.

Nothing is configured (no maintainer script runs), so an arm64 one takes half a minute instead of a quarter
of an hour, and what such a script would have left behind lies in ``board_disk/``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgepack.tools import cache
from edgepack.tools.runner import Completed, command, run

from . import cpio

HERE = Path(__file__).parent
PARTS = HERE / "board_disk"
DISK_MB = 1024  # sparse: what is not written takes no space on the host
SKIPPED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
MODULES = ("virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net")


@dataclass(frozen=True)
class Userland:
    """What a box has beside its kernel: ``packages`` are Debian's, their dependencies come along."""

    name: str
    packages: tuple[str, ...]


DEBIAN = Userland(
    "debian",
    (
        "base-files", "base-passwd", "busybox-static", "coreutils", "dash", "findutils", "grep", "gzip",
        "hostname", "libc-bin", "mawk", "mount", "openssh-server", "openssh-sftp-server", "procps", "sed",
        "tar", "util-linux",
    ),
)  # fmt: skip
BUSYBOX = Userland("busybox", ("base-files", "busybox-static", "dropbear-bin", "libc-bin"))
# Apart from what the board runs: a kernel's package brings half a userland with it.
KERNEL = Userland("kernel", ("busybox-static", "linux-image-cloud-arm64"))
ARM64 = ("--architectures=arm64",)


@dataclass(frozen=True)
class Image:
    """Files that stay as they are: a board boots a copy of ``disk`` (ext4, sparse)."""

    kernel: Path
    initrd: Path
    disk: Path


def tree(userland: Userland) -> Path:
    """A root filesystem for this host's own architecture, as a folder that nobody may write to."""
    return _kept("box", userland, _make_tree)


def image(userland: Userland) -> Image:
    """The arm64 board's files."""
    kernel, disk = _kept("board", KERNEL, _make_kernel), _kept("board", userland, _make_disk)
    return Image(kernel / "vmlinuz", kernel / "initrd", disk / "disk.img")


def _kept(what: str, userland: Userland, make: Callable[[Userland, Path], Path]) -> Path:
    """``what`` as it lies in edgepack's cache, made there on the first call.

    Raises RuntimeError with the tool's own words where mmdebstrap or mke2fs fails.
    """
    folder = cache.root() / "lab" / f"{what}-{userland.name}-{_key(userland)}"
    with cache.locked(folder):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                # mmdebstrap's apt steps down from root, and must still get here.
                Path(scratch).chmod(0o755)
                make(userland, Path(scratch)).rename(folder)
    return folder


def _key(userland: Userland) -> str:
    """Changes with everything that the files are made from."""
    digest = hashlib.sha256(repr((userland, _suite())).encode())
    for part in sorted([*PARTS.iterdir(), HERE / "rootfs.py", HERE / "cpio.py"]):
        digest.update(part.name.encode() + b"\0" + part.read_bytes())
    return digest.hexdigest()[:12]


def _make_tree(userland: Userland, scratch: Path) -> Path:
    return _complete(_unpack(userland.packages, (), scratch))


def _make_kernel(userland: Userland, scratch: Path) -> Path:
    out = scratch / "out"
    out.mkdir()
    tree = _unpack(userland.packages, ARM64, scratch)
    (kernel,) = tree.glob("boot/vmlinuz-*")
    shutil.copyfile(kernel, out / "vmlinuz")
    (out / "initrd").write_bytes(cpio.archive(_initrd(tree)))
    return out


def _make_disk(userland: Userland, scratch: Path) -> Path:
    out = scratch / "out"
    out.mkdir()
    tree = _complete(_unpack(userland.packages, ARM64, scratch))
    _must("mke2fs", "-q", "-t", "ext4", "-L", "board", "-d", tree, out / "disk.img", f"{DISK_MB}M")
    return out


def _unpack(packages: tuple[str, ...], options: tuple[str, ...], scratch: Path) -> Path:
    """The packages and all that they depend on, unpacked and not configured."""
    _must(
        "mmdebstrap", "--quiet", "--variant=extract", *options, f"--include={','.join(packages)}",
        _suite(), scratch / "tree", *_sources(),
    )  # fmt: skip
    return scratch / "tree"


def _initrd(tree: Path) -> list[cpio.Entry]:
    modules = _modules(tree)
    return [
        *(cpio.folder(name) for name in ("bin", "dev", "disk", "modules")),
        cpio.console(),
        cpio.file("bin/busybox", (tree / "bin/busybox").read_bytes(), 0o755),
        cpio.file("init", (PARTS / "initrd-init").read_bytes(), 0o755),
        *(cpio.file(f"modules/{module.name}", module.read_bytes()) for module in modules),
        cpio.file("modules/order", "".join(f"{module.name}\n" for module in modules).encode()),
    ]


def _modules(tree: Path) -> list[Path]:
    """The kernel modules that disk and network need, each after those it depends on."""
    (home,) = tree.glob("lib/modules/*")
    _must("busybox", "depmod", "-b", tree, home.name)
    lines = (home / "modules.dep").read_text().splitlines()
    needs = {Path(file).stem: deps.split() for file, _, deps in (line.partition(":") for line in lines)}
    where = {Path(line.partition(":")[0]).stem: home / line.partition(":")[0] for line in lines}
    ordered: list[str] = []

    def add(name: str) -> None:
        for dependency in needs[name]:
            add(Path(dependency).stem)
        if name not in ordered:
            ordered.append(name)

    for name in MODULES:
        add(name)
    return [where[name] for name in ordered]


def _complete(tree: Path) -> Path:
    """What the packages' maintainer scripts would have made, and an init that fits one page."""
    for skipped in SKIPPED:
        shutil.rmtree(tree / skipped, ignore_errors=True)
    for name in ("passwd", "group", "shadow", "inittab"):
        shutil.copyfile(PARTS / name, tree / "etc" / name)
    (tree / "etc/shadow").chmod(0o600)
    (tree / "etc/hostname").write_text("board\n")
    (tree / "etc/ssh").mkdir(exist_ok=True)
    shutil.copyfile(PARTS / "sshd_config", tree / "etc/ssh/sshd_config")
    (tree / "etc/init.d").mkdir(exist_ok=True)
    for name in ("rcS", "ssh-server"):
        shutil.copyfile(PARTS / name, tree / "etc/init.d" / name)
        (tree / "etc/init.d" / name).chmod(0o755)
    links = ["sbin/init", "sbin/poweroff"]
    if not (tree / "bin/sh").is_symlink():
        # This host's busybox has the applets of the box's: both are Debian's static build.
        applets = _must("busybox", "--list").stdout.decode().split()
        links += [f"bin/{applet}" for applet in applets if applet != "busybox"]
    for link in links:
        (tree / link).symlink_to("/bin/busybox")
    if (tree / "usr/bin/mawk").exists():
        (tree / "usr/bin/awk").symlink_to("mawk")
    home = tree / "home/edge"
    home.mkdir(parents=True)
    os.chown(home, 1000, 1000)
    return tree


def _suite() -> str:
    """This host's Debian release by name: the board's is the same."""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError("/etc/os-release names no VERSION_CODENAME: the lab is for Debian 12 or later")
    return found[1]


def _sources() -> list[Path]:
    """The host's own lists of where Debian's packages are, without those of other vendors."""
    apt = Path("/etc/apt")
    lists = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
    lists += sorted(apt.glob("sources.list.d/*.sources"))
    suite = re.compile(rf"^(deb |Suites:).*\b{_suite()}(-updates)?\b( |$)", re.MULTILINE)
    found = [file for file in lists if file.is_file() and suite.search(file.read_text())]
    if not found:
        raise RuntimeError(f"no file under {apt} says where the packages of {_suite()} are")
    return found


def _must(*argv: str | Path) -> Completed:
    done = run(command(*argv, timeout_s=600.0))
    if not done.ok:
        raise RuntimeError(f"{' '.join(done.argv)}\n{done.text()}")
    return done
