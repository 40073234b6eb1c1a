"""ONNX Runtime from pinned packages: its C header, its shared library, and what that one needs of C++."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from edgepack.catalog import onnxruntime_build as build
from edgepack.catalog.onnxruntime_build import Library, OnnxRuntimeSpec
from edgepack.compile import elf, elf_strip
from edgepack.compile.errors import LoadError
from edgepack.errors import InputError, ToolError
from edgepack.tools import cache, debian_files, sdist

MARKER = "onnxruntime.json"


def fetch(spec: OnnxRuntimeSpec, dest: Path, progress: Callable[[str], None]) -> None:
    """Put the files of ``spec`` into ``dest``, which must not exist yet and appears when complete.

    Leaves ``include/onnxruntime/onnxruntime_c_api.h``, ``lib/<soname>`` (stripped), ``licences/*.txt`` and
    ``onnxruntime.json``. Raises InputError for an architecture that there is no library for, ToolError where
    a package cannot be had, LoadError where a library is for another architecture.
    """
    library = build.LIBRARIES.get(spec.arch)
    if library is None:
        raise InputError(
            f"no library of ONNX Runtime for {spec.arch}", why=str(build.why_not(spec.arch, None))
        )
    with cache.locked(dest):
        if dest.exists():
            return
        part = dest.with_name(f".{dest.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        header = part / "include" / "onnxruntime" / "onnxruntime_c_api.h"
        debian_files.take(build.HEADER, {build.HEADER_FILE: header}, progress)
        _libraries(spec.arch, library, part, progress)
        about = {"onnxruntime": build.VERSION, "key": spec.key(), "library": asdict(library)}
        (part / MARKER).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
        part.rename(dest)


def _libraries(arch: str, library: Library, part: Path, progress: Callable[[str], None]) -> None:
    folder, licences = part / "lib", part / "licences"
    folder.mkdir(parents=True)
    licences.mkdir()
    wheel = sdist.fetch(library.wheel, progress)
    try:
        with zipfile.ZipFile(wheel) as archive:
            (folder / build.SONAME).write_bytes(archive.read(library.member))
            for name in build.LICENCES:
                place = licences / f"onnxruntime-{Path(name).stem}.txt"
                place.write_bytes(archive.read(name))
    except (KeyError, zipfile.BadZipFile) as error:
        raise ToolError(
            f"{wheel.name} is not the wheel it should be", where=str(wheel), why=str(error)
        ) from error
    for companion in library.companions:
        debian_files.take(companion.package, {companion.member: folder / companion.soname}, progress)
    debian_files.take(build.GCC_LICENCE, {build.GCC_LICENCE_FILE: licences / "libstdc++.txt"}, progress)
    for file in sorted(folder.iterdir()):
        found = elf.inspect(file)
        if found.arch != arch or found.soname != file.name:
            raise LoadError(
                f"{file.name} is {found.soname} for {found.arch}",
                where=str(file),
                why=f"it is to be for {arch}",
            )
        file.write_bytes(elf_strip.strip(file.read_bytes()))
        file.chmod(0o644)
