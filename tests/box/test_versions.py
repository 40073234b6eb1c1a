"""Drivers' and runtimes' versions, read from files as the makers' systems have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.box import script
from edgepack.tools.runner import command, run
from tests.box.boxsh import SHELLS, shells

DPKG = """Package: libnvinfer-dev
Status: install ok installed
Version: 9.9.9-1+cuda12.5

Package: libnvinfer8
Status: deinstall ok config-files
Architecture: arm64
Version: 8.5.2-1+cuda11.4

Package: libnvinfer10
Status: install ok installed
Priority: optional
Architecture: arm64
Version: 10.3.0.30-1+cuda12.5

Package: libcudnn9-cuda-12
Status: install ok installed
Version: 1:9.3.0.75-1
"""
CUDA = """{
   "cuda" : {
      "name" : "CUDA SDK",
      "version" : "12.6.11"
   },
   "nvcc": {"version": "1.2"}
}
"""
NVRM = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024
GCC version:  gcc version 12.3.0
"""
L4T = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, DATE: Wed Jan  8 01:49:37 UTC 2025\n"
ASCEND = "/usr/local/Ascend"
# Where, what is in it (a link where it begins with →), and what is to be said.
RECORDED = [
    ("/etc/nv_tegra_release", L4T, ["l4t 36.4.3"]),
    ("/etc/nv_tegra_release", "# R32 (release), REVISION: 7.1, GCID: 29818004\n", ["l4t 32.7.1"]),
    ("/var/lib/dpkg/status", DPKG, ["tensorrt 10.3.0.30", "cudnn 9.3.0.75"]),
    ("/usr/lib/aarch64-linux-gnu/libnvinfer.so.8.2.1", "", ["tensorrt 8.2.1"]),
    ("/usr/lib/x86_64-linux-gnu/libcudnn.so.9.7.0", "", ["cudnn 9.7.0"]),
    ("/usr/local/cuda/version.json", CUDA, ["cuda 12.6.11"]),
    ("/usr/local/cuda/version.txt", "CUDA Version 10.2.300\n", ["cuda 10.2.300"]),
    ("/proc/driver/nvidia/version", NVRM, ["nvidia-driver 550.54.15"]),
    (
        "/proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build\n",
        ["nvidia-driver 540.4.0"],
    ),
    ("/sys/kernel/debug/rknpu/version", "RKNPU driver: v0.9.8\n", ["rknpu-driver 0.9.8"]),
    ("/proc/rknpu/version", "RKNPU driver: v0.9.2\n", ["rknpu-driver 0.9.2"]),
    (
        "/usr/lib/librknnrt.so",
        "\x7fELF\0\1\2%s\0librknnrt version: 2.3.0 (c949ad889d@2024-11-07T11:35:33)\0\1",
        ["librknnrt 2.3.0"],
    ),
    ("/oem/usr/lib/librknnmrt.so", "\0librknnmrt version: 1.5.2 (abc)\0", ["librknnmrt 1.5.2"]),
    ("/usr/lib/librknnrt.so", "\x7fELF a library that says nothing", []),
    (
        f"{ASCEND}/ascend-toolkit/latest/aarch64-linux/ascend_toolkit_install.info",
        "package_name=Ascend-cann-toolkit\nversion=8.0.RC3\ninnerversion=V100R001\n",
        ["cann 8.0.RC3"],
    ),
    (f"{ASCEND}/cann/x86_64-linux/ascend_toolkit_install.info", "version=8.5.0\n", ["cann 8.5.0"]),
    (f"{ASCEND}/nnrt/latest/aarch64-linux/ascend_nnrt_install.info", "version=7.0.0\n", ["cann 7.0.0"]),
    (f"{ASCEND}/driver/version.info", "Version=25.2.0\nascendhal_version=7.35\n", ["ascend-driver 25.2.0"]),
    ("/opt/sophon/libsophon-current", "→/opt/sophon/libsophon-0.4.9", ["libsophon 0.4.9"]),
    (
        "/proc/bmsophon/driver_version",
        "release version:0.5.0   release date: 20240304-175610\n",
        ["sophon-driver 0.5.0"],
    ),
    ("/sys/module/galcore/version", "6.4.4.3\n", ["galcore 6.4.4.3"]),
    ("/sys/module/hailo_pci/version", "4.20.0\n", ["hailo-driver 4.20.0"]),
    ("/usr/lib/libhailort.so.4.19.0", "", ["hailort 4.19.0"]),
    ("/etc/os-release", 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="22.04"\n', ["ubuntu 22.04"]),
    ("/etc/os-release", 'ID=debian\nVERSION_ID="12"\n', []),
    # What nobody meant: it ends up on a terminal and in a comparison.
    ("/sys/module/galcore/version", "6.4; rm -rf /\n", []),
    ("/sys/module/galcore/version", "6" * 100, []),
    ("/etc/nv_tegra_release", "\0\xff\n\n", []),
]


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The box's script, which says the versions of whatever lies below a folder."""
    place = tmp_path_factory.mktemp("script") / "box.sh"
    body = script.text().removesuffix(b'main "$@"\n')
    place.write_bytes(body + b'versions "$1"\n')
    return place


def said(asks: Path, folder: Path, shell: str) -> list[str]:
    done = run(command(*SHELLS[shell], asks, folder))
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize("shell", shells())
def test_what_is_read_where(asks: Path, tmp_path: Path, shell: str) -> None:
    for n, (place, content, versions) in enumerate(RECORDED):
        folder = tmp_path / str(n)
        file = folder / place.lstrip("/")
        file.parent.mkdir(parents=True)
        if content.startswith("→"):
            file.symlink_to(content[1:])
        else:
            file.write_text(content, encoding="latin-1")
        assert said(asks, folder, shell) == [f"version {version} {place}" for version in versions], place


def test_the_chip_is_read_from_the_device_tree(asks: Path, tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_bytes(b"radxa,rock-5a\0rockchip,rk3588s\0ba d\0")
    assert said(asks, tmp_path, "dash") == ["soc radxa,rock-5a", "soc rockchip,rk3588s"]


def test_a_box_with_none_of_it_says_nothing(asks: Path, tmp_path: Path) -> None:
    assert said(asks, tmp_path, "dash") == []
