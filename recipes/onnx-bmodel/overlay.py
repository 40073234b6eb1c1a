"""tpu_mlir as it can be run: links to the installed package, less the C library that it brings along.

Its ``lib/third_party`` holds a glibc, which no other one's loader can use (``GLIBC_2.36 not found``), and
its tools
put a link to the chip's simulator among the installed libraries. So each work folder gets a tree of links
of its own,
where the host's C library stands in the place of the bundled one; the installed package is never written to.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

HERE = Path(__file__).resolve().parent
C_LIBRARY = ("libc.so.6", "libm.so.6", "libpthread.so.0")


@dataclass(frozen=True)
class Overlay:
    """root: what tpu_mlir's programs take for its package."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the package's own entry points set, for this tree."""
        root = self.root
        path = [root / "bin", root / "python" / "tools", Path(sys.executable).parent, "/usr/bin", "/bin"]
        python = [
            HERE / "no_torch",
            HERE,
            HERE.parent / "kit",
            root / "python",
            root / "customlayer" / "python",
        ]
        return {
            "PATH": _joined(path),
            "PYTHONPATH": _joined(python),
            "LD_LIBRARY_PATH": _joined([root / "lib", root / "lib" / "third_party"]),
            "TPUC_ROOT": str(root),
            "PPL_PROJECT_ROOT": str(root / "ppl"),
            "PYTHONHASHSEED": "0",
        }

    def tool(self, name: str) -> Path:
        """One of its Python programs."""
        return self.root / "python" / "tools" / f"{name}.py"


def make(root: Path) -> Overlay:
    """The links, in a new folder."""
    package = Path(str(distribution("tpu_mlir").locate_file("tpu_mlir")))
    root.mkdir(parents=True)
    for entry in package.iterdir():
        if entry.name not in ("lib", "python", "bin"):
            (root / entry.name).symlink_to(entry)
    for name in ("lib", "python", "bin", "lib/third_party"):
        (root / name).mkdir(exist_ok=True)
        for entry in (package / name).iterdir():
            if entry.name not in ("third_party", "libcmodel.so", "__pycache__", *C_LIBRARY):
                (root / name / entry.name).symlink_to(entry)
    host = _host_c_library()
    for name in C_LIBRARY:
        if (host / name).exists():
            (root / "lib" / "third_party" / name).symlink_to(host / name)
    return Overlay(root)


def _host_c_library() -> Path:
    """The folder that this process's own came from."""
    found = re.search(r"(/\S*)/libc[.-][^/\s]*$", Path("/proc/self/maps").read_text(), re.MULTILINE)
    return Path(found.group(1)) if found else Path("/lib/x86_64-linux-gnu")


def _joined(paths: list[Path | str]) -> str:
    return os.pathsep.join(str(path) for path in paths)
