"""Runtimes whose library comes in a package of a registry: what one is, and which targets it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgepack.catalog.gcc_libraries import Companion, Text
from edgepack.catalog.runtimes import glibc_floor, ordered
from edgepack.tools.debian import Package
from edgepack.tools.sdist import Source


@dataclass(frozen=True)
class Library:
    """One architecture's build.

    members: name in a release's ``lib/`` → file in the wheel. glibc: the oldest that loads all of them.
    text: the licence of the companions.
    """

    wheel: Source
    members: Mapping[str, str]
    glibc: str
    companions: tuple[Companion, ...]
    text: Text


@dataclass(frozen=True)
class Packaged:
    """A runtime in packages.

    licences: name of a text → file in the wheel. header: a Debian package with the C header, where the wheel
    holds none; headers: folder of the wheel with them, or file of that package; where both are empty, the
    template declares what it calls. place: below the runtime's ``include/``.
    """

    id: str
    name: str
    version: str
    licence: str
    licences: Mapping[str, str]
    libraries: Mapping[str, Library]
    header: Package | None = None
    headers: str = ""
    place: str = ""

    @property
    def project(self) -> str:
        """Its name in the registry."""
        return next(iter(self.libraries.values())).wheel.project

    def why_not(self, arch: str, libc: str | None) -> str | None:
        """Why a program with it cannot be had for such a target, in words; None where it can.

        libc: the target's fact, as "glibc 2.31"; None where nobody knows it.
        """
        library = self.libraries.get(arch)
        if library is None:
            known = " and ".join(self.libraries)
            return f"{self.name} {self.version} is there for {known}, not for {arch}"
        floor = glibc_floor(libc)
        if floor is None:
            return f"{self.name}'s library is built for glibc, and the target's libc is {libc}"
        if ordered(floor) < ordered(library.glibc):
            return (
                f"{self.name} {self.version} for {arch} needs glibc {library.glibc}, the target has {floor}"
            )
        return None
