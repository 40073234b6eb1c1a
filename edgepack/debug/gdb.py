"""What gdb is told of a program of ours: commands as data, for a terminal, a script and an editor alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# What gdb calls edgepack's architectures: `set architecture`.
ARCHITECTURES = {"x86_64": "i386:x86-64", "aarch64": "aarch64", "armhf": "arm", "riscv64": "riscv:rv64"}
_NOWHERE = Path("/nonexistent")


@dataclass(frozen=True)
class Setup:
    """A program on a box, as gdb is to see it.

    symbols: the debug file, which holds the whole program. remote: where gdbserver answers, as gdb's
    ``target remote`` takes it, ``127.0.0.1:PORT`` or a socket's path; empty for none. sources: folders as the
    symbols name them → where they lie here. libraries: folders with the shared libraries that are on the box.
    sysroot: the box's own libraries in their tree, where there is one. debug_root: holds ``.build-id/``.
    """

    arch: str
    symbols: Path
    remote: str = ""
    sources: Mapping[str, Path] = field(default_factory=dict)
    libraries: Sequence[Path] = ()
    sysroot: Path | None = None
    debug_root: Path | None = None


def commands(setup: Setup) -> tuple[str, ...]:
    """gdb's commands in the order that it needs; the last one connects, where there is something to reach."""
    said = [
        "set pagination off",
        "set remotetimeout 60",  # gdb's own 2 s are a local network's
        f"set architecture {ARCHITECTURES[setup.arch]}",
        # Nothing is read from the box's disk through gdbserver: links are slow, and what lies there is
        # stripped. Nor this host's own libraries, which have the same names.
        f"set sysroot {setup.sysroot or _NOWHERE}",
    ]
    if setup.debug_root is not None:
        said.append(f"set debug-file-directory {setup.debug_root}")
    if setup.libraries:
        said.append(f"set solib-search-path {':'.join(map(str, setup.libraries))}")
    said += [f"set substitute-path {name} {_quoted(folder)}" for name, folder in setup.sources.items()]
    said.append(f"file {_quoted(setup.symbols)}")
    if setup.remote:
        said.append(f"target remote {setup.remote}")
    return tuple(said)


def _quoted(path: Path) -> str:
    """A word for those of gdb's commands that take several (libiberty's ``buildargv``)."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
