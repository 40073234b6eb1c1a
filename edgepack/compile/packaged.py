"""A runtime from pinned packages: its headers, its shared libraries, and what those need of C++."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from edgepack.catalog.packaged import Library, Packaged
from edgepack.catalog.packaged_runtimes import PACKAGED, PackagedSpec
from edgepack.compile import elf, elf_strip
from edgepack.compile.errors import LoadError
from edgepack.errors import InputError, ToolError
from edgepack.tools import cache, debian_files, sdist

MARKER = "packaged.json"


def fetch(spec: PackagedSpec, dest: Path, progress: Callable[[str], None]) -> None:
    """Put the files of ``spec`` into ``dest``, which must not exist yet and appears when complete.

    Leaves ``include/``, ``lib/`` (stripped), ``licences/*.txt`` and ``packaged.json``. Raises InputError for
    an architecture that there is no library for, ToolError where a package cannot be had, LoadError where a
    library is for another architecture.
    """
    about = PACKAGED[spec.runtime]
    library = about.libraries.get(spec.arch)
    if library is None:
        raise InputError(
            f"no library of {about.name} for {spec.arch}", why=about.why_not(spec.arch, None) or ""
        )
    with cache.locked(dest):
        if dest.exists():
            return
        part = dest.with_name(f".{dest.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        for name in ("include", "lib", "licences"):
            (part / name).mkdir(parents=True)
        if about.header is not None:
            debian_files.take(about.header, {about.headers: part / "include" / about.place}, progress)
        _from_wheel(about, library, part, progress)
        for companion in library.companions:
            place = part / "lib" / companion.soname
            debian_files.take(companion.package, {companion.member: place}, progress)
        text = part / "licences" / "libstdc++.txt"
        debian_files.take(library.text.package, {library.text.member: text}, progress)
        for file in sorted((part / "lib").iterdir()):
            _hold(file, spec.arch)
        facts = {"runtime": about.id, "version": about.version, "key": spec.key(), "library": asdict(library)}
        (part / MARKER).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
        part.rename(dest)


def _from_wheel(about: Packaged, library: Library, part: Path, progress: Callable[[str], None]) -> None:
    wanted = {member: part / "lib" / name for name, member in library.members.items()}
    wanted |= {member: part / "licences" / f"{name}.txt" for name, member in about.licences.items()}
    wheel = sdist.fetch(library.wheel, progress)
    try:
        with zipfile.ZipFile(wheel) as archive:
            if about.header is None and about.headers:
                inside = (n for n in archive.namelist() if n.startswith(about.headers) and n.endswith(".h"))
                include = part / "include" / about.place
                wanted |= {name: include / name.removeprefix(about.headers) for name in inside}
            for member, place in wanted.items():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(member))
    except (KeyError, zipfile.BadZipFile) as error:
        raise ToolError(
            f"{wheel.name} is not the wheel it should be", where=str(wheel), why=str(error)
        ) from error


def _hold(file: Path, arch: str) -> None:
    """One library, stripped. Raises LoadError where it is another than its name says."""
    found = elf.inspect(file)
    if found.arch != arch or found.soname not in (file.name, None):
        raise LoadError(
            f"{file.name} is {found.soname} for {found.arch}", where=str(file), why=f"it is to be for {arch}"
        )
    file.write_bytes(elf_strip.strip(file.read_bytes()))
    file.chmod(0o644)
