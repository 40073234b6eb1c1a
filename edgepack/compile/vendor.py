"""A vendor's headers, by the path that the user gave: what a program for its run-time is compiled with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.vendor_runtimes import VENDORS, Vendor
from edgepack.errors import InputError
from edgepack.manifest.project import Project
from edgepack.tools import cache

MARKER = "vendor.json"
_LIBRARIES = ("lib64", "lib")  # beside the headers' folder


@dataclass(frozen=True)
class Headers:
    """Where a vendor's headers are. folder, beside: what `#include <…>` looks in; said: who named it.

    libraries: what a program is linked to.
    """

    folder: Path
    said: str
    beside: Path | None = None
    libraries: tuple[Path, ...] = ()

    def digest(self, vendor: Vendor) -> str:
        """Of the headers that a caller includes and of those beside them, by content."""
        whole = hashlib.sha256(f"{self.folder} {self.beside}".encode())
        beside = {(self.folder / header).parent for header in vendor.headers}
        for file in sorted(file for place in beside for file in place.glob("*.h")):
            whole.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        for file in self.libraries:
            about = file.stat()
            whole.update(f"{file} {about.st_size} {about.st_mtime_ns}".encode())
        return whole.hexdigest()


def find(vendor: Vendor, keys: Mapping[str, str], project: Path) -> Headers:
    """keys: the manifest's `sdk:`. Raises InputError that says what is missing and what points to it."""
    folder, said = _folder(vendor, vendor.key, vendor.headers, vendor.places, (keys, project))
    if vendor.links:
        return Headers(folder, said, libraries=_libraries(vendor, folder, said))
    if vendor.beside is None:
        return Headers(folder, said)
    second = vendor.beside
    if (folder / second.header).is_file():
        return Headers(folder, said)
    beside, _ = _folder(vendor, second.key, (second.header,), second.places, (keys, project))
    return Headers(folder, said, beside)


def _folder(
    vendor: Vendor,
    key: str,
    headers: Sequence[str],
    places: Sequence[str],
    named: tuple[Mapping[str, str], Path],
) -> tuple[Path, str]:
    """What `#include <…>` looks in, and who named it. named: the manifest's `sdk:`, the project's folder."""
    keys, project = named
    said, value = f"sdk.{key} in edgepack.yaml", keys.get(key)
    if not value:
        said = "EDGEPACK_SDK_" + key.upper().replace("-", "_")
        value = os.environ.get(said)
    if not value:
        raise _missing(vendor, f"`sdk.{key}` is not set")
    folder = project / Path(value).expanduser()
    if not folder.is_dir():
        raise _missing(vendor, f"{said} says {folder}, and that is not a folder")
    for place in places:
        if all((folder / place / header).is_file() for header in headers):
            return (folder / place).resolve(), said
    looked = " or ".join(f"{place or '.'}/" for place in places)
    absent = next(h for h in headers if not any((folder / p / h).is_file() for p in places))
    raise _missing(vendor, f"{said} says {folder}, and there is no {absent} in {looked} of it")


def _libraries(vendor: Vendor, headers: Path, said: str) -> tuple[Path, ...]:
    """What is linked, in ``lib64`` or ``lib`` beside the headers. Raises InputError."""
    places = [headers.parent / name for name in _LIBRARIES]
    for place in places:
        if all((place / name).is_file() for name in vendor.links):
            return tuple((place / name).resolve() for name in vendor.links)
    absent = next(name for name in vendor.links if not any((place / name).is_file() for place in places))
    raise _missing(vendor, f"{said}: there is no {absent} in {' or '.join(map(str, places))}")


def here(project: Project) -> tuple[dict[str, str], dict[str, str]]:
    """Of all vendors' runtimes: those whose headers are here with their digest, and what the others lack."""
    found, lacking = {}, {}
    for name, vendor in VENDORS.items():
        try:
            found[name] = find(vendor, project.manifest.sdk, project.folder).digest(vendor)
        except InputError as error:
            lacking[name] = f"{error.what}: {error.why}; {error.fix}"
    return found, lacking


def place(vendor: Vendor, project: Project, dest: Path) -> Headers:
    """``dest`` as a build has a runtime: ``include/<backend>`` is the vendor's folder. Raises InputError."""
    headers = find(vendor, project.manifest.sdk, project.folder)
    with cache.locked(dest):
        if not (dest / MARKER).is_file():
            part = dest.with_name(f".{dest.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            for name in ("include", "lib", "licences", "link"):
                (part / name).mkdir(parents=True)
            for name, library in zip(vendor.links, headers.libraries, strict=True):
                (part / "link" / name).symlink_to(library)
            (part / "include" / vendor.backend).symlink_to(headers.folder)
            if headers.beside is not None:
                (part / "include" / f"{vendor.backend}-beside").symlink_to(headers.beside)
            (part / MARKER).write_text(
                json.dumps({"runtime": vendor.id, "headers": str(headers.folder)}) + "\n"
            )
            part.rename(dest)
    return headers


def _missing(vendor: Vendor, why: str) -> InputError:
    return InputError(f"no headers of {vendor.name} here", why=why, fix=vendor.way_to())
