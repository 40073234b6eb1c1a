"""``edgepack sysroot ARCH PACKAGE…``: headers and libraries of a Debian for a compiler, without root."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("arch", metavar="ARCH", help="aarch64, armhf, riscv64, x86_64")
    parser.add_argument(
        "packages", metavar="PACKAGE", nargs="*", help="left out: those of the lock, else libc6-dev"
    )
    parser.add_argument(
        "--lock", metavar="FILE", default="sysroot.lock.json", help="package, version and digest of each"
    )
    parser.add_argument(
        "--suite", help="of Debian: bullseye has glibc 2.31, bookworm 2.36; left out: this host's own"
    )
    parser.add_argument("--into", metavar="FOLDER", help="left out: a folder in the cache, which is told")
    parser.add_argument("--update", action="store_true", help="write the lock anew, also where there is one")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Resolve where there is no lock, unpack, and say where."""
    from edgepack.catalog.architectures import architecture
    from edgepack.errors import InputError
    from edgepack.tools import sysroot_packages as sysroots

    arch = architecture(args.arch).debian
    file = Path(args.folder).absolute() / args.lock
    if args.update or not file.is_file():
        asked = tuple(args.packages) or ("libc6-dev",)
        lock = sysroots.resolve(arch, args.suite or sysroots.codename(), asked, screen.remark)
        lock.write(file)
    else:
        lock = sysroots.read(file)
        other = sorted(set(args.packages) - set(lock.asked))
        if lock.arch != arch or other or (args.suite and args.suite != lock.suite):
            raise InputError(
                f"{args.lock} is for {lock.arch}, {lock.suite}: {', '.join(lock.asked)}",
                where=str(file),
                why="it was written for something else than is asked for",
                fix="--update writes it anew; --lock FILE takes another",
            )
    place = Path(args.into).absolute() if args.into else sysroots.default_place(lock)
    new = sysroots.make(lock, place, screen.remark)
    screen.result({"sysroot": str(place), "lock": str(file), "packages": len(lock.packages), "made": new})
    screen.text(f"{place}")
    screen.text(f"  {len(lock.packages)} packages of {lock.suite}, {lock.arch}; {args.lock} pins them")
    screen.text("  in edgepack.yaml: toolchain: {gcc: …, sysroot: " + str(place) + "}")
    return 0
